// A watchdog that is killed leaves its program running; the next one takes it over, and there is never a second copy.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'node:test';
import { identityOf } from '../../src/os/identity.js';
import { argvOf, isAlive, statOf } from '../support/proc.js';
import { openTheatre } from '../support/puppets.js';
import { changeRecord } from '../support/records.js';
import { needsCgroup } from '../support/tools.js';
import { until } from '../support/until.js';
import { ended, makeWatchedWorld, timed, type WatchedWorld } from '../support/watched.js';

const atOnce = ['--backoff', '0'];
const files = ['--pidfile', 'x.pid', '--watchdog-pidfile', 'w.pid'];

/** A program whose watchdog has been killed. */
async function orphan(
  world: WatchedWorld,
  flags: readonly string[] = [],
  argv = ['sleep', '300'],
): Promise<number> {
  const pid = await world.watched([...atOnce, ...files, ...flags], argv);
  await world.killWatchdog();
  return pid;
}

/** One program, this one, under one watchdog, and all who are asked say so. */
async function assertHeld(world: WatchedWorld, pid: number): Promise<void> {
  assert.deepEqual(world.programs(), [pid]);
  const { state, code, watchdog, ...status } = await world.status();
  assert.deepEqual([state, code, status.pid], ['running', 0, pid]);
  assert.deepEqual(world.watchdogs(), [watchdog.pid]);
  assert.deepEqual([world.pidIn('x.pid'), world.pidIn('w.pid')], [pid, watchdog.pid]);
}

async function assertComesBack(world: WatchedWorld, pid: number): Promise<number> {
  process.kill(pid, 'SIGKILL');
  const next = await until(
    () => {
      assert.notEqual(world.pidIn('x.pid'), pid);
      return world.pidIn('x.pid');
    },
    { withinMs: 10_000 },
  );
  // The pidfile is written first, and what status reads a moment later.
  await until(() => assertHeld(world, next), { withinMs: 10_000 });
  return next;
}

test('kill -9 of the watchdog leaves the program running, and status says what happened', async () => {
  await using world = await makeWatchedWorld();
  await using theatre = await openTheatre(world);
  await orphan(world, [], theatre.argv());
  const puppet = await theatre.next();
  assert.equal(await puppet.tell({ do: 'print', to: 'stdout', text: 'still here\n' }), null);
  assert.match(world.read('nohup.out'), /still here\n$/);
  const { state, code, reason, watchdog, ...status } = await world.status();
  assert.deepEqual([state, code, status.pid, watchdog.pid], ['running', 0, puppet.pid, null]);
  assert.match(reason, /its watchdog was killed/);
  const { code: lsb, stdout } = await world.tsdaemon(['status', '--pidfile', 'x.pid']);
  assert.equal(lsb, 0);
  assert.match(stdout, /^web: running, [^\n]*its watchdog was killed[^\n]*\n$/);
  assert.match((await world.tsdaemon(['list'])).stdout, new RegExp(`web +${puppet.pid} +running`));
  assert.equal(world.pidIn('x.pid'), puppet.pid);
});

const takeOvers: readonly [what: string, args: readonly string[]][] = [
  ['adopt NAME', ['adopt', 'web']],
  ['adopt --pidfile', ['adopt', '--pidfile', 'x.pid']],
  [
    'run with the same name and pidfile',
    ['run', '--name', 'web', '--restart', 'always', ...atOnce, ...files, '--', 'sleep', '300'],
  ],
  [
    'run with the same pidfile alone',
    ['run', '--restart', 'always', ...atOnce, ...files, '--', 'sleep', '300'],
  ],
];

