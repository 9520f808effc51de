// `restart`: the same daemon again, with all that it was started with.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { assertDetached } from '../support/detached.js';
import {
  argvOf,
  cwdOf,
  descriptorsOf,
  environmentOf,
  isAlive,
  limitOf,
  statOf,
  statusField,
  whenStill,
} from '../support/proc.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

/** What two starts of one daemon must have in common. */
async function looks(pid: number): Promise<unknown> {
  await whenStill(pid);
  return {
    argv: argvOf(pid).map((word) => word.toString('latin1')),
    environment: environmentOf(pid).map((entry) => entry.toString('latin1')),
    cwd: cwdOf(pid),
    umask: statusField(pid, 'Umask'),
    nice: statOf(pid)!.nice,
    openFiles: limitOf(pid, 'Max open files').soft,
    core: limitOf(pid, 'Max core file size'),
    descriptors: [...descriptorsOf(pid)],
  };
}

const still = ['sh', '-c', 'kill -STOP $$', 'sh'];

async function restart(world: World, args: readonly string[], script = 'exec "$@"'): Promise<number> {
  const { code, stdout, stderr } = await world.tsdaemon(['restart', ...args], {
    via: ['sh', '-c', script, 'sh'],
    env: { EXTRA: 'not for the daemon', HOME: '/' },
    cwd: world.home,
  });
  assert.deepEqual([code, stderr], [0, '']);
  const pid = Number(stdout);
  world.expectSurvivor(pid);
  return pid;
}

test('restart gives the daemon what it had: arguments, environment, directory, umask, limits, files', async () => {
  await using world = await makeWorld();
  mkdirSync(world.path('d'));
  const flags = [
    '--name',
    'web',
    '--pidfile',
    'x.pid',
    '--cwd',
    'd',
    '--umask',
    '027',
    '--nice',
    '4',
    '--limit',
    'core=0',
  ];
  const files = ['--stdout', 'out', '--stderr', 'err', '--env', 'A=1'];
  const first = await world.daemon([...flags, ...files, '--', ...still, 'a b', 'ö\n', '--json', ''], {
    env: { 'a.b': 'x', 'BASH_FUNC_f%%': '() { :; }' },
  });
  const before = await looks(first);
  const second = await restart(world, ['web'], 'umask 077; ulimit -Sn 99; exec "$@"');
  assert.equal(isAlive(first), false);
  assert.notEqual(second, first);
  assert.deepEqual(await looks(second), before);
  assert.equal(world.read('x.pid'), `${second}\n`);
  assertDetached(second);
});

test('restart gives the daemon what it inherited: directory, umask, open files, bytes that are not UTF-8', async () => {
  await using world = await makeWorld();
  const { stdout } = await world.sh(
    `umask 026; ulimit -Sn 77; export ODD="$(printf 'a\\377')"
     exec tsdaemon run --name web --pidfile x.pid -- sh -c 'kill -STOP $$' sh "$ODD"`,
  );
  const first = Number(stdout);
  world.expectSurvivor(first);
  const before = await looks(first);
  const second = await restart(world, ['--pidfile', world.path('x.pid')]);
  assert.deepEqual(await looks(second), before);
});

test('restart again gives the same again', async () => {
  await using world = await makeWorld();
  const first = await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', ...still]);
  const before = await looks(first);
  let pid = first;
  for (const round of [1, 2, 3]) {
    pid = await restart(world, ['web']);
    assert.deepEqual(await looks(pid), before, `round ${round}`);
  }
});

test('restart starts what has been stopped, or has died', async () => {
  await using world = await makeWorld();
  const first = await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300']);
  await world.tsdaemon(['stop', 'web']);
  const second = await restart(world, ['web']);
  process.kill(second, 'SIGKILL');
  await until(() => assert.equal(isAlive(second), false), { withinMs: 5000 });
  const third = await restart(world, ['--pidfile', world.path('x.pid')]);
  assert.equal(new Set([first, second, third]).size, 3);
  assert.equal(world.read('x.pid'), `${third}\n`);
});

