import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BackupStep,
  isRotationDue,
  LONGEST_LOOK_MS,
  leftLogs,
  movableHead,
  msUntilLook,
  msUntilTooOld,
  plainBackups,
  planNewBackup,
  planNoBackups,
  SHORTEST_LOOK_MS,
  surplusHead,
} from '../../../src/core/log-rotation.js';
import type { LogRotation } from '../../../src/spec/service-spec.js';
import { makeRandom } from '../random.js';

const BLOCK = 4096;
const MANY = 1_000_000_000;

const policy = (changes: Partial<LogRotation>): LogRotation => ({
  maxBytes: null,
  maxAgeMs: null,
  backups: 3,
  compress: false,
  ...changes,
});

test('a log is due by its length or by its age, and never while it is empty', () => {
  const rows: readonly [LogRotation | null, bytes: number, ageMs: number, expected: boolean][] = [
    [null, MANY, MANY, false],
    [policy({}), MANY, MANY, false],
    [policy({ maxBytes: 100 }), 99, MANY, false],
    [policy({ maxBytes: 100 }), 100, 0, true],
    [policy({ maxAgeMs: 100 }), MANY, 99, false],
    [policy({ maxAgeMs: 100 }), 1, 100, true],
    [policy({ maxAgeMs: 100 }), 0, MANY, false],
    [policy({ maxBytes: 0 }), 0, 0, false],
    [policy({ maxBytes: 100, maxAgeMs: 100 }), 1, 100, true],
  ];
  for (const [row, bytes, ageMs, expected] of rows)
    assert.equal(isRotationDue(row, { bytes, ageMs }), expected, JSON.stringify([row, bytes, ageMs]));
});

test('the wait until a log is too old ends when it is due, and there is none without a limit', () => {
  assert.equal(msUntilTooOld(policy({ maxAgeMs: 100 }), 30), 70);
  assert.equal(msUntilTooOld(policy({ maxAgeMs: 100 }), 300), 0);
  assert.equal(msUntilTooOld(policy({ maxBytes: 100 }), 30), null);
  assert.equal(msUntilTooOld(null, 30), null);
});

test('what is moved out of a log is whole blocks, and leaves at least a byte', () => {
  const rows: readonly [bytes: number, maxBytes: number | null, expected: number][] = [
    [0, null, 0],
    [1, null, 0],
    [BLOCK, null, 0],
    [BLOCK + 1, null, BLOCK],
    [3 * BLOCK, null, 2 * BLOCK],
    [3 * BLOCK + 1, null, 3 * BLOCK],
    [100 * BLOCK, 2 * BLOCK, 2 * BLOCK],
    [100 * BLOCK, 3 * BLOCK - 1, 2 * BLOCK],
    // Less than a block cannot be moved, however short the log should be.
    [100 * BLOCK, 100, BLOCK],
    [BLOCK, 100, 0],
  ];
  for (const [bytes, maxBytes, expected] of rows)
    assert.equal(movableHead(bytes, BLOCK, maxBytes), expected, JSON.stringify([bytes, maxBytes]));
});

test('what may be moved holds for any length, block and limit', () => {
  const random = makeRandom(20);
  for (let round = 0; round < 10_000; round += 1) {
    const block = random.pick([4096, 16_384, 65_536]);
    const bytes = random.below(random.pick([3 * block, 50 * block]));
    const maxBytes = random.oneIn(4) ? null : 1 + random.below(20 * block);
    const head = movableHead(bytes, block, maxBytes);
    const context = JSON.stringify({ block, bytes, maxBytes, head });
    assert.ok(head % block === 0 && head >= 0, context);
    assert.ok(head < bytes || head === 0, context);
    assert.ok(maxBytes === null || head <= Math.max(block, maxBytes), context);
    // A log that is longer than its limit and a block always gets shorter.
    assert.ok(bytes <= block || (maxBytes !== null && bytes <= maxBytes) || head > 0, context);
  }
});

test('only what would go through all backups and out again is surplus', () => {
  const limits = policy({ maxBytes: 10 * BLOCK, backups: 3 });
  const rows: readonly [LogRotation, bytes: number, expected: number][] = [
    [limits, 11 * BLOCK, 0],
    [limits, 50 * BLOCK, 0],
    [limits, 51 * BLOCK - 1, 0],
    [limits, 51 * BLOCK, BLOCK],
    [limits, 200 * BLOCK + 5, 150 * BLOCK],
    [policy({ maxAgeMs: 5 }), MANY, 0],
    [policy({ maxBytes: 10 * BLOCK, backups: 0 }), 100 * BLOCK, 80 * BLOCK],
    [policy({ maxBytes: 1, backups: 1000 }), 1000 * BLOCK, 0],
  ];
  for (const [row, bytes, expected] of rows)
    assert.equal(surplusHead(bytes, BLOCK, row), expected, JSON.stringify([row, bytes]));
});

/** What a folder holds: for each file whose content it is. */
type Folder = ReadonlyMap<string, string>;

const folderOf = (...files: readonly string[]): Folder => new Map(files.map((file) => [file, `was ${file}`]));

function perform(folder: Folder, steps: readonly BackupStep[]): Folder {
  const result = new Map(folder);
  for (const step of steps) {
    if (step.name === 'remove') assert.ok(result.delete(step.file), `there is no ${step.file} to remove`);
    else {
      const content = result.get(step.from);
      assert.ok(content !== undefined, `there is no ${step.from} to rename`);
      assert.ok(!result.has(step.to), `${step.to} would be overwritten`);
      result.delete(step.from);
      result.set(step.to, content);
    }
  }
  return result;
}

