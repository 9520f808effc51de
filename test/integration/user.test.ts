// --user: the daemon is another user wholly, and for good.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { ask, daemonized, installApp, startServer } from '../support/apps.js';
import { environmentOf, isAlive, limitOf, statusField } from '../support/proc.js';
import { needs, needsLinux, needsRoot } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const skip = needsLinux || needsRoot || noNobody();

for (const [title, flags] of [
  ['--user', []],
  // Limits are set by a stage of their own, which takes the user on itself.
  ['--user with --limit', ['--limit', 'nofile=123', '--limit', 'core=0']],
] as const) {
  test(`${title}: every id and every group is the user's`, { skip }, async () => {
    await using world = await makeUsersWorld();
    const pid = await world.daemon(['--user', 'nobody', ...flags, '--', 'sleep', '300']);
    const { uid, gid, groups } = nobody();
    assert.equal(statusField(pid, 'Uid'), `${uid}\t${uid}\t${uid}\t${uid}`);
    assert.equal(statusField(pid, 'Gid'), `${gid}\t${gid}\t${gid}\t${gid}`);
    assert.deepEqual(statusField(pid, 'Groups').split(' ').map(Number).sort(), groups);
    if (flags.length > 0) assert.deepEqual(limitOf(pid, 'Max open files'), { soft: 123, hard: 123 });
  });

  test(`${title}: there is no way back to root`, { skip: skip || needs('python3') }, async () => {
    await using world = await makeUsersWorld();
    const script = [
      'import os, sys',
      'for name in ("setuid", "setgid", "seteuid", "setegid"):',
      '    try: getattr(os, name)(0); print(name, "works")',
      '    except PermissionError: print(name, "refused")',
      'try: os.setgroups([0]); print("setgroups works")',
      'except PermissionError: print("setgroups refused")',
      'sys.stdout.flush(); import time; time.sleep(300)',
    ].join('\n');
    const pid = await world.daemon([
      '--user',
      'nobody',
      '--output',
      'out',
      ...flags,
      '--',
      'python3',
      '-Ic',
      script,
    ]);
    await until(() => assert.match(world.read('out'), /setgroups \w+\n/), { withinMs: 10_000 });
    assert.doesNotMatch(world.read('out'), /works/);
    for (const set of ['CapEff', 'CapPrm', 'CapInh', 'CapAmb'])
      assert.match(statusField(pid, set), /^0+$/, set);
  });

  test(`${title}: HOME, USER, LOGNAME and SHELL are the user's, --env wins`, { skip }, async () => {
    await using world = await makeUsersWorld();
    const pid = await world.daemon([
      '--user',
      'nobody',
      '--env',
      'SHELL=/mine',
      ...flags,
      '--',
      'sleep',
      '300',
    ]);
    const environment = new Map(environmentOf(pid).map((entry) => splitAt(String(entry), '=')));
    const names = ['HOME', 'USER', 'LOGNAME', 'SHELL'];
    assert.deepEqual(
      names.map((name) => environment.get(name)),
      [nobody().home, 'nobody', 'nobody', '/mine'],
    );
  });

  test(`${title}: output belongs to the user, the pidfile to root`, { skip }, async () => {
    await using world = await makeUsersWorld();
    const args = ['--user', 'nobody', '--output', 'out', '--pidfile', 'web.pid', ...flags];
    const pid = await world.daemon([...args, '--', 'sh', '-c', 'id -u; exec sleep 300']);
    await until(() => assert.equal(world.read('out'), `${nobody().uid}\n`), { withinMs: 5000 });
    assert.equal(statSync(world.path('out')).uid, nobody().uid);
    assert.deepEqual([statSync(world.path('web.pid')).uid, world.read('web.pid')], [0, `${pid}\n`]);
    assert.equal((await world.tsdaemon(['stop', '--pidfile', 'web.pid'])).code, 0);
  });
}

test('--user with a group: that group is the primary one', { skip }, async () => {
  await using world = await makeUsersWorld();
  const pid = await world.daemon(['--user', 'nobody:daemon', '--', 'sleep', '300']);
  const gid = Number(spawnSync('getent', ['group', 'daemon'], { encoding: 'utf8' }).stdout.split(':')[2]);
  assert.equal(statusField(pid, 'Gid'), `${gid}\t${gid}\t${gid}\t${gid}`);
  assert.ok(statusField(pid, 'Groups').split(' ').map(Number).includes(gid));
});