for (const [what, args] of takeOvers) {
  test(`${what}: the same process, under a new watchdog that brings it back`, async () => {
    await using world = await makeWatchedWorld();
    const pid = await orphan(world);
    const { code, stdout, stderr } = await world.tsdaemon(args);
    assert.deepEqual([code, stdout, stderr], [0, `${pid}\n`, '']);
    await assertHeld(world, pid);
    const next = await assertComesBack(world, pid);
    await assertComesBack(world, next);
    assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
    world.assertNothingRuns();
    assert.deepEqual([existsSync(world.path('x.pid')), existsSync(world.path('w.pid'))], [false, false]);
  });
}

test('adopt --json prints one object, as run does', async () => {
  await using world = await makeWatchedWorld();
  const pid = await orphan(world);
  const { stdout } = await world.tsdaemon(['adopt', 'web', '--json']);
  const outputs = [world.path('nohup.out')];
  assert.deepEqual(JSON.parse(stdout), { name: 'web', pid, pidfile: world.path('x.pid'), outputs });
});

test('restart of a program without its watchdog ends it and starts one copy under a new watchdog', async () => {
  await using world = await makeWatchedWorld();
  const pid = await orphan(world);
  const { code, stdout, stderr } = await world.tsdaemon(['restart', 'web']);
  assert.deepEqual([code, stderr], [0, '']);
  assert.equal(isAlive(pid), false);
  await assertHeld(world, Number(stdout));
  await assertComesBack(world, Number(stdout));
});

test('it can be adopted again and again, and the restarts go on being counted', async () => {
  await using world = await makeWatchedWorld();
  let pid = await orphan(world);
  for (let round = 1; round <= 4; round += 1) {
    assert.equal((await world.tsdaemon(['adopt', 'web'])).code, 0);
    pid = await assertComesBack(world, pid);
    assert.equal((await world.status()).watchdog.restarts, round);
    await world.killWatchdog();
  }
  assert.equal((await world.tsdaemon(['adopt', 'web'])).stdout, `${pid}\n`);
});

test('of 10 that adopt at once one succeeds, and there is one watchdog', async () => {
  await using world = await makeWatchedWorld();
  const pid = await orphan(world);
  const all = Array.from({ length: 10 }, () => world.tsdaemon(['adopt', 'web'], { withinMs: 60_000 }));
  const outcomes = await Promise.all(all);
  assert.equal(outcomes.filter(({ code }) => code === 0).length, 1);
  for (const { code, stdout, stderr } of outcomes) {
    if (code === 0) assert.equal(stdout, `${pid}\n`);
    else assert.match(stderr, /^tsdaemon: cannot [^\n]+\n$/);
  }
  await assertHeld(world, pid);
});

test('what has its watchdog, is stopped or never had one cannot be adopted', async () => {
  await using world = await makeWatchedWorld();
  const held = await world.watched(files, ['sleep', '300']);
  const plain = await world.daemon(['--name', 'plain', '--', 'sleep', '300']);
  await world.watched(['--name', 'ended'], ['sleep', '300']);
  await world.tsdaemon(['stop', 'ended']);
  for (const name of ['web', 'plain', 'ended', 'nobody']) {
    const { code, stdout, stderr } = await world.tsdaemon(['adopt', name]);
    assert.notEqual(code, 0, name);
    assert.equal(stdout, '');
    assert.match(stderr, new RegExp(`^tsdaemon: [^\\n]*'${name}'[^\\n]*\\n$`));
  }
  assert.deepEqual(world.programs().sort(), [held, plain].sort());
});

test('a start that would be no adoption is refused while the program runs', async () => {
  await using world = await makeWatchedWorld();
  const pid = await orphan(world);
  for (const args of [
    // Without a watchdog.
    ['--name', 'web'],
    ['--pidfile', 'x.pid'],
    ['--name', 'web', '--pidfile', 'y.pid'],
    // Under another name.
    ['--name', 'other', '--restart', 'always', '--pidfile', 'x.pid'],
  ]) {
    const { code, stderr } = await world.tsdaemon(['run', ...args, '--', 'sleep', '301']);
    assert.equal(code, 125, args.join(' '));
    assert.match(stderr, new RegExp(`^tsdaemon: cannot start [^\\n]*already running as process ${pid}\\n$`));
  }
  assert.deepEqual(world.programs(), [pid]);
});

