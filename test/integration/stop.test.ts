// What `stop` promises: the daemon has ended when it returns, and nobody else was touched.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'node:test';
import { isAlive, statOf } from '../support/proc.js';
import { openTheatre, type Puppet, type Theatre } from '../support/puppets.js';
import { needs } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

async function startPuppet(world: World, theatre: Theatre, ...flags: readonly string[]): Promise<Puppet> {
  await world.daemon(['--name', 'web', '--pidfile', 'x.pid', ...flags, '--', ...theatre.argv()]);
  return theatre.next();
}

for (const target of [['web'], ['--pidfile', 'x.pid']]) {
  test(`stop ${target.join(' ')} ends the daemon, waits for its end and removes the pidfile`, async () => {
    await using world = await makeWorld();
    const pid = await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300']);
    const { code, stdout, stderr } = await world.tsdaemon(['stop', ...target]);
    assert.deepEqual([code, stdout, stderr], [0, `web: stopped process ${pid}\n`, '']);
    assert.equal(isAlive(pid), false);
    assert.equal(existsSync(world.path('x.pid')), false);
  });
}

test('the first signal is SIGTERM, and a daemon may take its time within its grace', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const daemon = await startPuppet(world, theatre);
  await daemon.tell({ do: 'catch', signals: ['SIGTERM', 'SIGINT', 'SIGHUP'] });
  const stop = world.tsdaemon(['stop', 'web', '--json']);
  await until(() => assert.deepEqual(daemon.signals, ['SIGTERM']), { withinMs: 5000 });
  assert.ok(existsSync(world.path('x.pid')), 'the pidfile stands while the daemon lives');
  void daemon.tell({ do: 'exit', code: 3 });
  const { code, stdout } = await stop;
  assert.deepEqual([code, JSON.parse(stdout)], [0, { name: 'web', pid: daemon.pid, by: 'signal' }]);
});

for (const [flags, signal] of [
  [['--signal', 'INT'], 'SIGINT'],
  [['--signal', 'SIGUSR1'], 'SIGUSR1'],
  [['--signal', 'usr2'], 'SIGUSR2'],
  [['--signal', '1'], 'SIGHUP'],
] as const) {
  test(`stop ${flags.join(' ')} sends ${signal}`, async () => {
    await using world = await makeWorld();
    await using theatre = await openTheatre(world);
    const daemon = await startPuppet(world, theatre);
    await daemon.tell({ do: 'catch', signals: ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] });
    const stop = world.tsdaemon(['stop', 'web', ...flags]);
    await until(() => assert.deepEqual(daemon.signals, [signal]), { withinMs: 5000 });
    void daemon.tell({ do: 'exit', code: 0 });
    assert.equal((await stop).code, 0);
  });
}

test('run --stop-signal and --stop-timeout are what stop uses by default', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const daemon = await startPuppet(world, theatre, '--stop-signal', 'INT', '--stop-timeout', '0.3');
  await daemon.tell({ do: 'catch', signals: ['SIGTERM', 'SIGINT'] });
  const { code, stdout } = await world.tsdaemon(['stop', 'web'], { withinMs: 5000 });
  assert.deepEqual([code, stdout], [0, `web: stopped process ${daemon.pid} with SIGKILL\n`]);
  assert.deepEqual(daemon.signals, ['SIGINT']);
});

test('a daemon that ignores SIGTERM is killed after its grace and not before', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const daemon = await startPuppet(world, theatre);
  await daemon.tell({ do: 'catch', signals: ['SIGTERM'] });
  const began = performance.now();
  const { code, stdout } = await world.tsdaemon(['stop', 'web', '--timeout', '0.7']);
  const tookMs = performance.now() - began;
  assert.deepEqual([code, stdout], [0, `web: stopped process ${daemon.pid} with SIGKILL\n`]);
  assert.deepEqual(daemon.signals, ['SIGTERM']);
  assert.ok(tookMs >= 700, `it was killed after ${tookMs} ms`);
  assert.equal(existsSync(world.path('x.pid')), false);
});

test('with --no-kill a daemon that ignores SIGTERM lives on, and stop fails', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const daemon = await startPuppet(world, theatre);
  await daemon.tell({ do: 'catch', signals: ['SIGTERM'] });
  const { code, stdout, stderr } = await world.tsdaemon(['stop', 'web', '--timeout', '0.2', '--no-kill']);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(
    stderr,
    new RegExp(`^tsdaemon: cannot stop 'web': process ${daemon.pid} still runs after 0\\.2 s\n$`),
  );
  assert.ok(isAlive(daemon.pid));
  assert.equal(world.read('x.pid'), `${daemon.pid}\n`);
  assert.equal((await world.tsdaemon(['status', 'web'])).code, 0);
});