const added = (folder: Folder, backups: number, incoming = 'web.log.rotated'): Folder =>
  perform(folder, planNewBackup('web.log', folder.keys(), incoming, backups));

test('the newest backup is number 1, each other moves on by one, and the last one goes', () => {
  const before = folderOf('web.log', 'web.log.rotated', 'web.log.1', 'web.log.2.gz', 'web.log.3.gz');
  assert.deepEqual(
    added(before, 3),
    new Map([
      ['web.log', 'was web.log'],
      ['web.log.1', 'was web.log.rotated'],
      ['web.log.2', 'was web.log.1'],
      ['web.log.3.gz', 'was web.log.2.gz'],
    ]),
  );
});

test('a gap is filled before anything is removed', () => {
  const before = folderOf('web.log.rotated', 'web.log.1', 'web.log.3', 'web.log.4');
  assert.deepEqual(
    added(before, 4),
    new Map([
      ['web.log.1', 'was web.log.rotated'],
      ['web.log.2', 'was web.log.1'],
      ['web.log.3', 'was web.log.3'],
      ['web.log.4', 'was web.log.4'],
    ]),
  );
});

test('where fewer backups are kept than before, those too many go', () => {
  const before = folderOf('web.log.rotated', ...[1, 2, 3, 4, 5].map((slot) => `web.log.${slot}`));
  assert.deepEqual(
    [...added(before, 2)],
    [
      ['web.log.2', 'was web.log.1'],
      ['web.log.1', 'was web.log.rotated'],
    ],
  );
});

test('files of other names are left alone, be they numbered', () => {
  const others = ['web.log', 'web.log.20261124', 'web.log.01', 'web.log.1.bak', 'other.log.1', 'web.log.9'];
  const before = folderOf('web.log.rotated', 'web.log.1', ...others);
  const after = added(before, 1);
  for (const other of others) assert.equal(after.get(other), `was ${other}`);
  assert.equal(after.get('web.log.1'), 'was web.log.rotated');
});

test('without backups what comes in is removed, and so are those of before', () => {
  assert.deepEqual([...added(folderOf('web.log.rotated', 'web.log.1', 'web.log.2.gz'), 0)], []);
});

test('the live log itself can be what becomes a backup', () => {
  assert.deepEqual([...added(folderOf('web.log'), 3, 'web.log')], [['web.log.1', 'was web.log']]);
});

test('of a backup that is there twice the compressed one counts', () => {
  const before = folderOf('web.log.rotated', 'web.log.1', 'web.log.1.gz');
  assert.deepEqual(
    [...added(before, 3)],
    [
      ['web.log.2.gz', 'was web.log.1.gz'],
      ['web.log.1', 'was web.log.rotated'],
    ],
  );
});

test('whoever is killed after any step of the plan, the plan made anew comes to the same end', () => {
  const random = makeRandom(21);
  for (let round = 0; round < 3000; round += 1) {
    const backups = random.below(6);
    const files = ['web.log.rotated'];
    for (let slot = 1; slot <= 8; slot += 1) {
      if (random.oneIn(3)) continue;
      files.push(random.oneIn(2) ? `web.log.${slot}` : `web.log.${slot}.gz`);
      if (random.oneIn(6)) files.push(`web.log.${slot}.gz`);
    }
    const before = folderOf(...new Set(files));
    const steps = planNewBackup('web.log', before.keys(), 'web.log.rotated', backups);
    const expected = perform(before, steps);
    for (let done = 0; done < steps.length; done += 1) {
      const killed = perform(before, steps.slice(0, done));
      assert.deepEqual(added(killed, backups), expected, JSON.stringify({ files, backups, done }));
    }
  }
});

test('when all backups go, the oldest goes first', () => {
  const files = ['web.log', 'web.log.1', 'web.log.2', 'web.log.2.gz', 'web.log.4', 'web.log.20261124'];
  assert.deepEqual(
    planNoBackups('web.log', files, 3).map((step) => step.name === 'remove' && step.file),
    ['web.log.4', 'web.log.2.gz', 'web.log.2', 'web.log.1'],
  );
});

test('what is still to be compressed is the plain backups that are kept, the newest first', () => {
  const files = ['web.log', 'web.log.3', 'web.log.1', 'web.log.2.gz', 'web.log.7', 'web.log.compressing'];
  assert.deepEqual(plainBackups('web.log', files, 5), ['web.log.1', 'web.log.3']);
  assert.deepEqual(plainBackups('web.log', [], 5), []);
});

test('a growing log is looked at again half the way to its limit, at bearable intervals', () => {
  const rows: readonly [bytes: number, speed: number, waitMs: number][] = [
    [0, 10, 50],
    [500, 10, 25],
    [999, 10, SHORTEST_LOOK_MS],
    [1000, 10, SHORTEST_LOOK_MS],
    [0, 0.01, LONGEST_LOOK_MS],
    [0, 0, LONGEST_LOOK_MS],
    // It has become shorter.
    [0, -1, LONGEST_LOOK_MS],
  ];
  for (const [bytes, speed, waitMs] of rows) assert.equal(msUntilLook(bytes, 1000, speed), waitMs);
});

test('the logs whose rotation was interrupted are told by what lies beside them', () => {
  const files = ['a', 'a.rotating', 'b', 'b.1', 'c.rotated', 'rotated'];
  assert.deepEqual(leftLogs(files), ['a', 'c']);
});