test('stop of a program without its watchdog ends it by its own rules', async () => {
  await using world = await makeWatchedWorld();
  await using theatre = await openTheatre(world);
  const pid = await orphan(world, ['--stop-signal', 'USR2', '--stop-timeout', '0.5'], theatre.argv());
  const puppet = await theatre.next();
  await puppet.tell({ do: 'catch', signals: ['SIGTERM', 'SIGUSR2'] });
  const { ms, outcome } = await timed(world.tsdaemon(['stop', 'web']));
  world.assertNothingRuns();
  assert.equal(outcome.stdout, `web: stopped process ${pid} with SIGKILL\n`);
  assert.deepEqual(puppet.signals, ['SIGUSR2']);
  assert.ok(ms >= 500, `${ms} ms`);
  const { state, code } = await world.status();
  assert.deepEqual([state, code], ['stopped', 3]);
  assert.deepEqual([existsSync(world.path('x.pid')), existsSync(world.path('w.pid'))], [false, false]);
});

/** A program with a child in its own group and one outside; it is ready when both have written their pid. */
const family = [
  'sh',
  '-c',
  `sh -c 'echo $$ > same; exec sleep 300' &
   setsid sh -c 'echo $$ > other; exec sleep 300' &
   while ! [ -s same ] || ! [ -s other ]; do sleep 0.01; done
   echo > ready; exec sleep 300`,
];

for (const [mode, survivors] of [
  ['process', ['same', 'other']],
  ['group', ['other']],
  ['tree', []],
] as const) {
  for (const adopt of [true, false]) {
    const who = adopt ? 'an adopted program' : 'a program without its watchdog';
    test(`--kill-mode ${mode} holds for ${who} too`, async () => {
      await using world = await makeWatchedWorld();
      await world.watched([...files, '--kill-mode', mode], family);
      await until(() => assert.ok(existsSync(world.path('ready'))), { withinMs: 10_000 });
      await world.killWatchdog();
      if (adopt) assert.equal((await world.tsdaemon(['adopt', 'web'])).code, 0);
      assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
      await until(
        () =>
          assert.deepEqual(
            ['same', 'other'].filter((name) => isAlive(world.pidIn(name))),
            survivors,
          ),
        { withinMs: 3000 },
      );
      assert.deepEqual(world.watchdogs(), []);
    });
  }
}

test('SIGTERM to the watchdog of an adopted program ends both', async () => {
  await using world = await makeWatchedWorld();
  const pid = await orphan(world);
  await world.tsdaemon(['adopt', 'web']);
  const watchdog = await world.watchdogPid();
  process.kill(watchdog, 'SIGTERM');
  await ended(watchdog);
  assert.equal(isAlive(pid), false);
  world.assertNothingRuns();
  assert.equal((await world.status()).state, 'stopped');
});

test('an adopted program that ignores the stop signal is killed after its grace', async () => {
  await using world = await makeWatchedWorld();
  const argv = ['sh', '-c', 'trap "" TERM; echo > ready; while :; do sleep 0.1; done'];
  await orphan(world, ['--stop-timeout', '1'], argv);
  await until(() => assert.ok(existsSync(world.path('ready'))), { withinMs: 10_000 });
  await world.tsdaemon(['adopt', 'web']);
  const { ms, outcome } = await timed(world.tsdaemon(['stop', 'web']));
  world.assertNothingRuns();
  assert.equal(outcome.code, 0);
  assert.ok(ms >= 1000 && ms < 5000, `${ms} ms`);
});

