// A watchdog brings its program back: after which ends, after how long, and how often.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'node:test';
import type { Order } from '../fixtures/puppet.js';
import {
  argvOf,
  cwdOf,
  descriptorsOf,
  environmentOf,
  isAlive,
  limitOf,
  signalsIn,
  statOf,
  statusField,
  whenStill,
} from '../support/proc.js';
import { openTheatre, type Puppet } from '../support/puppets.js';
import { needs } from '../support/tools.js';
import { until } from '../support/until.js';
import { ended, makeWatchedWorld, type WatchedWorld } from '../support/watched.js';

const atOnce = ['--backoff', '0'];

type End = { readonly code: number } | { readonly signal: NodeJS.Signals };

function endBy(puppet: Puppet, end: End): void {
  if ('signal' in end) process.kill(puppet.pid, end.signal);
  else void puppet.tell({ do: 'exit', code: end.code } satisfies Order);
}

const inWords = (end: End): string => ('signal' in end ? `killed by ${end.signal}` : `exit code ${end.code}`);

const comesBack: readonly [flags: readonly string[], end: End, comesBack: boolean][] = [
  [['--restart', 'always'], { code: 0 }, true],
  [['--restart', 'always'], { code: 3 }, true],
  [['--restart', 'always'], { signal: 'SIGTERM' }, true],
  [['--restart', 'always'], { signal: 'SIGKILL' }, true],
  [['--restart', 'on-failure'], { code: 0 }, false],
  [['--restart', 'on-failure'], { code: 3 }, true],
  [['--restart', 'on-failure'], { signal: 'SIGKILL' }, true],
  [['--restart', 'unexpected'], { code: 0 }, false],
  [['--restart', 'unexpected'], { code: 3 }, true],
  [['--restart', 'unexpected'], { signal: 'SIGSEGV' }, true],
  [['--restart', 'no'], { code: 0 }, false],
  [['--restart', 'no'], { code: 3 }, false],
  [['--restart', 'no'], { signal: 'SIGKILL' }, false],
  [['--restart', 'on-failure', '--ok-exit-codes', '0,3'], { code: 3 }, false],
  [['--restart', 'on-failure', '--ok-exit-codes', '0,3'], { code: 0 }, false],
  [['--restart', 'on-failure', '--ok-exit-codes', '0,3'], { code: 2 }, true],
  // All the codes that are fine are listed, so 0 is not.
  [['--restart', 'on-failure', '--ok-exit-codes', '3'], { code: 0 }, true],
  [['--restart', 'always', '--ok-exit-codes', '3'], { code: 3 }, true],
];

for (const [flags, end, isBack] of comesBack) {
  test(`${flags.join(' ')}: ${inWords(end)} ${isBack ? 'brings the program back' : 'is the end'}`, async () => {
    await using world = await makeWatchedWorld();
    await using theatre = await openTheatre(world);
    const pid = await world.watched([...flags, ...atOnce, '--pidfile', 'x.pid'], theatre.argv());
    const first = await theatre.next();
    assert.equal(first.pid, pid);
    const watchdog = await world.watchdogPid();
    endBy(first, end);
    if (isBack) {
      const second = await theatre.next();
      const status = await world.status();
      assert.deepEqual(
        [status.state, status.code, status.pid, status.watchdog.pid],
        ['running', 0, second.pid, watchdog],
      );
      assert.deepEqual([status.watchdog.restarts, status.watchdog.lastExit], [1, inWords(end)]);
    } else {
      await ended(watchdog);
      const status = await world.status();
      assert.deepEqual([status.state, status.code, status.pid], ['stopped', 3, null]);
      assert.deepEqual([status.watchdog.pid, status.watchdog.lastExit], [null, inWords(end)]);
      assert.equal(existsSync(world.path('x.pid')), false);
      world.assertNothingRuns();
    }
  });
}

test('a program that is killed comes back 30 times, and never runs twice at once', {
  skip: needs('flock'),
}, async () => {
  await using world = await makeWatchedWorld();
  // The lock is free when its only holder is dead, not before: a second copy would end with 99.
  const argv = ['flock', '--no-fork', '--nonblock', '-E', '99', 'lock', 'sleep', '300'];
  const seen = [await world.watched([...atOnce, '--pidfile', 'x.pid'], argv)];
  for (let round = 1; round <= 30; round += 1) {
    process.kill(seen.at(-1)!, 'SIGKILL');
    const next = await until(
      () => {
        const pid = world.pidIn('x.pid');
        assert.notEqual(pid, seen.at(-1));
        return pid;
      },
      { withinMs: 10_000 },
    );
    seen.push(next);
  }
  const { state, pid, watchdog } = await world.status();
  assert.deepEqual([state, pid, watchdog.restarts], ['running', seen.at(-1), 30]);
  assert.equal(watchdog.lastExit, 'killed by SIGKILL');
  assert.equal(new Set(seen).size, 31);
  assert.deepEqual(world.programs(), [pid]);
});