test('without --group a grandchild is left alone', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const daemon = await startPuppet(world, theatre);
  const grandchild = (await daemon.tell({ do: 'start-grandchild' })) as number;
  world.expectSurvivor(grandchild);
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  assert.ok(isAlive(grandchild));
});

test('--group reaches the grandchildren and waits for them', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const daemon = await startPuppet(world, theatre);
  const grandchild = (await daemon.tell({ do: 'start-grandchild' })) as number;
  assert.equal(statOf(grandchild)!.processGroup, statOf(daemon.pid)!.processGroup);
  const { code, stderr } = await world.tsdaemon(['stop', 'web', '--group']);
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual([isAlive(daemon.pid), isAlive(grandchild)], [false, false]);
});

test("--group kills a grandchild that outlives the daemon's grace", async () => {
  await using world = await makeWorld();
  const script = 'sh -c \'trap "" TERM; echo $$ >child; exec sleep 300\' & wait';
  const pid = await world.daemon(['--name', 'web', '--', 'sh', '-c', script]);
  const grandchild = await until(() => Number(world.read('child').match(/\d+\n/)![0]), { withinMs: 5000 });
  const { code, stdout } = await world.tsdaemon(['stop', 'web', '--group', '--timeout', '0.2']);
  assert.deepEqual([code, stdout], [0, `web: stopped process ${pid} with SIGKILL\n`]);
  await until(() => assert.equal(isAlive(grandchild), false), { withinMs: 2000 });
});

test('--group leaves another daemon alone', async () => {
  await using world = await makeWorld();
  const other = await world.daemon(['--name', 'other', '--', 'sleep', '300']);
  await world.daemon(['--name', 'web', '--', 'sleep', '300']);
  assert.equal((await world.tsdaemon(['stop', 'web', '--group'])).code, 0);
  assert.ok(isAlive(other));
});

test('a daemon that is stopped (SIGSTOP) is stopped for good', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const daemon = await startPuppet(world, theatre);
  process.kill(daemon.pid, 'SIGSTOP');
  await until(() => assert.equal(statOf(daemon.pid)!.state, 'T'), { withinMs: 5000 });
  const { code, stdout } = await world.tsdaemon(['stop', 'web', '--json']);
  assert.deepEqual([code, JSON.parse(stdout)], [0, { name: 'web', pid: daemon.pid, by: 'signal' }]);
});

test('stopping what is gone already is success: ended by itself, stopped before, never there', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300']);
  process.kill(pid, 'SIGKILL');
  await until(() => assert.equal(isAlive(pid), false), { withinMs: 5000 });
  for (const round of ['ended by itself', 'stopped before']) {
    const { code, stdout } = await world.tsdaemon(['stop', 'web']);
    assert.deepEqual([code, stdout], [0, 'web: was not running\n'], round);
    assert.equal(existsSync(world.path('x.pid')), false);
  }
  const { code, stdout } = await world.tsdaemon(['stop', '--pidfile', 'y.pid']);
  assert.deepEqual([code, stdout], [0, `${world.path('y.pid')}: was not running\n`]);
});

test('a name that nobody knows is an error', async () => {
  await using world = await makeWorld();
  const { code, stdout, stderr } = await world.tsdaemon(['stop', 'wbe']);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^tsdaemon: no daemon is named 'wbe' [^\n]*\n$/);
});

test('several daemons are stopped side by side, in the time of one', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const pids: number[] = [];
  for (const name of names) {
    pids.push(await world.daemon(['--name', name, '--', ...theatre.argv()]));
    await (await theatre.next()).tell({ do: 'catch', signals: ['SIGTERM'] });
  }
  const began = performance.now();
  const { code, stdout } = await world.tsdaemon(['stop', ...names, '--timeout', '1']);
  const tookMs = performance.now() - began;
  assert.equal(code, 0);
  assert.equal(
    stdout,
    names.map((name, index) => `${name}: stopped process ${pids[index]} with SIGKILL\n`).join(''),
  );
  assert.ok(tookMs >= 1000 && tookMs < 3000, `six graces of 1 s took ${tookMs} ms`);
  assert.deepEqual(pids.filter(isAlive), []);
});

