// Programs that go into the background by themselves, under a watchdog: the real nginx and Apache, and small ones.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { isAlive, statOf } from '../support/proc.js';
import { askShaky } from '../support/shaky.js';
import { needsLinux } from '../support/tools.js';
import { until } from '../support/until.js';
import { ended, makeWatchedWorld, timed, type WatchedWorld } from '../support/watched.js';
import { configureApache, configureNginx, needsApache, needsNginx } from '../support/web-servers.js';

const skip = needsLinux;
const LONG = { withinMs: 15_000 };
const atOnce = ['--backoff', '0'];

/** The program that the pidfile names is the one that status names, under this watchdog. */
async function assertFollowed(world: WatchedWorld, pid: number): Promise<void> {
  const status = await until(async () => {
    const now = await world.status();
    assert.deepEqual([now.state, now.pid], ['running', pid], JSON.stringify(now));
    return now;
  }, LONG);
  assert.equal(world.pidIn('x.pid'), pid);
  assert.deepEqual(world.watchdogs(), [status.watchdog.pid]);
}

test('--daemonizes: the only process that is left is the program, and run names it', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const script = 'setsid sh -c "echo up; sleep 1000 & exit 0"; sleep 0.2; exit 0';
  const flags = ['--daemonizes', '--pidfile', 'x.pid', ...atOnce];
  const pid = await world.watched(flags, ['sh', '-c', script]);
  assert.deepEqual(world.programs(), [pid]);
  await assertFollowed(world, pid);
  process.kill(pid, 'SIGKILL');
  const next = await until(async () => {
    const status = await world.status();
    assert.deepEqual([status.state, status.watchdog.restarts], ['running', 1], JSON.stringify(status));
    return status;
  }, LONG);
  assert.match(next.reason, /killed by SIGKILL/);
  assert.deepEqual(world.programs(), [next.pid]);
  await assertFollowed(world, next.pid!);
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  world.assertNothingRuns();
  assert.equal(existsSync(world.path('x.pid')), false);
});

test('--program-pidfile: a pidfile that comes late is waited for, and one of an earlier run is not believed', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  writeFileSync(world.path('own.pid'), `${process.pid}\n`);
  const late = 'sleep 0.3; exec sh -c "echo \\$\\$ > own.pid; exec sleep 1002"';
  const script = `sleep 1001 & (${late}) & exit 0`;
  const pid = await world.watched(
    ['--program-pidfile', 'own.pid', '--pidfile', 'x.pid'],
    ['sh', '-c', script],
  );
  assert.equal(pid, world.pidIn('own.pid'));
  await assertFollowed(world, pid);
  // The other one is part of the program, and goes with it.
  assert.equal(world.programs().length, 2);
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  world.assertNothingRuns();
});

test('a program that fails on its way into the background is told by its words and its exit code', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  const flags = ['--daemonizes', '--restart', 'no', '--output', 'web.log'];
  const failed = await world.runWatched(flags, ['sh', '-c', 'sleep 300 & echo no config >&2; exit 6']);
  assert.equal(failed.code, 6);
  assert.equal(failed.stderr, "no config\ntsdaemon: cannot start 'web': exit code 6 before it was ready\n");
  world.assertNothingRuns();
  const nobody = await world.runWatched(flags, ['sh', '-c', 'exit 0']);
  assert.deepEqual([nobody.code, nobody.stdout], [1, '']);
  world.assertNothingRuns();
});

test('a program that stays in front is not ready, and is stopped with all that it has started', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  const flags = ['--daemonizes', '--ready-timeout', '0.5'];
  const { code, stderr } = await world.runWatched(flags, ['sh', '-c', 'setsid sleep 301 & exec sleep 302']);
  assert.equal(code, 125);
  assert.match(stderr, /not ready within 0.5 s, so it was stopped/);
  world.assertNothingRuns();
});

test('a program whose pidfile never comes is stopped with all that it has started', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const flags = ['--program-pidfile', 'own.pid', '--ready-timeout', '0.5'];
  const script = 'setsid sh -c "sleep 301 & sleep 302 & exit 0"; exit 0';
  const { code } = await world.runWatched(flags, ['sh', '-c', script]);
  assert.equal(code, 125);
  world.assertNothingRuns();
});

test('what goes into the background and is probed is ready when both are done', { skip }, async () => {
  await using world = await makeWatchedWorld();
  // It answers before it is in the background.
  const script = 'touch answers; while ! [ -e go ]; do sleep 0.02; done; setsid sleep 301 & exit 0';
  const flags = ['--daemonizes', '--pidfile', 'x.pid', '--ready', 'cmd:echo x >> asked; test -e answers'];
  const running = world.watched(flags, ['sh', '-c', script]);
  await until(() => assert.ok(existsSync(world.path('asked'))), LONG);
  assert.equal((await world.whenState('starting')).state, 'starting');
  await world.sh('touch go');
  await assertFollowed(world, await running);
});