test('a program that ends at once, again and again, is started again and again', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(atOnce, ['sh', '-c', 'echo start >> starts']);
  await until(() => assert.ok(starts(world) >= 50), { withinMs: 20_000 });
  const { code } = await world.tsdaemon(['stop', 'web']);
  assert.equal(code, 0);
  world.assertNothingRuns();
});

test('the pidfile names the program from its start to its end, and each new one', async () => {
  await using world = await makeWatchedWorld();
  await using theatre = await openTheatre(world);
  const files = ['--pidfile', 'x.pid', '--watchdog-pidfile', 'w.pid'];
  const pid = await world.watched([...atOnce, ...files], theatre.argv());
  const watchdog = await world.watchdogPid();
  assert.deepEqual([world.read('x.pid'), world.read('w.pid')], [`${pid}\n`, `${watchdog}\n`]);
  for (const round of [1, 2, 3]) {
    endBy(await theatre.next(), { code: round });
    // A program that runs finds itself in its pidfile, but for the moment after its exec.
    const next = await theatre.next();
    assert.deepEqual([world.read('x.pid'), world.read('w.pid')], [`${next.pid}\n`, `${watchdog}\n`]);
    endBy(next, { code: 0 });
  }
  await world.tsdaemon(['stop', 'web']);
  assert.deepEqual([existsSync(world.path('x.pid')), existsSync(world.path('w.pid'))], [false, false]);
});

/** A program that leaves the moment of each start, in ms, and ends. */
const recorder = (end = 'exit 1'): string[] => ['sh', '-c', `date +%s%N >> starts; ${end}`];

const starts = (world: WatchedWorld): number =>
  existsSync(world.path('starts')) ? world.read('starts').trim().split('\n').length : 0;

/** The milliseconds between so many starts. */
async function gaps(world: WatchedWorld, count: number): Promise<number[]> {
  await until(() => assert.ok(starts(world) > count), { withinMs: 20_000 });
  const moments = world
    .read('starts')
    .trim()
    .split('\n')
    .map((line) => Number(line) / 1e6);
  return moments.slice(1, count + 1).map((moment, index) => moment - moments[index]!);
}

function assertGaps(
  found: readonly number[],
  expected: readonly (readonly [least: number, most: number])[],
): void {
  assert.equal(found.length, expected.length);
  const isRight = found.every((gap, index) => gap >= expected[index]![0] && gap < expected[index]![1]);
  assert.ok(isRight, `gaps of ${found.map(Math.round).join(', ')} ms`);
}

/** Other work on the machine makes a gap longer by less than this. */
const SLACK = 700;

test('--delay: it waits before each restart', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(['--delay', '0.3', ...atOnce], recorder());
  assertGaps(await gaps(world, 3), [
    [300, 300 + SLACK],
    [300, 300 + SLACK],
    [300, 300 + SLACK],
  ]);
});

test('--backoff: it waits longer after each failure in a row', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(['--backoff', '0.2'], recorder());
  assertGaps(await gaps(world, 4), [
    [200, 200 + SLACK],
    [400, 400 + SLACK],
    [600, 600 + SLACK],
    [800, 800 + SLACK],
  ]);
});

test('--backoff-factor: the delay is multiplied after each failure in a row', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(['--delay', '0.1', '--backoff-factor', '4', ...atOnce], recorder());
  assertGaps(await gaps(world, 3), [
    [100, 100 + SLACK],
    [400, 400 + SLACK],
    [1600, 1600 + SLACK],
  ]);
});

test('--backoff-max: it never waits longer', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(['--backoff', '5', '--backoff-max', '0.2'], recorder());
  assertGaps(await gaps(world, 3), [
    [200, 200 + SLACK],
    [200, 200 + SLACK],
    [200, 200 + SLACK],
  ]);
});

test('--reset-after: a run of this length clears the failures', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(['--backoff', '2', '--reset-after', '0.2'], recorder('exec sleep 0.3'));
  assertGaps(await gaps(world, 3), [
    [300, 300 + SLACK],
    [300, 300 + SLACK],
    [300, 300 + SLACK],
  ]);
});