test('one of several that cannot be stopped does not keep the others alive', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--name', 'web', '--', 'sleep', '300']);
  const { code, stdout, stderr } = await world.tsdaemon(['stop', 'nobody', 'web']);
  assert.deepEqual([code, stdout], [1, `web: stopped process ${pid}\n`]);
  assert.match(stderr, /^tsdaemon: no daemon is named 'nobody'[^\n]*\n$/);
  const json = await world.tsdaemon(['stop', 'web', 'nobody', '--json']);
  assert.equal(json.code, 1);
  const answers = json.stdout.trim().split('\n');
  assert.equal(answers.length, 1, `one JSON value is wanted on stdout, not: ${json.stdout}`);
  assert.ok(JSON.parse(answers[0]!));
});

test('a name given twice, or by name and by pidfile, is one daemon', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300']);
  const { code, stderr } = await world.tsdaemon(['stop', 'web', 'web', '--pidfile', 'x.pid']);
  assert.deepEqual([code, stderr, isAlive(pid)], [0, '', false]);
});

test('a stop that waits does not keep others from starting', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const daemon = await startPuppet(world, theatre);
  await daemon.tell({ do: 'catch', signals: ['SIGTERM'] });
  const stop = world.tsdaemon(['stop', 'web', '--timeout', '30'], { withinMs: 40_000 });
  await until(() => assert.equal(daemon.signals.length, 1), { withinMs: 5000 });
  await world.daemon(['--name', 'other', '--', 'sleep', '300'], { withinMs: 5000 });
  void daemon.tell({ do: 'exit', code: 0 });
  assert.equal((await stop).code, 0);
});

test('two stops at once are both success', async () => {
  await using world = await makeWorld();
  await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300']);
  const outcomes = await Promise.all([1, 2, 3].map(() => world.tsdaemon(['stop', 'web'])));
  assert.deepEqual(
    outcomes.map(({ code, stderr }) => [code, stderr]),
    Array(3).fill([0, '']),
  );
});

test('a daemon started anew while stop waits keeps its pidfile and its record', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const daemon = await startPuppet(world, theatre);
  await daemon.tell({ do: 'catch', signals: ['SIGTERM'] });
  const stop = world.start(['tsdaemon', 'stop', 'web'], { stdio: 'ignore' });
  const stopped = new Promise((resolve) => stop.once('exit', resolve));
  await until(() => assert.equal(daemon.signals.length, 1), { withinMs: 5000 });
  // The stop must not see the end before the next start has taken the place.
  process.kill(stop.pid!, 'SIGSTOP');
  void daemon.tell({ do: 'exit', code: 0 });
  await daemon.ended;
  await until(() => assert.equal(isAlive(daemon.pid), false), { withinMs: 5000 });
  const next = await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300']);
  process.kill(stop.pid!, 'SIGCONT');
  assert.equal(await stopped, 0);
  assert.equal(world.read('x.pid'), `${next}\n`);
  assert.equal((await world.tsdaemon(['status', 'web'])).code, 0);
});

test('stop needs no polling: it sleeps in the kernel until the daemon has ended', {
  skip: needs('strace'),
}, async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const daemon = await startPuppet(world, theatre);
  await daemon.tell({ do: 'catch', signals: ['SIGTERM'] });
  const via = ['strace', '-f', '-o', world.path('trace'), '-e', 'trace=pidfd_open,pidfd_send_signal,kill'];
  const stop = world.tsdaemon(['stop', 'web'], { via });
  await until(() => assert.equal(daemon.signals.length, 1), { withinMs: 10_000 });
  void daemon.tell({ do: 'exit', code: 0 });
  assert.equal((await stop).code, 0);
  const calls = [...world.read('trace').matchAll(/ (pidfd_open|pidfd_send_signal|kill)\(/g)].map(
    ([, call]) => call,
  );
  assert.deepEqual(calls, ['pidfd_open', 'pidfd_send_signal', 'pidfd_send_signal']);
});

test('with --group the daemon itself hears the signal once, like every other member', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const daemon = await startPuppet(world, theatre);
  await daemon.tell({ do: 'catch', signals: ['SIGUSR1', 'SIGUSR2'] });
  assert.equal((await world.tsdaemon(['signal', 'web', 'USR1', '--group'])).code, 0);
  assert.equal((await world.tsdaemon(['signal', 'web', 'USR2'])).code, 0);
  // The later signal shows that no second SIGUSR1 is still on its way.
  await until(() => assert.ok(daemon.signals.includes('SIGUSR2')), { withinMs: 5000 });
  assert.deepEqual(daemon.signals, ['SIGUSR1', 'SIGUSR2']);
});
