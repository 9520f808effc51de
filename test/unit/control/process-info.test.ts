import assert from 'node:assert/strict';
import test from 'node:test';
import {
  makeNamespec,
  type ProcessFacts,
  processInfo,
  splitNamespec,
} from '../../../src/control/process-info.js';
import type { EpochMs } from '../../../src/spec/time.js';

const seconds = (count: number): EpochMs => (count * 1000) as EpochMs;

const facts: ProcessFacts = {
  name: 'web_00',
  group: 'web',
  state: 'RUNNING',
  startedAt: seconds(1000),
  stoppedAt: null,
  spawnError: null,
  exitStatus: 0,
  stdoutLogFile: '/log/out',
  stderrLogFile: null,
  pid: 42,
};

const describe = (changes: Partial<ProcessFacts>, now: number, offset = 0): string =>
  processInfo({ ...facts, ...changes }, seconds(now), () => offset).description;

test('the struct has every field that clients read', () => {
  assert.deepEqual(
    processInfo(facts, seconds(1007.9), () => 0),
    {
      name: 'web_00',
      group: 'web',
      start: 1000,
      stop: 0,
      now: 1007,
      state: 20,
      statename: 'RUNNING',
      spawnerr: '',
      exitstatus: 0,
      logfile: '/log/out',
      stdout_logfile: '/log/out',
      stderr_logfile: '',
      pid: 42,
      description: 'pid 42, uptime 0:00:07',
    },
  );
});

test('a description says what its state has to say', () => {
  const stoppedAt = seconds(1_795_264_142);
  for (const [changes, now, expected] of [
    [{}, 1000, 'pid 42, uptime 0:00:00'],
    [{}, 900, 'pid 42, uptime 0:00:00'],
    [{}, 1000 + 86_399, 'pid 42, uptime 23:59:59'],
    [{}, 1000 + 86_400, 'pid 42, uptime 1 day, 0:00:00'],
    [{}, 1000 + 12 * 86_400 + 3661, 'pid 42, uptime 12 days, 1:01:01'],
    [{ state: 'FATAL', spawnError: 'no command' }, 0, 'no command'],
    [{ state: 'BACKOFF' }, 0, 'unknown error (try "tail web_00")'],
    [{ state: 'STOPPED', startedAt: null }, 0, 'Not started'],
    [{ state: 'STOPPED', stoppedAt }, 0, 'Nov 21 12:29 PM'],
    [{ state: 'EXITED', stoppedAt: seconds(0) }, 0, 'Jan 01 12:00 AM'],
    [{ state: 'STARTING' }, 0, ''],
    [{ state: 'STOPPING' }, 0, ''],
    [{ state: 'UNKNOWN' }, 0, ''],
  ] as const)
    assert.equal(describe(changes, now), expected);
  assert.equal(describe({ state: 'EXITED', stoppedAt }, 0, -12 * 60 - 30), 'Nov 20 11:59 PM');
});

test('times end where 32 bits end', () => {
  assert.equal(processInfo(facts, seconds(2 ** 33), () => 0).now, 2 ** 31 - 1);
});

test('a namespec names a process, or all of a group', () => {
  for (const [text, group, process] of [
    ['web', 'web', 'web'],
    ['g:web', 'g', 'web'],
    ['g:*', 'g', null],
    ['g:', 'g', null],
    ['g:a:b', 'g', 'a:b'],
    ['', '', ''],
  ] as const)
    assert.deepEqual(splitNamespec(text), { group, process });
  assert.equal(makeNamespec('g', 'web'), 'g:web');
  assert.equal(makeNamespec('web', 'web'), 'web');
});