test('while it waits, status says until when and why', async () => {
  await using world = await makeWatchedWorld();
  const began = Date.now();
  await world.watched(['--delay', '60', '--pidfile', 'x.pid'], ['sh', '-c', 'exit 3']);
  const { code, pid, reason, watchdog } = await world.whenState('waiting');
  assert.deepEqual([code, pid, watchdog.restarts, watchdog.lastExit], [3, null, 0, 'exit code 3']);
  assert.match(reason, /exit code 3/);
  assert.ok(isAlive(watchdog.pid!));
  const waitMs = Date.parse(watchdog.nextStartAt!) - began;
  // 60 s of delay, 1 s of backoff after the first failure, and what the start took; a minute is the limit.
  assert.ok(waitMs >= 60_000 && waitMs < 75_000, `${waitMs} ms`);
  const { stdout } = await world.tsdaemon(['status', 'web']);
  assert.match(stdout, /^web: waiting: [^\n]*exit code 3[^\n]*\n$/);
});

test('--max-restarts: then it is FATAL, and status says why', async () => {
  for (const [retries, runs] of [
    ['0', 1],
    ['2', 3],
  ] as const) {
    await using world = await makeWatchedWorld();
    const flags = ['--max-restarts', retries, ...atOnce, '--pidfile', 'x.pid', '--watchdog-pidfile', 'w.pid'];
    await world.watched(flags, recorder('exit 5'));
    const { code, pid, reason, watchdog } = await world.whenState('fatal');
    assert.deepEqual([code, pid, watchdog.restarts], [3, null, runs - 1]);
    assert.equal(reason, `failures in a row: ${runs}, last run: exit code 5`);
    assert.deepEqual([watchdog.lastExit, watchdog.nextStartAt], ['exit code 5', null]);
    await until(() => world.assertNothingRuns(), { withinMs: 5000 });
    assert.equal(starts(world), runs);
    assert.deepEqual([existsSync(world.path('x.pid')), existsSync(world.path('w.pid'))], [false, false]);
    assert.match((await world.tsdaemon(['status', 'web'])).stdout, /^web: fatal: failures in a row: /);
    assert.equal((await world.tsdaemon(['status', 'web'])).code, 3);
  }
});

test('--max-restarts counts failures in a row: a run that lasted forgives them', async () => {
  await using world = await makeWatchedWorld();
  // Every second run lasts.
  const script = 'date >> starts; [ $(($(wc -l < starts) % 2)) -eq 1 ] || exec sleep 0.3';
  await world.watched(['--max-restarts', '1', '--reset-after', '0.2', ...atOnce], ['sh', '-c', script]);
  await until(() => assert.ok(starts(world) >= 6), { withinMs: 20_000 });
  assert.notEqual((await world.status()).state, 'fatal');
});

test('--max-restarts -1: for ever', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(['--max-restarts', '-1', ...atOnce], recorder());
  await until(() => assert.ok(starts(world) >= 30), { withinMs: 20_000 });
  assert.notEqual((await world.status()).state, 'fatal');
});

test('--within: restarts in the window count, however long the runs lasted', async () => {
  await using world = await makeWatchedWorld();
  const flags = ['--max-restarts', '3', '--within', '60', '--reset-after', '0', ...atOnce];
  await world.watched(flags, recorder('exit 0'));
  const { reason } = await world.whenState('fatal');
  assert.equal(reason, 'starts within 60 s: 4, last run: exit code 0');
  assert.equal(starts(world), 4);
});

test('--within: restarts outside of it are forgotten', async () => {
  await using world = await makeWatchedWorld();
  // A new window opens with every second start, so no window ever sees three.
  await world.watched(['--max-restarts', '2', '--within', '0.5', '--delay', '0.3', ...atOnce], recorder());
  await until(() => assert.ok(starts(world) >= 8), { withinMs: 20_000 });
  assert.notEqual((await world.status()).state, 'fatal');
});

test('--fatal-retry-after: a FATAL program is tried again, and all is forgiven then', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(['--max-restarts', '1', ...atOnce, '--fatal-retry-after', '0.6'], recorder());
  const found = await gaps(world, 5);
  assertGaps(found, [
    [0, 500],
    [600, 600 + SLACK],
    [0, 500],
    [600, 600 + SLACK],
    [0, 500],
  ]);
});

test('a FATAL program that will be tried again has its watchdog, and a time', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(['--max-restarts', '0', '--fatal-retry-after', '60'], ['sh', '-c', 'exit 5']);
  const { code, reason, watchdog } = await world.whenState('fatal');
  assert.equal(code, 3);
  assert.equal(reason, 'failures in a row: 1, last run: exit code 5');
  assert.ok(isAlive(watchdog.pid!));
  const waitMs = Date.parse(watchdog.nextStartAt!) - Date.now();
  assert.ok(waitMs > 30_000 && waitMs <= 60_000, `${waitMs} ms`);
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  world.assertNothingRuns();
  assert.equal((await world.status()).state, 'stopped');
});

