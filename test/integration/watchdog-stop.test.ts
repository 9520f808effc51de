// A watched program is stopped by its own rules, its watchdog with it, and nothing comes back.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'node:test';
import { isAlive } from '../support/proc.js';
import { openTheatre } from '../support/puppets.js';
import { until } from '../support/until.js';
import { ended, makeWatchedWorld, timed, type WatchedWorld } from '../support/watched.js';

const atOnce = ['--backoff', '0'];
const files = ['--pidfile', 'x.pid', '--watchdog-pidfile', 'w.pid'];

/** At once: who is told that it was stopped may start it anew, or unmount its disk. */
async function assertStopped(world: WatchedWorld): Promise<void> {
  world.assertNothingRuns();
  assert.deepEqual([existsSync(world.path('x.pid')), existsSync(world.path('w.pid'))], [false, false]);
  const { state, code, pid, watchdog } = await world.status();
  assert.deepEqual([state, code, pid, watchdog.pid], ['stopped', 3, null, null]);
}

test('stop ends program and watchdog, and has seen the end of both when it returns', async () => {
  await using world = await makeWatchedWorld();
  // Many, for the watchdog ends a moment after its program.
  for (let round = 1; round <= 10; round += 1) {
    const pid = await world.watched(files, ['sleep', '300']);
    const { code, stdout, stderr } = await world.tsdaemon(['stop', 'web']);
    await assertStopped(world);
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(stdout, `web: stopped process ${pid}\n`);
  }
});

test('stop by the pidfile, which names the program, stops its watchdog too', async () => {
  await using world = await makeWatchedWorld();
  const pid = await world.watched(files, ['sleep', '300']);
  const { code, stdout } = await world.tsdaemon(['stop', '--pidfile', 'x.pid', '--json']);
  await assertStopped(world);
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), { name: 'web', pid, by: 'signal' });
});

test('stop by the watchdog’s pidfile stops both', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(files, ['sleep', '300']);
  const { code } = await world.tsdaemon(['stop', '--pidfile', 'w.pid']);
  await assertStopped(world);
  assert.equal(code, 0);
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) {
  test(`${signal} to the watchdog ends both`, async () => {
    await using world = await makeWatchedWorld();
    await using theatre = await openTheatre(world);
    await world.watched(files, theatre.argv());
    const puppet = await theatre.next();
    await puppet.tell({ do: 'catch', signals: ['SIGTERM', 'SIGINT', 'SIGQUIT'] });
    const watchdog = world.pidIn('w.pid');
    process.kill(watchdog, signal);
    // The program gets its own stop signal, whichever the watchdog got.
    await until(() => assert.deepEqual(puppet.signals, ['SIGTERM']), { withinMs: 5000 });
    void puppet.tell({ do: 'exit', code: 0 });
    await ended(watchdog);
    await assertStopped(world);
  });
}

test('SIGHUP does not end a watchdog', async () => {
  await using world = await makeWatchedWorld();
  const pid = await world.watched(files, ['sleep', '300']);
  const watchdog = world.pidIn('w.pid');
  process.kill(watchdog, 'SIGHUP');
  process.kill(pid, 'SIGKILL');
  const next = await until(
    () => {
      assert.notEqual(world.pidIn('x.pid'), pid);
      return world.pidIn('x.pid');
    },
    { withinMs: 10_000 },
  );
  assert.deepEqual([isAlive(watchdog), isAlive(next)], [true, true]);
});

test('--stop-signal: the program gets this one', async () => {
  await using world = await makeWatchedWorld();
  await using theatre = await openTheatre(world);
  await world.watched([...files, '--stop-signal', 'USR2'], theatre.argv());
  const puppet = await theatre.next();
  await puppet.tell({ do: 'catch', signals: ['SIGTERM', 'SIGUSR2'] });
  const stop = world.tsdaemon(['stop', 'web']);
  await until(() => assert.deepEqual(puppet.signals, ['SIGUSR2']), { withinMs: 5000 });
  const { state, code } = await world.status();
  assert.deepEqual([state, code], ['stopping', 0]);
  void puppet.tell({ do: 'exit', code: 0 });
  assert.equal((await stop).code, 0);
  await assertStopped(world);
});