test('restart keeps the name of a daemon that nobody named', async () => {
  await using world = await makeWorld();
  await world.daemon(['--', 'sleep', '300']);
  await world.daemon(['--', 'sleep', '301']);
  const pid = await restart(world, ['sleep-2']);
  const { stdout } = await world.tsdaemon(['status', 'sleep-2', '--json']);
  assert.equal((JSON.parse(stdout) as { pid: number }).pid, pid);
  assert.deepEqual(argvOf(pid).map(String), ['sleep', '301']);
});

test('restart --json prints one object, as run does', async () => {
  await using world = await makeWorld();
  const first = await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300']);
  const { stdout } = await world.tsdaemon(['restart', 'web', '--json']);
  const { pid, ...rest } = JSON.parse(stdout) as { pid: number };
  world.expectSurvivor(pid);
  assert.notEqual(pid, first);
  assert.deepEqual(rest, { name: 'web', pidfile: world.path('x.pid'), outputs: [world.path('nohup.out')] });
});

test('restart of several restarts them all', async () => {
  await using world = await makeWorld();
  const first = [
    await world.daemon(['--name', 'a', '--', 'sleep', '300']),
    await world.daemon(['--name', 'b', '--', 'sleep', '300']),
  ];
  const { code, stdout, stderr } = await world.tsdaemon(['restart', 'a', 'b']);
  const pids = stdout.trim().split('\n').map(Number);
  for (const pid of pids) world.expectSurvivor(pid);
  assert.deepEqual([code, stderr, pids.length], [0, '', 2]);
  assert.deepEqual(pids.map(isAlive), [true, true]);
  assert.deepEqual(first.map(isAlive), [false, false]);
});

test('restart of several with --json prints one list', async () => {
  await using world = await makeWorld();
  await world.daemon(['--name', 'a', '--', 'sleep', '300']);
  await world.daemon(['--name', 'b', '--', 'sleep', '300']);
  const { stdout } = await world.tsdaemon(['restart', 'a', 'b', '--json']);
  for (const [, pid] of stdout.matchAll(/"pid":(\d+)/g)) world.expectSurvivor(Number(pid));
  assert.deepEqual(
    (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name),
    ['a', 'b'],
  );
});

test('one of several that cannot be restarted is an error that leaves no other one down', async () => {
  await using world = await makeWorld();
  await world.daemon(['--name', 'a', '--', 'sleep', '300']);
  const { code, stdout, stderr } = await world.tsdaemon(['restart', 'nobody', 'a']);
  if (stdout !== '') world.expectSurvivor(Number(stdout));
  assert.equal(code, 1);
  assert.match(stderr, /^tsdaemon: no daemon is named 'nobody'[^\n]*\n$/);
  assert.equal((await world.tsdaemon(['status', 'a'])).code, 0);
});

test('restart of what was not started here is an error that touches nothing', async () => {
  await using world = await makeWorld();
  const foreign = world.start(['sleep', '300'], { stdio: 'ignore' });
  world.expectSurvivor(foreign.pid!);
  writeFileSync(world.path('x.pid'), `${foreign.pid}\n`);
  for (const target of [['--pidfile', 'x.pid'], ['nobody'], ['--pidfile', 'y.pid']]) {
    const { code, stdout, stderr } = await world.tsdaemon(['restart', ...target]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /^tsdaemon: [^\n]+\n$/);
  }
  assert.ok(isAlive(foreign.pid!));
});

test('restart whose program is gone says so and leaves the daemon stopped', async () => {
  await using world = await makeWorld();
  await world.sh('cp /bin/sleep tool');
  await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', './tool', '300']);
  await world.sh('rm tool');
  const { code, stdout, stderr } = await world.tsdaemon(['restart', 'web']);
  assert.deepEqual([code, stdout], [127, '']);
  assert.match(stderr, /^tsdaemon: cannot run '\.\/tool': [^\n]+\n$/);
  assert.equal((await world.tsdaemon(['status', 'web'])).code, 3);
  await world.sh('cp /bin/sleep tool');
  await restart(world, ['web']);
});

test('restart works in a pipeline and as leader of a session', async () => {
  await using world = await makeWorld();
  await world.daemon(['--name', 'web', '--', 'sleep', '300']);
  for (const script of ['tsdaemon restart web | cat', 'setsid -w tsdaemon restart web']) {
    const { stdout, stderr } = await world.sh(script);
    assert.equal(stderr, '');
    world.expectSurvivor(Number(stdout));
    assertDetached(Number(stdout));
  }
});