test('signal reaches an adopted program, and one without its watchdog', async () => {
  await using world = await makeWatchedWorld();
  await using theatre = await openTheatre(world);
  await orphan(world, [], theatre.argv());
  const puppet = await theatre.next();
  await puppet.tell({ do: 'catch', signals: ['SIGUSR1', 'SIGUSR2'] });
  assert.equal((await world.tsdaemon(['signal', 'web', 'USR1'])).code, 0);
  await until(() => assert.deepEqual(puppet.signals, ['SIGUSR1']), { withinMs: 5000 });
  await world.tsdaemon(['adopt', 'web']);
  assert.equal((await world.tsdaemon(['signal', '--group', 'web', 'USR2'])).code, 0);
  await until(() => assert.deepEqual(puppet.signals, ['SIGUSR1', 'SIGUSR2']), { withinMs: 5000 });
});

test('a program that died after its watchdog is dead, and run starts one', async () => {
  await using world = await makeWatchedWorld();
  const pid = await orphan(world);
  process.kill(pid, 'SIGKILL');
  await ended(pid);
  const { state, code, watchdog } = await world.status();
  assert.deepEqual([state, code, watchdog.pid], ['dead', 1, null]);
  assert.notEqual((await world.tsdaemon(['adopt', 'web'])).code, 0);
  const next = await world.watched([...atOnce, ...files], ['sleep', '300']);
  await assertHeld(world, next);
  await assertComesBack(world, next);
});

test('a watchdog that was killed while its program waited for a restart leaves nothing that runs', async () => {
  await using world = await makeWatchedWorld();
  await world.watched([...files, '--delay', '60'], ['sh', '-c', '[ -e good ] && exec sleep 300; exit 1']);
  await world.whenState('waiting');
  await world.killWatchdog();
  world.assertNothingRuns();
  const { state, code, reason } = await world.status();
  assert.deepEqual([state, code], ['dead', 1]);
  assert.match(reason, /exit code 1/);
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  assert.equal((await world.status()).state, 'stopped');
  await world.sh('touch good');
  await assertHeld(world, await world.watched([...atOnce, ...files], ['sleep', '300']));
});

test('a watchdog killed right after its program: run starts one copy, never a second', async () => {
  await using world = await makeWatchedWorld();
  const start = (): Promise<number> => world.watched([...atOnce, ...files], ['sleep', '300']);
  let pid = await start();
  for (let round = 0; round < 40; round += 1) {
    const watchdog = world.pidIn('w.pid');
    process.kill(pid, 'SIGKILL');
    // From before the watchdog has heard of it to after it has started the next one.
    const then = performance.now() + round / 10;
    while (performance.now() < then);
    process.kill(watchdog, 'SIGKILL');
    await ended(watchdog);
    // Dying takes a moment too, in which its command line can still be read.
    await ended(pid);
    // And a program that has not been executed yet still looks like its watchdog.
    await until(() => assert.deepEqual(world.watchdogs(), []), { withinMs: 5000 });
    const left = world.programs();
    assert.ok(left.length <= 1, `round ${round}`);
    const before = await world.status();
    assert.equal(before.pid, left[0] ?? null, `round ${round}: ${JSON.stringify(before)}`);
    pid = await start();
    if (left.length === 1) assert.equal(pid, left[0], `round ${round}: a second copy`);
    await assertHeld(world, pid);
  }
});

test('a pid that belongs to a stranger now is not adopted', async () => {
  await using world = await makeWatchedWorld();
  const pid = await orphan(world);
  process.kill(pid, 'SIGKILL');
  await ended(pid);
  const stranger = world.start(['sleep', '300'], { stdio: 'ignore' });
  const life = world.path('../state/daemons/web/life.json');
  await world.sh(`sed -i 's/"pid":${pid},/"pid":${stranger.pid},/' ${life}`);
  assert.notEqual((await world.tsdaemon(['adopt', 'web'])).code, 0);
  const next = await world.watched([...atOnce, ...files], ['sleep', '301']);
  assert.notEqual(next, stranger.pid);
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  assert.ok(isAlive(stranger.pid!));
});