for (const mode of ['process', 'group', 'tree']) {
  test(`--kill-mode ${mode}: the program gets the stop signal once`, async () => {
    await using world = await makeWatchedWorld();
    // Busy, so that it takes each signal before the next can be merged with it.
    const script = 'trap "echo term >> signals" TERM; echo > ready; while :; do :; done';
    for (let round = 1; round <= 3; round += 1) {
      await world.watched(['--kill-mode', mode, '--stop-timeout', '0.3'], ['sh', '-c', script]);
      await until(() => assert.ok(existsSync(world.path('ready'))), { withinMs: 10_000 });
      await world.tsdaemon(['stop', 'web']);
      assert.equal(world.read('signals'), 'term\n'.repeat(round));
      await world.sh('rm ready');
    }
  });
}

const deaf = ['sh', '-c', 'trap "" TERM; echo > ready; while :; do sleep 0.1; done'];

async function watchedDeaf(world: WatchedWorld, flags: readonly string[]): Promise<number> {
  const pid = await world.watched([...files, ...flags], deaf);
  await until(() => assert.ok(existsSync(world.path('ready'))), { withinMs: 10_000 });
  return pid;
}

test('--stop-timeout: a program that ignores the signal is killed after its grace, not before', async () => {
  await using world = await makeWatchedWorld();
  const pid = await watchedDeaf(world, ['--stop-timeout', '1']);
  const { ms, outcome } = await timed(world.tsdaemon(['stop', 'web']));
  await assertStopped(world);
  assert.ok(ms >= 1000 && ms < 4000, `${ms} ms`);
  assert.equal(outcome.stdout, `web: stopped process ${pid} with SIGKILL\n`);
  assert.equal((await world.status()).watchdog.lastExit, 'killed by SIGKILL');
});

test('stop --timeout: this grace instead of the program’s own', async () => {
  await using world = await makeWatchedWorld();
  await watchedDeaf(world, ['--stop-timeout', '60']);
  const { ms } = await timed(world.tsdaemon(['stop', 'web', '--timeout', '0.5']));
  await assertStopped(world);
  assert.ok(ms >= 500 && ms < 4000, `${ms} ms`);
});

test('stop --signal: this signal instead of the program’s own', async () => {
  await using world = await makeWatchedWorld();
  await using theatre = await openTheatre(world);
  await world.watched(files, theatre.argv());
  const puppet = await theatre.next();
  await puppet.tell({ do: 'catch', signals: ['SIGTERM', 'SIGUSR1'] });
  const stop = world.tsdaemon(['stop', 'web', '--signal', 'USR1']);
  await until(() => assert.notEqual(puppet.signals.length, 0), { withinMs: 5000 });
  assert.deepEqual(puppet.signals, ['SIGUSR1']);
  void puppet.tell({ do: 'exit', code: 0 });
  assert.equal((await stop).code, 0);
  await assertStopped(world);
});

test('stop --no-kill: what ignores the signal is not killed, and that is an error', async () => {
  await using world = await makeWatchedWorld();
  const pid = await watchedDeaf(world, ['--stop-timeout', '60']);
  const { ms, outcome } = await timed(world.tsdaemon(['stop', 'web', '--no-kill', '--timeout', '0.5']));
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /^tsdaemon: [^\n]*0\.5 s[^\n]*\n$/);
  assert.ok(ms < 5000, `${ms} ms`);
  assert.equal(isAlive(pid), true);
});

test('a program that was halted is stopped like any other', async () => {
  await using world = await makeWatchedWorld();
  await using theatre = await openTheatre(world);
  await world.watched([...files, '--stop-timeout', '60'], theatre.argv());
  const puppet = await theatre.next();
  process.kill(puppet.pid, 'SIGSTOP');
  const { ms } = await timed(world.tsdaemon(['stop', 'web']));
  await assertStopped(world);
  assert.ok(ms < 5000, `${ms} ms`);
});

test('a watchdog that was halted is stopped like any other', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(files, ['sleep', '300']);
  process.kill(world.pidIn('w.pid'), 'SIGSTOP');
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  await assertStopped(world);
});

test('stop ends the wait for the next start', async () => {
  await using world = await makeWatchedWorld();
  await world.watched([...files, '--delay', '60'], ['true']);
  await world.whenState('waiting');
  const { code, stdout } = await world.tsdaemon(['stop', 'web']);
  await assertStopped(world);
  assert.deepEqual([code, stdout], [0, 'web: was not running\n']);
});