test('restart of a FATAL program starts it, and nothing is held against it', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(['--max-restarts', '1', ...atOnce], recorder('[ -e good ] && exec sleep 300; exit 5'));
  await world.whenState('fatal');
  await world.sh('touch good');
  const { code, stdout } = await world.tsdaemon(['restart', 'web']);
  assert.equal(code, 0);
  const { state, pid, watchdog } = await world.status();
  assert.deepEqual([state, pid, watchdog.restarts], ['running', Number(stdout), 0]);
});

/** What two runs of one program must have in common. */
async function looks(pid: number): Promise<unknown> {
  await whenStill(pid);
  return {
    argv: argvOf(pid).map((word) => word.toString('latin1')),
    environment: environmentOf(pid).map((entry) => entry.toString('latin1')),
    cwd: cwdOf(pid),
    umask: statusField(pid, 'Umask'),
    nice: statOf(pid)!.nice,
    terminal: statOf(pid)!.terminal,
    openFiles: limitOf(pid, 'Max open files'),
    core: limitOf(pid, 'Max core file size'),
    descriptors: [...descriptorsOf(pid)],
    ignored: signalsIn(pid, 'SigIgn'),
    blocked: signalsIn(pid, 'SigBlk'),
  };
}

const still = ['sh', '-c', 'kill -STOP $$', 'sh', 'a b', 'ö\n', '--json', ''];

test('each run gets what a run without a watchdog gets: arguments, environment, limits, files, signals', async () => {
  await using world = await makeWatchedWorld();
  await world.sh('mkdir d');
  const flags = ['--cwd', 'd', '--nice', '4', '--limit', 'core=0', '--stdout', 'out', '--stderr', 'err'];
  const more = ['--env', 'A=1', '--hup', 'default'];
  const via = ['sh', '-c', 'umask 026; ulimit -Sn 77; exec "$@"', 'sh'];
  const plain = await world.daemon(['--name', 'plain', ...flags, ...more, '--', ...still], { via });
  const expected = await looks(plain);
  const first = await world.watched([...atOnce, ...flags, ...more, '--pidfile', 'x.pid'], still, { via });
  assert.deepEqual(await looks(first), expected);
  process.kill(first, 'SIGKILL');
  const second = await until(
    () => {
      const pid = world.pidIn('x.pid');
      assert.notEqual(pid, first);
      return pid;
    },
    { withinMs: 10_000 },
  );
  assert.deepEqual(await looks(second), expected);
});

test('the output files have the modes that they have without a watchdog', async () => {
  await using world = await makeWatchedWorld();
  const via = ['sh', '-c', 'umask 077; exec "$@"', 'sh'];
  await world.daemon(['--name', 'plain', '--output', 'plain.log', '--', 'sleep', '300'], { via });
  await world.watched(['--output', 'web.log'], ['sleep', '300'], { via });
  await world.watched(['--name', 'db'], ['sleep', '300'], { via });
  const { stdout } = await world.sh('stat -c %a plain.log web.log nohup.out');
  assert.deepEqual(stdout.trim().split('\n'), ['600', '600', '600']);
});

test('the program is in a process group of its own, in a session without leader and terminal', async () => {
  await using world = await makeWatchedWorld();
  const pid = await world.watched([], ['sleep', '300']);
  const { session, processGroup, terminal } = statOf(pid)!;
  assert.equal(processGroup, pid);
  assert.notEqual(session, pid);
  assert.equal(isAlive(session), false);
  assert.equal(terminal, 0);
});

test('the watchdog holds no directory, no terminal and none of its caller’s descriptors', async () => {
  await using world = await makeWatchedWorld();
  await world.sh('echo > mine');
  await world.watched([], ['sleep', '300'], { via: ['sh', '-c', 'exec "$@" 7<mine 8<mine', 'sh'] });
  const watchdog = await world.watchdogPid();
  assert.equal(cwdOf(watchdog), '/');
  assert.equal(statOf(watchdog)!.terminal, 0);
  const held = [...descriptorsOf(watchdog).values()].filter((path) => path.startsWith(world.cwd));
  assert.deepEqual(held, []);
});

test('--truncate empties the output before the first run only', async () => {
  await using world = await makeWatchedWorld();
  await world.sh('echo old > out');
  const flags = ['--truncate', '--output', 'out', '--max-restarts', '2', ...atOnce];
  await world.watched(flags, ['sh', '-c', 'echo run; exit 1']);
  await world.whenState('fatal');
  assert.equal(world.read('out'), 'run\nrun\nrun\n');
});

