// Logs that programs write to themselves are rotated by their supervisor, which holds nothing of a log that rests.
import assert from 'node:assert/strict';
import { existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { canCollapse } from '../../src/os/log-collapse.js';
import { assertNumbered, backupsOf, linesOf, wholeLog } from '../support/logs.js';
import { descriptorsOf } from '../support/proc.js';
import { TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const skip = !canCollapse(join(tmpdir(), 'x')) && `needs ext4 or xfs at ${tmpdir()}`;

const LIMIT = 102_400;
const soon = { withinMs: 15_000 };

/** What it is sent is what it logs. */
const catLogging = (keys: string): string => `[program:cat]
command=cat
stdout_logfile=%(here)s/cat.log
${keys}`;

async function begin(world: World, keys: string): Promise<TestSupervisor> {
  const ours = new TestSupervisor(world, 'ours');
  ours.configure(catLogging(keys));
  await ours.start();
  await ours.reaches('cat', 'RUNNING');
  return ours;
}

const log = (ours: TestSupervisor): string => ours.path('cat.log');

/** Numbered lines; resolves when they are in the log and its backups, and nothing else. */
async function logLines(ours: TestSupervisor, from: number, to: number): Promise<void> {
  const numbers = Array.from({ length: to - from }, (_, index) => `${from + index} line\n`);
  assert.equal(await ours.answer('sendProcessStdin', 'cat', numbers.join('')), true);
  await isWhole(ours, to);
}

/** Resolves soon: in the middle of a rotation some lines are in no file that has its name yet. */
const isWhole = (ours: TestSupervisor, lines: number): Promise<void> =>
  until(() => assertNumbered(linesOf(wholeLog(log(ours))), lines), soon);

const heldLogs = (ours: TestSupervisor): string[] =>
  [...descriptorsOf(ours.pid).values()].filter((file) => file.startsWith(log(ours)));

test('a log is rotated when it comes to its limit, again after it has rested, and not held in between', {
  skip,
}, async () => {
  await using world = await makeWorld();
  await using ours = await begin(world, `stdout_logfile_maxbytes=${LIMIT}`);
  const isShort = (): void => assert.ok(statSync(log(ours)).size < LIMIT);
  let lines = 0;
  for (const more of [10, 40_000, 10, 40_000]) {
    await logLines(ours, lines, lines + more);
    lines += more;
    await until(isShort, soon);
    await until(() => assert.deepEqual(heldLogs(ours), []), soon);
  }
  assert.ok(backupsOf(log(ours)).length >= 3);
  await isWhole(ours, lines);
});

test('a log that was renamed while it rested gets its name back, and goes on being rotated', {
  skip,
}, async () => {
  await using world = await makeWorld();
  await using ours = await begin(world, `stdout_logfile_maxbytes=${LIMIT}`);
  await logLines(ours, 0, 2000);
  await until(() => assert.deepEqual(heldLogs(ours), []), soon);
  const before = statSync(log(ours)).ino;
  renameSync(log(ours), ours.path('cat.log.1'));
  ours.child.kill('SIGUSR2');
  await until(() => assert.equal(statSync(log(ours)).ino, before), soon);
  await logLines(ours, 2000, 40_000);
  await until(() => assert.ok(statSync(log(ours)).size < LIMIT), soon);
  await isWhole(ours, 40_000);
});

test('a log that is never rotated gets its name back when an outside logrotate has renamed it', {
  skip,
}, async () => {
  await using world = await makeWorld();
  await using ours = await begin(world, 'stdout_logfile_maxbytes=0');
  await logLines(ours, 0, 2000);
  const before = statSync(log(ours)).ino;
  renameSync(log(ours), ours.path('cat.log.1'));
  ours.child.kill('SIGUSR2');
  await until(() => assert.equal(statSync(log(ours)).ino, before), soon);
  await logLines(ours, 2000, 4000);
  assert.ok(statSync(log(ours)).size > 2000, 'what comes later is under the name of the log');
  await until(() => assert.deepEqual(heldLogs(ours), []), soon);
});

for (const [what, redirection] of [
  ['its other log', '1>&2'],
  ['a file of its own', '>own'],
] as const)
  test(`a program that writes to ${what} instead of its log finds that where it was after a reopen`, {
    skip,
  }, async () => {
    await using world = await makeWorld();
    await using ours = new TestSupervisor(world, 'ours');
    const logs = 'stdout_logfile=%(here)s/out\nstderr_logfile=%(here)s/err';
    const command = `/bin/sh -c "exec ${redirection}; echo said; exec sleep 1000"`;
    ours.configure(`[program:sh]\ncommand=${command}\ndirectory=%(here)s\n${logs}\n`);
    await ours.start();
    const file = redirection === '1>&2' ? 'err' : 'own';
    await until(() => assert.equal(ours.read(file), 'said\n'), soon);
    const before = statSync(ours.path(file)).ino;
    ours.child.kill('SIGUSR2');
    await until(() => assert.ok(ours.logLines().includes('INFO supervisord logreopen')), soon);
    // A moment in which it could be renamed passes by.
    assert.equal(await ours.answer('stopProcess', 'sh'), true);
    assert.equal(statSync(ours.path(file), { throwIfNoEntry: false })?.ino, before);
    assert.equal(ours.read('out'), '');
  });

test('a log that was removed is told when it is to be reopened, and the program goes on', {
  skip,
}, async () => {
  await using world = await makeWorld();
  await using ours = await begin(world, `stdout_logfile_maxbytes=${LIMIT}`);
  await logLines(ours, 0, 10);
  rmSync(log(ours));
  ours.child.kill('SIGUSR2');
  await until(() => assert.match(ours.read('main.log'), /ERRO cannot reopen .*cat\.log.*removed/), soon);
  assert.equal(await ours.answer('stopProcess', 'cat'), true);
  assert.equal(await ours.answer('startProcess', 'cat'), true);
  await logLines(ours, 0, 10);
});

test('a log is rotated when it is as old as log_max_age says', { skip }, async () => {
  await using world = await makeWorld();
  await using ours = await begin(world, 'stdout_logfile_maxbytes=0\nlog_max_age=1s');
  await logLines(ours, 0, 10_000);
  await until(() => assert.ok(existsSync(`${log(ours)}.1`)), soon);
  await isWhole(ours, 10_000);
});