test('stop ends a start that is not ready yet, and the run that waits for it', async () => {
  await using world = await makeWatchedWorld();
  const run = world.runWatched([...files, '--stay-up', '60'], ['sleep', '300']);
  await world.whenState('starting');
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  const { code, stdout, stderr } = await run;
  assert.deepEqual([code, stdout], [125, '']);
  assert.match(stderr, /^tsdaemon: cannot start 'web': [^\n]*stopped[^\n]*\n$/);
  await assertStopped(world);
});

test('stop in the middle of a crash loop leaves nothing', async () => {
  await using world = await makeWatchedWorld();
  for (let round = 1; round <= 10; round += 1) {
    await world.watched([...files, ...atOnce], ['sh', '-c', 'exit 1']);
    const { code, stderr } = await world.tsdaemon(['stop', 'web']);
    await assertStopped(world);
    assert.deepEqual([code, stderr], [0, '']);
  }
});

test('five stops at once all succeed', async () => {
  await using world = await makeWatchedWorld();
  await watchedDeaf(world, ['--stop-timeout', '0.5']);
  const stops = [1, 2, 3, 4, 5].map(() => world.tsdaemon(['stop', 'web']));
  for (const { code, stderr } of await Promise.all(stops)) assert.deepEqual([code, stderr], [0, '']);
  await assertStopped(world);
});

test('stop of what has ended by itself is success', async () => {
  await using world = await makeWatchedWorld();
  await world.watched([...files, '--restart', 'no'], ['true']);
  await world.whenState('stopped');
  const { code, stdout } = await world.tsdaemon(['stop', 'web']);
  assert.deepEqual([code, stdout], [0, 'web: was not running\n']);
});

test('a program that exits of the stop signal with an error is stopped, not restarted', async () => {
  await using world = await makeWatchedWorld();
  const script = 'trap "exit 3" TERM; echo > ready; while :; do sleep 0.05; done';
  await world.watched([...files, ...atOnce], ['sh', '-c', script]);
  await until(() => assert.ok(existsSync(world.path('ready'))), { withinMs: 10_000 });
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  await assertStopped(world);
  assert.equal((await world.status()).watchdog.lastExit, 'exit code 3');
});

/** A program with a child in its own group and two outside of it, one of them an orphan; all write down their pid. */
const family = [
  'sh',
  '-c',
  `sh -c 'echo $$ > same; exec sleep 300' &
   setsid sh -c 'echo $$ > other; exec sleep 300' &
   (setsid sh -c 'echo $$ > orphan; exec sleep 300' &)
   while ! [ -s same ] || ! [ -s other ] || ! [ -s orphan ]; do sleep 0.01; done
   echo > ready; exec sleep 300`,
];
const members = ['same', 'other', 'orphan'] as const;

async function watchedFamily(world: WatchedWorld, flags: readonly string[]): Promise<void> {
  await world.watched([...files, ...flags], family);
  await until(() => assert.ok(existsSync(world.path('ready'))), { withinMs: 10_000 });
}

async function assertMembersLive(world: WatchedWorld, expected: readonly string[]): Promise<void> {
  await until(
    () =>
      assert.deepEqual(
        members.filter((name) => isAlive(world.pidIn(name))),
        expected,
      ),
    { withinMs: 3000 },
  );
}

for (const [mode, survivors] of [
  ['process', ['same', 'other', 'orphan']],
  ['group', ['other', 'orphan']],
  ['tree', []],
] as const) {
  const who = survivors.length === 0 ? 'nobody' : survivors.join(' and ');
  test(`--kill-mode ${mode}: after a stop ${who} of its children lives`, async () => {
    await using world = await makeWatchedWorld();
    await watchedFamily(world, ['--kill-mode', mode]);
    assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
    await assertMembersLive(world, survivors);
    assert.deepEqual(world.watchdogs(), []);
  });
}