const nginxFlags = [
  '--program-pidfile',
  'nginx.pid',
  '--pidfile',
  'x.pid',
  '--stop-signal',
  'QUIT',
  ...atOnce,
];

/** A binary upgrade, as nginx documents it; returns the new master. */
async function upgradeNginx(world: WatchedWorld, master: number): Promise<number> {
  process.kill(master, 'SIGUSR2');
  const next = await until(() => {
    const pid = world.pidIn('nginx.pid');
    assert.ok(pid > 0 && pid !== master);
    return pid;
  }, LONG);
  process.kill(master, 'SIGQUIT');
  await ended(master);
  return next;
}

test('nginx is held: ready, through a binary upgrade, killed and started again, stopped without a rest', {
  skip: needsNginx,
}, async () => {
  await using world = await makeWatchedWorld();
  const { argv, port } = await configureNginx(world);
  const first = await world.watched([...nginxFlags, '--ready', `http://127.0.0.1:${port}/`], argv);
  assert.equal(first, world.pidIn('nginx.pid'));
  assert.equal(await askShaky(port), 'on');
  const second = await upgradeNginx(world, first);
  await assertFollowed(world, second);
  assert.equal((await world.status()).watchdog.restarts, 0);
  assert.equal(await askShaky(port), 'on');
  // Its workers outlive a master that is killed, and hold the port: they are ended first.
  process.kill(second, 'SIGKILL');
  const third = await until(() => {
    const pid = world.pidIn('x.pid');
    assert.ok(pid !== second && pid === world.pidIn('nginx.pid'));
    return pid;
  }, LONG);
  await assertFollowed(world, third);
  await until(async () => assert.equal(await askShaky(port), 'on'), LONG);
  const { ms, outcome } = await timed(world.tsdaemon(['stop', 'web']));
  assert.equal(outcome.code, 0);
  // By QUIT, not by the SIGKILL at the end of its grace.
  assert.ok(ms < 8000, `${ms} ms`);
  world.assertNothingRuns();
});

test('nginx is held also by the next watchdog, which is not its parent, and through an exchange of code', {
  skip: needsNginx,
}, async () => {
  await using world = await makeWatchedWorld();
  const { argv } = await configureNginx(world);
  const first = await world.watched(nginxFlags, argv);
  assert.equal((await world.tsdaemon(['upgrade', 'web'])).code, 0);
  const second = await upgradeNginx(world, first);
  await assertFollowed(world, second);
  await world.killWatchdog();
  assert.equal((await world.tsdaemon(['adopt', 'web'])).code, 0);
  await assertFollowed(world, second);
  const third = await upgradeNginx(world, second);
  await assertFollowed(world, third);
  // And its own death is not taken for another upgrade.
  process.kill(third, 'SIGKILL');
  const fourth = await until(() => {
    const pid = world.pidIn('x.pid');
    assert.ok(pid !== third && pid === world.pidIn('nginx.pid') && isAlive(pid));
    return pid;
  }, LONG);
  await assertFollowed(world, fourth);
  assert.equal(statOf(fourth)?.parent, await world.watchdogPid());
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  world.assertNothingRuns();
});

test('an nginx that cannot have its port is told by its own words', { skip: needsNginx }, async () => {
  await using world = await makeWatchedWorld();
  await using other = await makeWatchedWorld();
  const { argv, port } = await configureNginx(world);
  await world.watched(nginxFlags, argv);
  const theirs = await configureNginx(other);
  await other.sh(`sed -i 's/127.0.0.1:${theirs.port}/127.0.0.1:${port}/' nginx.conf`);
  const outcome = await other.runWatched([...nginxFlags, '--restart', 'no'], theirs.argv);
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /Address already in use/);
  assert.match(outcome.stderr, /tsdaemon: cannot start 'web': exit code 1 before it was ready\n$/);
  other.assertNothingRuns();
});

test('Apache is held: ready, through a graceful restart, killed and started again, stopped without a rest', {
  skip: needsApache,
}, async () => {
  await using world = await makeWatchedWorld();
  const { argv, port } = await configureApache(world);
  const flags = ['--program-pidfile', 'httpd.pid', '--pidfile', 'x.pid', ...atOnce];
  const first = await world.watched([...flags, '--ready', `tcp:127.0.0.1:${port}`], argv);
  assert.equal(first, world.pidIn('httpd.pid'));
  process.kill(first, 'SIGUSR1');
  await until(() => assert.match(world.read('error.log'), /graceful restart/), LONG);
  await assertFollowed(world, first);
  process.kill(first, 'SIGKILL');
  const second = await until(() => {
    const pid = world.pidIn('x.pid');
    assert.ok(pid !== first && pid === world.pidIn('httpd.pid'));
    return pid;
  }, LONG);
  await assertFollowed(world, second);
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  world.assertNothingRuns();
});