test('a program that cannot be executed any more is tried again by the policy', async () => {
  await using world = await makeWatchedWorld();
  await world.sh('cp /bin/sleep tool');
  const first = await world.watched(['--delay', '0.2', ...atOnce], ['./tool', '300']);
  await world.sh('mv tool gone');
  process.kill(first, 'SIGKILL');
  const { watchdog, reason } = await until(
    async () => {
      const status = await world.status();
      assert.match(status.watchdog.lastExit ?? '', /no such file/);
      return status;
    },
    { withinMs: 10_000 },
  );
  assert.ok(isAlive(watchdog.pid!));
  assert.match(reason, /cannot run '\.\/tool': no such file/);
  await world.sh('mv gone tool');
  assert.notEqual((await world.whenState('running')).pid, first);
});

const watchFlags: readonly (readonly string[])[] = [
  ['--ok-exit-codes', '0'],
  ['--delay', '1'],
  ['--backoff', '1'],
  ['--backoff-factor', '2'],
  ['--backoff-max', '9'],
  ['--jitter', '0.5'],
  ['--reset-after', '1'],
  ['--max-restarts', '3'],
  ['--within', '60'],
  ['--fatal-retry-after', '60'],
  ['--stay-up', '1'],
  ['--ready-timeout', '1'],
  ['--kill-mode', 'tree'],
  ['--watchdog-pidfile', 'w.pid'],
];

test('a flag of the watchdog without --restart is a usage error, and nothing is started', async () => {
  await using world = await makeWatchedWorld();
  for (const flags of watchFlags) {
    const { code, stdout, stderr } = await world.tsdaemon(['run', ...flags, '--', 'sleep', '300']);
    assert.deepEqual([code, stdout], [125, ''], flags[0]);
    assert.equal(stderr, `tsdaemon: cannot use ${flags[0]} without --restart\n`);
  }
  world.assertNothingRuns();
  assert.equal(existsSync(world.state), false);
});

const wrong: readonly (readonly string[])[] = [
  ['--restart', 'sometimes'],
  ['--restart', ''],
  ['--ok-exit-codes', '256'],
  ['--ok-exit-codes', '0,'],
  ['--ok-exit-codes', '-1'],
  ['--delay', '-1'],
  ['--delay', 'soon'],
  ['--backoff-factor', '0.5'],
  ['--jitter', '1.5'],
  ['--jitter', '-0.1'],
  ['--max-restarts', '-2'],
  ['--max-restarts', '1.5'],
  ['--max-restarts', 'many'],
  ['--within', 'x'],
  ['--stay-up', '-1'],
  ['--kill-mode', 'everything'],
  ['--watchdog-pidfile', ''],
  ['--watchdog-pidfile', 'no/such/folder/w.pid'],
];

test('a value that makes no sense is a usage error that shows it, and nothing is started', async () => {
  await using world = await makeWatchedWorld();
  for (const flags of wrong) {
    const [flag, given] = flags;
    const policy = flag === '--restart' ? [] : ['--restart', 'always'];
    const { code, stdout, stderr } = await world.tsdaemon(['run', ...policy, ...flags, '--', 'sleep', '300']);
    assert.deepEqual([code, stdout], [125, ''], flags.join(' '));
    assert.match(stderr, /^tsdaemon: cannot use [^\n]+\n$/);
    assert.ok(stderr.includes(given!), stderr);
  }
  world.assertNothingRuns();
});

test('--keep-fd is refused: the descriptor would be there for the first run only', async () => {
  await using world = await makeWatchedWorld();
  const via = ['sh', '-c', 'exec "$@" 7</dev/null', 'sh'];
  const { code, stderr } = await world.runWatched(['--keep-fd', '7'], ['sleep', '300'], { via });
  assert.equal(code, 125);
  assert.match(stderr, /^tsdaemon: cannot use --keep-fd with --restart: [^\n]+\n$/);
  world.assertNothingRuns();
});

test('--watchdog-pidfile and --pidfile cannot be one file', async () => {
  await using world = await makeWatchedWorld();
  const { code, stderr } = await world.runWatched(
    ['--pidfile', 'x.pid', '--watchdog-pidfile', 'x.pid'],
    ['sleep', '300'],
  );
  assert.equal(code, 125);
  assert.match(stderr, /^tsdaemon: cannot use [^\n]*--watchdog-pidfile[^\n]*\n$/);
  world.assertNothingRuns();
});
