// The log of a program that writes straight to it is rotated without losing a byte, whatever happens meanwhile.
import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { SystemError } from '../../src/errors.js';
import { canCollapse } from '../../src/os/log-collapse.js';
import { LogFile } from '../../src/os/log-file.js';
import type { LogNotice } from '../../src/os/log-notice.js';
import type { LogRotation } from '../../src/spec/service-spec.js';
import {
  assertNumbered,
  backupsOf,
  killKeeper,
  linesOf,
  mountImage,
  needsMount,
  startKeeper,
  startWriter,
  stopWriter,
  wholeLog,
} from '../support/logs.js';
import { needs } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';
import { makeRandom } from '../unit/random.js';

const skip = !canCollapse(join(tmpdir(), 'x')) && `needs ext4 or xfs at ${tmpdir()}`;

const BLOCK = 4096;
const KILLS = 60;

const policy = (changes: Partial<LogRotation> = {}): LogRotation => ({
  maxBytes: null,
  maxAgeMs: null,
  backups: 10_000,
  compress: false,
  ...changes,
});

interface Kept {
  readonly log: string;
  readonly file: LogFile;
  readonly notices: LogNotice[];
  [Symbol.asyncDispose](): Promise<void>;
}

async function keep(log: string, rotation: LogRotation): Promise<Kept> {
  const notices: LogNotice[] = [];
  const file = await LogFile.open({ path: log, rotation, report: (notice) => notices.push(notice) });
  return { log, file, notices, [Symbol.asyncDispose]: () => file[Symbol.asyncDispose]() };
}

/** What a log of this content leaves in its folder when nobody works on it. */
function assertTidy(log: string): void {
  const others = readdirSync(dirname(log)).filter((file) => !/^web\.log(\.\d+(\.gz)?)?$/.test(file));
  assert.deepEqual(others, []);
}

function folderFor(world: World): string {
  const folder = world.path('logs');
  mkdirSync(folder, { recursive: true });
  return join(folder, 'web.log');
}