for (const [what, flags] of [
  ['exec', []],
  ['stay-up', ['--stay-up', '0.5']],
] as const) {
  test(`a launcher that is killed leaves a program that is found, or nothing (${what})`, async () => {
    await using world = await makeWatchedWorld();
    const args = ['run', '--name', 'web', '--restart', 'always', ...atOnce, ...files, ...flags];
    for (let round = 0; round < 12; round += 1) {
      const launcher = world.start(['tsdaemon', ...args, '--', 'sleep', '300'], { stdio: 'ignore' });
      const closed = new Promise((resolve) => launcher.once('close', resolve));
      await new Promise((resolve) => setTimeout(resolve, 15 * round));
      launcher.kill('SIGKILL');
      await closed;
      await until(
        async () => {
          const { pid, watchdog } = await world.status();
          assert.deepEqual(world.programs(), pid === null ? [] : [pid]);
          assert.deepEqual(world.watchdogs(), watchdog?.pid == null ? [] : [watchdog.pid]);
        },
        { withinMs: 5000 },
      );
      await world.tsdaemon(['stop', '--pidfile', 'x.pid']);
      world.assertNothingRuns();
      await world.tsdaemon(['forget', 'web']);
    }
  });
}

test('stop ends the program too where its new watchdog dies of the signal before it has taken over', async () => {
  await using world = await makeWatchedWorld();
  const pid = await orphan(world);
  // A process that is at once where a watchdog is while its Node starts: nobody handles SIGTERM yet.
  const bystander = world.start(['sleep', '300'], { stdio: 'ignore' });
  changeRecord(world, 'web', (record) => ({ ...record, process: identityOf(bystander.pid!) }));
  const { code, stdout } = await world.tsdaemon(['stop', 'web']);
  assert.deepEqual([code, stdout], [0, `web: stopped process ${pid}\n`]);
  assert.deepEqual([isAlive(pid), world.programs()], [false, []]);
  assert.equal((await world.status()).state, 'stopped');
});

test('a program that was not ready yet when its watchdog was killed is waited for by whoever adopts it', async () => {
  await using world = await makeWatchedWorld();
  const running = world.runWatched([...files, '--stay-up', '1.5'], ['sleep', '300']);
  const { pid } = await world.whenState('starting');
  await world.killWatchdog();
  assert.notEqual((await running).code, 0);
  const { ms, outcome } = await timed(world.tsdaemon(['adopt', 'web']));
  assert.deepEqual([outcome.code, outcome.stdout], [0, `${pid}\n`]);
  assert.ok(ms >= 1500, `adopt took ${ms} ms`);
  await assertHeld(world, pid!);
});

for (const adopt of [true, false]) {
  const who = adopt ? 'an adopted program' : 'a program without its watchdog';
  test(`--kill-mode tree: of ${who} those too are stopped who left session and parent unseen`, {
    skip: needsCgroup(),
  }, async () => {
    await using world = await makeWatchedWorld();
    const script = "trap '(setsid sleep 1005 &)' USR1; while :; do sleep 0.1; done";
    const pid = await orphan(world, ['--kill-mode', 'tree'], ['sh', '-c', script]);
    process.kill(pid, 'SIGUSR1');
    const sleeper = await until(
      () => {
        const found = world.programs().find((each) => argvOf(each).join(' ') === 'sleep 1005');
        assert.ok(found !== undefined && statOf(found)!.parent !== pid);
        return found;
      },
      { withinMs: 10_000 },
    );
    const { cgroup } = JSON.parse(world.read('../state/daemons/web/life.json')) as { cgroup: string };
    assert.ok(existsSync(cgroup));
    if (adopt) assert.equal((await world.tsdaemon(['adopt', 'web'])).code, 0);
    assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
    assert.deepEqual([isAlive(sleeper), existsSync(cgroup)], [false, false]);
  });
}