for (const mode of ['group', 'tree']) {
  test(`--kill-mode ${mode}: a child that ignores the signal is killed after the grace`, async () => {
    await using world = await makeWatchedWorld();
    const leave = mode === 'tree' ? 'setsid' : '';
    const script = `${leave} sh -c 'trap "" TERM; echo $$ > child; exec sleep 300' &
      while ! [ -s child ]; do sleep 0.01; done; echo > ready; exec sleep 301`;
    const flags = ['--kill-mode', mode, '--stop-timeout', '1', ...files];
    await world.watched(flags, ['sh', '-c', script]);
    await until(() => assert.ok(existsSync(world.path('ready'))), { withinMs: 10_000 });
    const { ms, outcome } = await timed(world.tsdaemon(['stop', 'web']));
    await assertStopped(world);
    assert.equal(outcome.code, 0);
    assert.ok(ms >= 1000 && ms < 5000, `${ms} ms`);
  });

  test(`--kill-mode ${mode}: children of a run that crashed are gone before the next begins`, async () => {
    await using world = await makeWatchedWorld();
    const leave = mode === 'tree' ? 'setsid' : '';
    // The next run asks whether the child of the last one still lives.
    const script = `[ -s child ] && kill -0 $(cat child) && echo two > overlap
      ${leave} sh -c 'echo $$ > child; exec sleep 300' &
      while ! [ -s child ] || ! kill -0 $(cat child); do sleep 0.01; done
      echo $$ >> runs; exec sleep 301`;
    const runs = (): number =>
      existsSync(world.path('runs')) ? world.read('runs').split('\n').length - 1 : 0;
    const pid = await world.watched(['--kill-mode', mode, ...atOnce], ['sh', '-c', script]);
    await until(() => assert.equal(runs(), 1), { withinMs: 10_000 });
    process.kill(pid, 'SIGKILL');
    await until(() => assert.equal(runs(), 2), { withinMs: 10_000 });
    assert.equal(existsSync(world.path('overlap')), false);
    assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
    world.assertNothingRuns();
  });
}

test('a child that the program has left behind is reaped by the watchdog, not left a zombie', async () => {
  await using world = await makeWatchedWorld();
  const script = "(sh -c 'echo $$ > child; exec sleep 0.2' &); exec sleep 300";
  await world.watched([], ['sh', '-c', script]);
  const watchdog = await world.watchdogPid();
  await until(() => assert.ok(existsSync(world.path('child'))), { withinMs: 10_000 });
  await until(
    async () => {
      const { stdout } = await world.sh(`ps --ppid ${watchdog} -o stat=`);
      assert.doesNotMatch(stdout, /Z/);
      assert.equal(existsSync(`/proc/${world.pidIn('child')}`), false);
    },
    { withinMs: 5000 },
  );
  assert.equal((await world.status()).state, 'running');
});

test('restart stops both and starts both, and counts from zero', async () => {
  await using world = await makeWatchedWorld();
  const first = await world.watched([...files, ...atOnce], ['sleep', '300']);
  const watchdog = world.pidIn('w.pid');
  process.kill(first, 'SIGKILL');
  const second = await until(
    () => {
      assert.notEqual(world.pidIn('x.pid'), first);
      return world.pidIn('x.pid');
    },
    { withinMs: 10_000 },
  );
  const { code, stdout, stderr } = await world.tsdaemon(['restart', 'web']);
  assert.deepEqual([code, stderr], [0, '']);
  const third = Number(stdout);
  assert.deepEqual([isAlive(second), isAlive(watchdog)], [false, false]);
  assert.deepEqual(world.programs(), [third]);
  const status = await world.status();
  assert.deepEqual([status.state, status.pid, status.watchdog.restarts], ['running', third, 0]);
  assert.deepEqual([world.pidIn('x.pid'), world.pidIn('w.pid')], [third, status.watchdog.pid]);
  assert.deepEqual(world.watchdogs(), [status.watchdog.pid]);
});

test('restart keeps the policy', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(
    ['--max-restarts', '1', ...atOnce],
    ['sh', '-c', '[ -e bad ] && exit 6; exec sleep 300'],
  );
  assert.equal((await world.tsdaemon(['restart', 'web'])).code, 0);
  await world.sh('touch bad');
  process.kill((await world.status()).pid!, 'SIGKILL');
  const { reason } = await world.whenState('fatal');
  assert.equal(reason, 'failures in a row: 2, last run: exit code 6');
});