/** strace counts the calls of each thread, so the pool has one only. */
function straced(call: string, fault: string): string[] {
  const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:${fault}`];
  return ['env', 'UV_THREADPOOL_SIZE=1', 'strace', '-f', '-qq', '-o', '/dev/null', ...inject];
}

test('a log is rotated under a writer at full speed, and every line is there once and in order', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const log = folderFor(world);
  const descriptor = openSync(log, 'a');
  const kept = await keep(log, policy({ maxBytes: 65_536 }));
  const writer = startWriter(world, descriptor);
  await until(() => assert.ok(kept.notices.length >= 20), { withinMs: 30_000 });
  const lines = await stopWriter(writer);
  await kept.file[Symbol.asyncDispose]();
  assert.deepEqual([...new Set(kept.notices.map(({ name }) => name))], ['rotated']);
  assertNumbered(linesOf(wholeLog(log)), lines);
  assert.equal(fstatSync(descriptor).ino, statSync(log).ino, 'the program still writes to the log');
  for (const backup of backupsOf(log)) assert.equal(statSync(backup).size, 65_536);
  assertTidy(log);
  closeSync(descriptor);
});

test('when the writer rests, its log soon is shorter than its limit', { skip }, async () => {
  await using world = await makeWorld();
  const log = folderFor(world);
  const descriptor = openSync(log, 'a');
  await using kept = await keep(log, policy({ maxBytes: 4 * BLOCK }));
  const writer = startWriter(world, descriptor, '1');
  await until(() => assert.ok(kept.notices.length >= 3), { withinMs: 20_000 });
  const lines = await stopWriter(writer);
  await until(() => assert.ok(statSync(log).size < 4 * BLOCK), { withinMs: 20_000 });
  // And it is still watched: what is written later is rotated too.
  const rotations = kept.notices.length;
  for (let line = 0; line < 800; line += 1) appendFileSync(log, `${lines + line} written by the test\n`);
  await until(() => assert.ok(kept.notices.length > rotations), { withinMs: 20_000 });
  // Another rotation may be under way, and whoever reads log and backups one by one sees it half done.
  await until(() => assertNumbered(linesOf(wholeLog(log)), lines + 800), { withinMs: 20_000 });
  closeSync(descriptor);
});

test(`killed at ${KILLS} random moments, those who rotate lose no line and write none twice`, {
  skip,
}, async () => {
  await using world = await makeWorld();
  const random = makeRandom(Number(process.env.TSDAEMON_SEED ?? 30));
  const log = folderFor(world);
  const descriptor = openSync(log, 'a');
  const writer = startWriter(world, descriptor, '1');
  const options = { path: log, rotation: policy({ compress: true }) };
  const left = new Set<string>();
  for (let round = 0; round < KILLS; round += 1) {
    const keeper = startKeeper(world, ['file', JSON.stringify(options), 'always']);
    await keeper.up;
    await pause(random.below(40));
    await killKeeper(keeper);
    const isTroubled = keeper.notices.some(({ name }) => name === 'trouble');
    assert.ok(!isTroubled, JSON.stringify(keeper.notices));
    for (const file of readdirSync(dirname(log))) left.add(file.replace(/\d+/, 'N'));
  }
  const lines = await stopWriter(writer);
  const kept = await keep(log, policy({ compress: true }));
  await until(() => assert.ok(!backupsOf(log).some((file) => !file.endsWith('.gz'))), { withinMs: 20_000 });
  await kept.file[Symbol.asyncDispose]();
  assertNumbered(linesOf(wholeLog(log)), lines);
  assertTidy(log);
  // Else all the kills came when nothing was under way, and the test shows nothing.
  assert.ok(left.has('web.log.rotating') || left.has('web.log.rotated'), [...left].join(' '));
  closeSync(descriptor);
});

for (const call of ['copy_file_range', 'fdatasync', 'fallocate', 'rename', 'unlink', 'flock']) {
  test(`killed at any ${call} of a rotation, a log of equal lines keeps its length`, {
    skip: skip || needs('strace'),
  }, async () => {
    await using world = await makeWorld();
    for (let count = 1, isKilled = true; isKilled; count += 1) {
      const log = folderFor(world);
      // Nothing but the length can show here whether the head is in the log, in the backup, or in both.
      writeFileSync(`${log}.2`, 'older\n');
      writeFileSync(`${log}.1`, 'old\n');
      writeFileSync(log, 'y\n'.repeat(2 * BLOCK + 10));
      const before = wholeLog(log);
      const options = JSON.stringify({ path: log, rotation: policy({ backups: 4 }) });
      const via = straced(call, `signal=SIGKILL:when=${count}`);
      const keeper = startKeeper(world, ['file', options, 'once'], via);
      const [code] = (await keeper.gone) as [number | null];
      isKilled = code !== 0;
      appendFileSync(log, 'written while nobody kept the log\n');
      const kept = await keep(log, policy({ backups: 4 }));
      await kept.file[Symbol.asyncDispose]();
      const after = wholeLog(log);
      const expected = `${before.toString()}written while nobody kept the log\n`;
      assert.equal(after.length, expected.length, `${call} ${count}: ${readdirSync(dirname(log)).join(' ')}`);
      assert.equal(after.toString(), expected, `${call} ${count}`);
      assert.ok(!isKilled || count < 20, 'it is killed for ever');
      assertTidy(log);
      rmSync(dirname(log), { recursive: true });
    }
  });
}

test('a backup has the mode of its log', { skip }, async () => {
  await using world = await makeWorld();
  const log = folderFor(world);
  writeFileSync(log, 'x'.repeat(3 * BLOCK), { mode: 0o640 });
  for (const compress of [false, true]) {
    const kept = await keep(log, policy({ compress }));
    await kept.file.rotate();
    await kept.file[Symbol.asyncDispose]();
    assert.equal(statSync(compress ? `${log}.1.gz` : `${log}.1`).mode & 0o7777, 0o640);
    appendFileSync(log, 'x'.repeat(3 * BLOCK));
  }
});

test('no more backups are kept than asked for, and none is kept when none is', { skip }, async () => {
  await using world = await makeWorld();
  for (const backups of [2, 0]) {
    const log = folderFor(world);
    writeFileSync(log, '');
    await using kept = await keep(log, policy({ backups }));
    for (let round = 0; round < 5; round += 1) {
      appendFileSync(log, String(round).repeat(3 * BLOCK));
      await kept.file.rotate();
    }
    const expected = backups === 0 ? [] : [`${log}.2`, `${log}.1`];
    assert.deepEqual(backupsOf(log), expected);
    assert.match(wholeLog(log).toString(), /4{4096}$/);
    assert.ok(statSync(log).size <= 2 * BLOCK);
  }
});

test('a log that has grown far beyond what is kept comes down to it, the newest bytes left', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const log = folderFor(world);
  const written = Array.from({ length: 50_000 }, (_, line) => `${line} of many\n`).join('');
  writeFileSync(log, written);
  writeFileSync(`${log}.1`, 'older than all of it\n');
  await using _kept = await keep(log, policy({ maxBytes: 4 * BLOCK, backups: 3 }));
  await until(() => assert.ok(statSync(log).size < 4 * BLOCK), { withinMs: 10_000 });
  const left = wholeLog(log).toString();
  assert.ok(written.endsWith(left));
  assert.deepEqual(
    backupsOf(log).map((file) => statSync(file).size),
    [4 * BLOCK, 4 * BLOCK, 4 * BLOCK],
  );
});

test('a log is rotated when it is too old, and one that is empty or too short is not', { skip }, async () => {
  await using world = await makeWorld();
  const log = folderFor(world);
  const short = join(dirname(log), 'short.log');
  writeFileSync(log, 'x'.repeat(2 * BLOCK + 1));
  writeFileSync(short, 'x');
  await using _short = await keep(short, policy({ maxAgeMs: 50 }));
  await using _kept = await keep(log, policy({ maxAgeMs: 50 }));
  await until(() => assert.deepEqual(backupsOf(log), [`${log}.1`]), { withinMs: 10_000 });
  // A second age of the longer log has passed when this is rotated, so one of the short log has too.
  appendFileSync(log, 'x'.repeat(2 * BLOCK));
  await until(() => assert.deepEqual(backupsOf(log), [`${log}.2`, `${log}.1`]), { withinMs: 10_000 });
  assert.deepEqual(backupsOf(short), []);
});

for (const [call, count] of [
  ['fallocate', 1],
  ['fallocate', 2],
  ['rename', 2],
] as const) {
  test(`a log with holes in it loses nothing when its rotation is killed at ${call} ${count}`, {
    skip: skip || needs('strace'),
  }, async () => {
    await using world = await makeWorld();
    for (const holes of [[0], [2], [4], [0, 2, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]]) {
      const log = folderFor(world);
      const descriptor = openSync(log, 'w');
      ftruncateSync(descriptor, 5 * BLOCK + 100);
      for (let block = 0; block < 5; block += 1)
        if (!holes.includes(block)) writeSync(descriptor, Buffer.alloc(BLOCK, 'd'), 0, BLOCK, block * BLOCK);
      closeSync(descriptor);
      const before = readFileSync(log);
      const options = JSON.stringify({ path: log, rotation: policy() });
      await startKeeper(world, ['file', options, 'once'], straced(call, `signal=SIGKILL:when=${count}`)).gone;
      appendFileSync(log, 'more\n');
      const kept = await keep(log, policy());
      await kept.file.rotate();
      await kept.file[Symbol.asyncDispose]();
      assert.ok(backupsOf(log).length > 0);
      assert.ok(wholeLog(log).equals(Buffer.concat([before, Buffer.from('more\n')])), holes.join());
      rmSync(dirname(log), { recursive: true });
    }
  });
}

test('backups are compressed without holding the caller up, and a rotation meanwhile finds its way', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const log = folderFor(world);
  writeFileSync(log, '');
  const kept = await keep(log, policy({ compress: true }));
  let written = '';
  for (let round = 0; round < 6; round += 1) {
    const piece = `${String(round).repeat(300 * BLOCK)}\n`;
    appendFileSync(log, piece);
    written += piece;
    await kept.file.rotate();
  }
  await kept.file[Symbol.asyncDispose]();
  assert.equal(wholeLog(log).toString(), written);
  assert.ok(backupsOf(log).every((file) => file.endsWith('.gz')));
  assert.equal(backupsOf(log).length, 6);
  assertTidy(log);
});

test('a log that logrotate has renamed gets its name back, and what was in it is where logrotate put it', {
  skip,
}, async () => {
  await using world = await makeWorld();
  for (const create of [false, true]) {
    const log = folderFor(world);
    const descriptor = openSync(log, 'a');
    const writer = startWriter(world, descriptor, '1');
    const kept = await keep(log, policy());
    await until(() => assert.ok(statSync(log).size > 10 * BLOCK), { withinMs: 10_000 });
    renameSync(log, `${log}-20261124`);
    if (create) writeFileSync(log, '');
    await kept.file.reopen();
    assert.equal(fstatSync(descriptor).ino, statSync(log).ino);
    const { size } = statSync(`${log}-20261124`);
    assert.ok(size > 9 * BLOCK);
    const lines = await stopWriter(writer);
    await kept.file[Symbol.asyncDispose]();
    assert.equal(statSync(`${log}-20261124`).size, size, 'nobody writes there any more');
    const whole = Buffer.concat([readFileSync(`${log}-20261124`), readFileSync(log)]);
    assertNumbered(linesOf(whole), lines);
    closeSync(descriptor);
    rmSync(dirname(log), { recursive: true });
  }
});

test('a log that was removed, or replaced by one in use, is not reopened, which is told', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const log = folderFor(world);
  writeFileSync(log, 'old');
  await using kept = await keep(log, policy());
  renameSync(log, `${log}.old`);
  writeFileSync(log, 'new');
  await assert.rejects(
    kept.file.reopen(),
    /^SystemError: cannot reopen .*: the program writes to another file/,
  );
  rmSync(`${log}.old`);
  await assert.rejects(kept.file.reopen(), /^SystemError: cannot reopen .*: .* a file that was removed/);
  // The next start of the program opens the file of that name.
  await kept.file.follow();
  await kept.file.reopen();
  assert.equal(readFileSync(log, 'utf8'), 'new');
});

test('on a full disk a log is left as it is and the rotation made up for when there is room', {
  skip: skip || needsMount('ext4'),
}, async () => {
  await using world = await makeWorld();
  using image = mountImage(world, 'ext4', 24);
  const log = join(image.folder, 'web.log');
  const filler = join(image.folder, 'filler');
  const descriptor = openSync(log, 'a');
  const writer = startWriter(world, descriptor);
  const { bavail, bsize } = statfsSync(image.folder);
  // The writer fills it to the last byte, and then waits for room with half of a line.
  writeFileSync(filler, Buffer.alloc(bavail * bsize - 6_000_000));
  await until(() => assert.equal(statfsSync(image.folder).bavail, 0), { withinMs: 20_000 });
  const rotation = policy({ maxBytes: 256 * BLOCK });
  const kept = await keep(log, rotation);
  const trouble = await until(
    () => {
      const notice = kept.notices[0];
      assert.ok(notice?.name === 'trouble');
      return notice;
    },
    { withinMs: 10_000 },
  );
  assert.match(trouble.reason, /no space left on device \(ENOSPC\)$/);
  await assert.rejects(
    kept.file.rotate(),
    (error) => error instanceof SystemError && error.errnoName === 'ENOSPC',
  );
  assert.deepEqual(backupsOf(log), []);
  assert.deepEqual(readdirSync(image.folder).sort(), ['filler', 'lost+found', 'web.log']);
  const full = statSync(log).size;
  const stopped = stopWriter(writer);
  rmSync(filler);
  await until(() => assert.ok(backupsOf(log).length >= 2), { withinMs: 20_000 });
  const lines = await stopped;
  await kept.file[Symbol.asyncDispose]();
  assert.ok(wholeLog(log).length >= full);
  assertNumbered(linesOf(wholeLog(log)), lines);
  assert.deepEqual(
    kept.notices
      .slice(0, 1)
      .concat(kept.notices.filter(({ name }) => name === 'trouble-over'))
      .map(({ name }) => name),
    ['trouble', 'trouble-over'],
  );
  closeSync(descriptor);
});

test('a disk that fills up while the head is copied loses nothing either', {
  skip: skip || needsMount('ext4') || needs('strace'),
}, async () => {
  await using world = await makeWorld();
  for (const [call, count] of [
    ['copy_file_range', 1],
    ['copy_file_range', 2],
    ['fdatasync', 1],
    ['fallocate', 1],
    ['fallocate', 2],
  ] as const) {
    const log = folderFor(world);
    // Two pieces, so that there is a second copy_file_range.
    const before = Buffer.from('z\n'.repeat(5 * 1_048_576));
    writeFileSync(log, before);
    const options = JSON.stringify({ path: log, rotation: policy() });
    const via = straced(call, `error=ENOSPC:when=${count}`);
    const keeper = startKeeper(world, ['file', options, 'once'], via);
    const [code] = (await keeper.gone) as [number | null];
    assert.equal(code, 1, `${call} ${count}: the rotation fails`);
    assertTidy(log);
    assert.deepEqual(backupsOf(log), [], `${call} ${count}`);
    assert.ok(readFileSync(log).equals(before), `${call} ${count}`);
    rmSync(dirname(log), { recursive: true });
  }
});

test('where files cannot be collapsed it is told, and nothing is left behind', async () => {
  await using world = await makeWorld();
  const folders = [world.folder, '/dev/shm', '/proc', '/nonexistent'];
  const answers = folders.map((folder) => canCollapse(join(folder, 'web.log')));
  assert.deepEqual(answers.slice(1), [false, false, false]);
  assert.equal(canCollapse('/dev/null'), false);
  assert.deepEqual(
    readdirSync(world.folder).filter((file) => basename(file).startsWith('.tsdaemon')),
    [],
  );
  assert.ok(!existsSync(join(world.folder, 'web.log')));
});