test('a log where the user may not write is a failure, and nothing is left', { skip }, async () => {
  await using world = await makeUsersWorld();
  const outcome = await world.tsdaemon(
    ['run', '--user', 'nobody', '--output', '/root/x/log', '--pidfile', 'web.pid', '--', 'sleep', '300'],
    {
      env: { HOME: '/root' },
    },
  );
  assert.equal(outcome.code, 125);
  assert.match(outcome.stderr, /^tsdaemon: cannot open .*\/root\/x\/log: permission denied \(EACCES\)\n$/);
  assert.equal(existsSync(world.path('web.pid')), false);
});

test('a program that only root may run is not invokable', { skip }, async () => {
  await using world = await makeUsersWorld();
  const outcome = await world.sh(
    'printf "#!/bin/sh\\n" >tool; chmod 700 tool; tsdaemon run --user nobody --output out -- ./tool',
  );
  assert.equal(outcome.code, 126);
  assert.match(outcome.stderr, /cannot run '\.\/tool': permission denied/);
  assert.equal(existsSync(world.path('out')), false);
});

test('a directory that the user may not enter is a failure', { skip }, async () => {
  await using world = await makeUsersWorld();
  const outcome = await world.sh(
    'mkdir -m 700 own; tsdaemon run --user nobody --output out --cwd own -- sleep 300',
  );
  assert.equal(outcome.code, 125);
  assert.match(outcome.stderr, /cannot change to directory .*own: permission denied/);
});

test('restart keeps the user', { skip }, async () => {
  await using world = await makeUsersWorld();
  await world.daemon(['--user', 'nobody', '--name', 'web', '--', 'sleep', '300']);
  const outcome = await world.tsdaemon(['restart', 'web']);
  assert.equal(outcome.code, 0, outcome.stderr);
  const pid = Number(outcome.stdout);
  world.expectSurvivor(pid);
  assert.match(statusField(pid, 'Uid'), new RegExp(`^${nobody().uid}\t`));
});

test('daemonize({ user }): the app runs as the user and is stopped by its name', { skip }, async () => {
  await using world = await makeUsersWorld();
  const pid = await startServer(world, { user: 'nobody', name: 'web' });
  assert.match(statusField(pid, 'Uid'), new RegExp(`^${nobody().uid}\t`));
  assert.match(statusField(pid, 'CapEff'), /^0+$/);
  assert.equal(await ask(world, '/pid'), String(pid));
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  assert.equal(existsSync(world.path('app.pid')), false);
});

test('an app that may not remove its pidfile, which is root’s, ends without a fuss', { skip }, async () => {
  await using world = await makeUsersWorld();
  mkdirSync(world.path('run'), { mode: 0o755 });
  const options = { pidfile: 'run/app.pid', stdout: 'app.log', user: 'nobody', waitReady: true };
  const argv = [process.execPath, installApp(world, 'server.mjs'), JSON.stringify(options)];
  const pid = await daemonized(world, argv, { pidfile: 'run/app.pid' });
  await ask(world, '/close');
  await until(() => assert.equal(isAlive(pid), false), { withinMs: 5000 });
  assert.equal(world.read('app.log'), '');
  // What it left behind is no obstacle to the next start.
  await daemonized(world, argv, { pidfile: 'run/app.pid' });
});

test('somebody who is not root cannot take another user', { skip: skip || needs('setpriv') }, async () => {
  await using world = await makeUsersWorld();
  const via = ['setpriv', '--reuid', 'nobody', '--regid', String(nobody().gid), '--clear-groups'];
  const env = { TSDAEMON_HOME: world.path('state') };
  const outcome = await world.tsdaemon(['run', '--user', 'root', '--', 'sleep', '300'], { via, env });
  assert.equal(outcome.code, 125);
  assert.match(outcome.stderr, /cannot run as user 'root': operation not permitted/);
});

/** A world whose working directory is open to all, so that another user can work in it. */
async function makeUsersWorld(): Promise<World> {
  const world = await makeWorld();
  chmodSync(world.folder, 0o755);
  chmodSync(world.cwd, 0o777);
  // The launcher writes it as root, the daemon as the user.
  writeFileSync(world.path('before'), '');
  chmodSync(world.path('before'), 0o666);
  chownSync(world.home, nobody().uid, nobody().gid);
  return world;
}

function nobody(): { uid: number; gid: number; groups: number[]; home: string } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('nobody:'))!;
  const [, , uid, gid, , home] = line.split(':');
  const groups = spawnSync('id', ['-G', 'nobody'], { encoding: 'utf8' }).stdout.trim().split(' ').map(Number);
  return { uid: Number(uid), gid: Number(gid), groups: groups.sort(), home: home! };
}

function noNobody(): string | false {
  return spawnSync('id', ['nobody']).status !== 0 && 'needs a user named nobody';
}

function splitAt(text: string, separator: string): [string, string] {
  const place = text.indexOf(separator);
  return [text.slice(0, place), text.slice(place + 1)];
}
