// What daemonize() makes of an app, seen from outside while it serves.
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { ask, daemonized, installApp, installPackage, startServer } from '../support/apps.js';
import { packageRoot } from '../support/package-root.js';
import {
  argvOf,
  cwdOf,
  descriptorsOf,
  environmentOf,
  isAlive,
  openFlags,
  signalsIn,
  statOf,
  statusField,
} from '../support/proc.js';
import { openPty } from '../support/pty.js';
import { needs, needsLinux } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const node = process.execPath;
const SIGHUP = 1;
const O_APPEND = 0o2000;
const O_CLOEXEC = 0o2000000;

test('the app serves from a session of its own, without a terminal, as nobody’s child', {
  skip: needsLinux,
}, async () => {
  await using world = await makeWorld();
  const pid = await startServer(world);
  assert.equal(await ask(world, '/pid'), String(pid));
  const { session, processGroup, terminal, parent } = statOf(pid)!;
  assert.notEqual(session, pid);
  assert.equal(processGroup, session);
  assert.equal(isAlive(session), false, 'the leader of the session is gone');
  assert.equal(terminal, 0);
  const launcher = Number(world.read('before').split('\n')[0]);
  assert.notEqual(parent, launcher);
  assert.notEqual(parent, process.pid);
});

test('code after the call runs in the daemon only', async () => {
  await using world = await makeWorld();
  const pid = await startServer(world);
  const [launcher, daemon, ...rest] = world.read('before').trim().split('\n');
  assert.deepEqual([daemon, ...rest], [String(pid)]);
  assert.notEqual(launcher, daemon);
  assert.equal(world.read('after'), `${pid}\n`);
});

test('stdin is /dev/null, both outputs go to one file that is appended to', {
  skip: needsLinux,
}, async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('app.log'), 'old\n');
  const pid = await startServer(world);
  const descriptors = descriptorsOf(pid);
  const log = world.path('app.log');
  assert.deepEqual(
    [0, 1, 2].map((fd) => descriptors.get(fd)),
    ['/dev/null', log, log],
  );
  for (const fd of [1, 2]) assert.ok(openFlags(pid, fd) & O_APPEND);
  await ask(world, '/print?text=printed');
  await ask(world, '/complain?text=complained');
  assert.equal(world.read('app.log'), 'old\nprinted\ncomplained\n');
});

test('without stdout the output goes to nohup.out; stderr may have a file of its own', async () => {
  await using world = await makeWorld();
  const pid = await startServer(world, { stdout: undefined, stderr: 'errors.log' });
  await ask(world, '/print?text=printed');
  await ask(world, '/complain?text=complained');
  assert.equal(world.read('nohup.out'), 'printed\n');
  assert.equal(world.read('errors.log'), 'complained\n');
  assert.equal(statSync(world.path('nohup.out')).mode & 0o777, 0o600);
  assert.ok(isAlive(pid));
});

test('the environment is the launcher’s and nothing of us is in it', { skip: needsLinux }, async () => {
  await using world = await makeWorld();
  const odd = { 'a.b': '1', 'BASH_FUNC_f%%': '() { :; }', EMPTY: '' };
  const pid = await startServer(world, {}, { env: odd });
  const expected = Object.entries({ ...world.env, ...odd }).map(([name, value]) => `${name}=${value}`);
  assert.deepEqual(environmentOf(pid).map(String).sort(), expected.sort());
});

test('script and arguments are those of the launcher, bytes that are not UTF-8 included', {
  skip: needsLinux,
}, async () => {
  await using world = await makeWorld();
  const script = installApp(world, 'server.mjs');
  const options = JSON.stringify({ pidfile: 'app.pid', waitReady: true });
  const odd = '"$(printf "\\377\\n x")"';
  await daemonized(world, ['sh', '-c', `exec "$@" ${odd} -- ''`, 'sh', node, script, options, '']);
  const [, ...words] = argvOf(Number(world.read('app.pid')));
  const expected = [
    Buffer.from(script),
    Buffer.from(options),
    '',
    Buffer.of(0xff, 0x0a, 0x20, 0x78),
    '--',
    '',
  ];
  assert.deepEqual(
    words,
    expected.map((word) => Buffer.from(word)),
  );
});

test('children of the daemon inherit 0, 1 and 2, and nothing of ours', { skip: needsLinux }, async () => {
  await using world = await makeWorld();
  const pid = await startServer(world);
  const child = Number(await ask(world, '/child'));
  world.expectSurvivor(child);
  const inherited = await until(
    () => {
      assert.match(String(argvOf(child)[0]), /sleep/);
      return [...descriptorsOf(child).values()];
    },
    { withinMs: 5000 },
  );
  assert.deepEqual(inherited.slice(0, 3), ['/dev/null', world.path('app.log'), world.path('app.log')]);
  assert.deepEqual(
    inherited.filter((target) => /tsdaemon|state|app\.pid/.test(target)),
    [],
  );
  // What the daemon keeps of ours, its pidfile's lock, is not for children.
  for (const [descriptor, target] of descriptorsOf(pid)) {
    if (/tsdaemon|app\.pid/.test(target)) assert.ok(openFlags(pid, descriptor) & O_CLOEXEC, target);
  }
  process.kill(child);
});

test('a pipe that the launcher inherited is not kept open', async () => {
  await using world = await makeWorld();
  const script = installApp(world, 'server.mjs');
  const options = JSON.stringify({ pidfile: 'app.pid' });
  // `cat` ends when the last writer of each of these descriptors has gone, and $() waits for it.
  const outcome = await world.sh(
    `{ "${node}" '${script}' '${options}' 3>&1 5>&1 9>&1 2>&1 | cat; } && echo "end"`,
  );
  assert.equal(outcome.stdout, 'end\n');
  world.expectSurvivor(Number(world.read('app.pid')));
});

test('SIGHUP is ignored, heard while the app listens, and ignored again', { skip: needsLinux }, async () => {
  await using world = await makeWorld();
  const pid = await startServer(world);
  assert.ok(signalsIn(pid, 'SigIgn').includes(SIGHUP));
  process.kill(pid, 'SIGHUP');
  await ask(world, '/listen');
  process.kill(pid, 'SIGHUP');
  await until(() => assert.equal(world.read('app.log'), 'hangup\n'), { withinMs: 5000 });
  await ask(world, '/unlisten');
  assert.ok(signalsIn(pid, 'SigIgn').includes(SIGHUP));
  process.kill(pid, 'SIGHUP');
  assert.equal(await ask(world, '/pid'), String(pid));
});

test('the terminal it was started from may hang up', { skip: needs('script') }, async () => {
  await using world = await makeWorld();
  const script = installApp(world, 'server.mjs');
  const options = JSON.stringify({ pidfile: 'app.pid', waitReady: true });
  const pty = openPty(world, `"${node}" '${script}' '${options}'; echo "code $?"; exec cat`);
  await pty.shows(/code 0/);
  const pid = Number(world.read('app.pid'));
  world.expectSurvivor(pid);
  await pty.hangUp();
  assert.equal(await ask(world, '/pid'), String(pid));
});

test('the pidfile holds the pid and is locked for life', { skip: needsLinux }, async () => {
  await using world = await makeWorld();
  const pid = await startServer(world);
  assert.equal(world.read('app.pid'), `${pid}\n`);
  assert.equal(statSync(world.path('app.pid')).mode & 0o777, 0o644);
  const { ino } = statSync(world.path('app.pid'));
  const locks = readFileSync('/proc/locks', 'utf8').split('\n');
  assert.ok(
    locks.some((line) => new RegExp(`FLOCK .* ${pid} \\S+:${ino} `).test(line)),
    `no lock of ${pid} on ${ino} in\n${locks.join('\n')}`,
  );
});

test('a second start is refused, names the pid, and changes nothing', async () => {
  await using world = await makeWorld();
  const pid = await startServer(world);
  const before = statSync(world.path('app.pid'));
  const again = await world.run(serverArgv(world));
  assert.notEqual(again.code, 0);
  assert.match(again.stderr, new RegExp(`already running as process ${pid}\\b`));
  assert.equal(again.stdout, '');
  assert.deepEqual([statSync(world.path('app.pid')).ino, world.read('app.pid')], [before.ino, `${pid}\n`]);
  assert.equal(await ask(world, '/pid'), String(pid));
  assert.equal(world.read('after'), `${pid}\n`);
});

test('two starts at once give one daemon', async () => {
  await using world = await makeWorld();
  installApp(world, 'server.mjs');
  const outcomes = await Promise.all([1, 2, 3].map(() => world.run(serverArgv(world))));
  const pid = Number(world.read('app.pid'));
  world.expectSurvivor(pid);
  assert.equal(outcomes.filter(({ code }) => code === 0).length, 1);
  for (const { code, stderr } of outcomes)
    if (code !== 0) assert.match(stderr, /already running|being started/);
  assert.equal(world.read('after'), `${pid}\n`);
});

test('the pidfile goes when the app disposes of its handle, and when it comes to its end', async () => {
  await using world = await makeWorld();
  await startServer(world);
  await ask(world, '/dispose');
  assert.equal(existsSync(world.path('app.pid')), false);

  await using other = await makeWorld();
  const pid = await startServer(other);
  await ask(other, '/close');
  await until(() => assert.equal(isAlive(pid), false), { withinMs: 5000 });
  assert.equal(existsSync(other.path('app.pid')), false);
});

test('a pidfile that names another process by now is not removed', async () => {
  await using world = await makeWorld();
  await startServer(world);
  writeFileSync(world.path('app.pid'), '1\n');
  await ask(world, '/dispose');
  assert.equal(world.read('app.pid'), '1\n');
});

test('a daemon that was killed leaves its pidfile, and the next start takes its place', async () => {
  await using world = await makeWorld();
  const first = await startServer(world);
  process.kill(first, 'SIGKILL');
  await until(() => assert.equal(isAlive(first), false), { withinMs: 5000 });
  assert.equal((await world.tsdaemon(['status', '--pidfile', 'app.pid'])).code, 1);
  const second = await startServer(world);
  assert.notEqual(second, first);
  assert.equal((await world.tsdaemon(['status', '--pidfile', 'app.pid'])).code, 0);
});

test('reopenLogs() writes on under the old name after a rotation', async () => {
  await using world = await makeWorld();
  await startServer(world, { stderr: 'errors.log' });
  await ask(world, '/print?text=one');
  for (const name of ['app.log', 'errors.log']) renameSync(world.path(name), world.path(`${name}.1`));
  await ask(world, '/print?text=two');
  await ask(world, '/reopen');
  await ask(world, '/print?text=three');
  await ask(world, '/complain?text=four');
  assert.equal(world.read('app.log.1'), 'one\ntwo\n');
  assert.equal(world.read('app.log'), 'three\n');
  assert.deepEqual([world.read('errors.log.1'), world.read('errors.log')], ['', 'four\n']);
});

test('reopenLogs() keeps both streams in one file where they were in one', async () => {
  await using world = await makeWorld();
  await startServer(world);
  renameSync(world.path('app.log'), world.path('app.log.1'));
  await ask(world, '/reopen');
  await ask(world, '/print?text=one');
  await ask(world, '/complain?text=two');
  assert.equal(world.read('app.log'), 'one\ntwo\n');
});

test('a second call returns a handle of the same daemon', async () => {
  await using world = await makeWorld();
  const pid = await startServer(world);
  assert.equal(await ask(world, '/again'), String(pid));
  assert.equal(world.read('app.pid'), `${pid}\n`);
});

test('cwd and umask are the daemon’s; relative paths are those of the call', {
  skip: needsLinux,
}, async () => {
  await using world = await makeWorld();
  mkdirSync(world.path('inside'));
  const pid = await startServer(world, { cwd: 'inside', umask: 0o027 });
  assert.equal(cwdOf(pid), world.path('inside'));
  assert.equal(statusField(pid, 'Umask'), '0027');
  assert.equal(descriptorsOf(pid).get(1), world.path('app.log'));
  assert.equal(world.read('inside/after'), `${pid}\n`);
});

test('an app that uses require() becomes a daemon', async () => {
  await using world = await makeWorld();
  const pid = await daemonized(world, [node, installApp(world, 'legacy.cjs')], { pidfile: 'legacy.pid' });
  await until(() => assert.match(world.read('legacy.log'), new RegExp(`process ${pid} a daemon`)), {
    withinMs: 5000,
  });
});

for (const [title, argv] of [
  ['node --import tsx', [node, '--import', 'tsx']],
  ['the tsx command', [join(packageRoot, 'node_modules/.bin/tsx')]],
] as const) {
  test(`an app in TypeScript becomes a daemon under ${title}`, { skip: needsTsx() }, async () => {
    await using world = await makeWorld();
    installPackage(world, 'tsx', join(packageRoot, 'node_modules/tsx'));
    await daemonized(world, [...argv, installApp(world, 'typed.ts')], { pidfile: 'typed.pid' });
    assert.equal(world.read('typed.log'), 'hello from TypeScript\n');
    // tsx keeps a compiler running beside the app, which ends with it.
    assert.equal((await world.tsdaemon(['stop', '--pidfile', 'typed.pid'])).code, 0);
  });
}

test('--import and --require run in the daemon too', async () => {
  await using world = await makeWorld();
  const note = (what: string): string => `fs.appendFileSync('preloaded', '${what} ' + process.pid + '\\n');`;
  writeFileSync(world.path('first.mjs'), `import fs from 'node:fs'; ${note('import')}`);
  writeFileSync(world.path('second.cjs'), `const fs = require('node:fs'); ${note('require')}`);
  const flags = ['--import', './first.mjs', '--require', './second.cjs'];
  const [, ...app] = serverArgv(world);
  installApp(world, 'server.mjs');
  const pid = await daemonized(world, [node, ...flags, ...app]);
  const inDaemon = world
    .read('preloaded')
    .split('\n')
    .filter((line) => line.endsWith(` ${pid}`));
  assert.deepEqual(inDaemon.sort(), [`import ${pid}`, `require ${pid}`]);
});

test('a title that was set before the call does not spoil script and arguments', async () => {
  await using world = await makeWorld();
  installApp(world, 'server.mjs');
  const [, ...app] = serverArgv(world);
  const pid = await daemonized(world, [node, '--title=web', ...app]);
  assert.equal(await ask(world, '/pid'), String(pid));
});

test('a relative --import means the caller’s directory, also when the daemon has another', async () => {
  await using world = await makeWorld();
  mkdirSync(world.path('inside'));
  writeFileSync(world.path('first.mjs'), 'globalThis.first = true;');
  installApp(world, 'server.mjs');
  const options = JSON.stringify({ pidfile: 'app.pid', waitReady: true, cwd: 'inside' });
  await daemonized(world, [node, '--import', './first.mjs', world.path('server.mjs'), options]);
});

test('--inspect with a port: the daemon gets the port that the launcher had', async () => {
  await using world = await makeWorld();
  const port = await freePort();
  const script = installApp(world, 'server.mjs');
  const options = JSON.stringify({ pidfile: 'app.pid', stdout: 'app.log', waitReady: true });
  const outcome = await world.run([node, `--inspect=127.0.0.1:${port}`, script, options]);
  assert.equal(outcome.code, 0, outcome.stderr);
  world.expectSurvivor(Number(world.read('app.pid')));
  // The launcher has gone, so it is the daemon that answers.
  const response = await fetch(`http://127.0.0.1:${port}/json/list`);
  const [target] = (await response.json()) as { url: string }[];
  assert.equal(target!.url, `file://${script}`);
});

test('started by npm run, the daemon outlives npm', { skip: needs('npm') }, async () => {
  await using world = await makeWorld();
  const options = { pidfile: 'app.pid', stdout: 'app.log', waitReady: true };
  installApp(world, 'server.mjs');
  const script = `node server.mjs '${JSON.stringify(options)}'`;
  writeFileSync(world.path('package.json'), JSON.stringify({ private: true, scripts: { start: script } }));
  const outcome = await world.run(['npm', 'run', '--silent', 'start']);
  assert.equal(outcome.code, 0, outcome.stderr);
  world.expectSurvivor(Number(world.read('app.pid')));
  assert.equal(await ask(world, '/pid'), world.read('app.pid').trim());
});

test('started as a linked command, as npx does, the daemon runs the same file', async () => {
  await using world = await makeWorld();
  installApp(world, 'server.mjs');
  mkdirSync(world.path('node_modules/.bin'));
  symlinkSync('../../server.mjs', world.path('node_modules/.bin/serve'));
  const options = JSON.stringify({ pidfile: 'app.pid', stdout: 'app.log', waitReady: true });
  await daemonized(world, [node, world.path('node_modules/.bin/serve'), options]);
  assert.equal(await ask(world, '/pid'), world.read('app.pid').trim());
});

test('status, list, stop and restart know the app by its name', async () => {
  await using world = await makeWorld();
  const first = await startServer(world, { name: 'web' });
  const status = await world.tsdaemon(['status', 'web', '--json']);
  assert.equal((JSON.parse(status.stdout) as { pid: number }).pid, first);
  assert.match((await world.tsdaemon(['list'])).stdout, new RegExp(`^web +${first} +running `, 'm'));

  const restarted = await world.tsdaemon(['restart', 'web']);
  assert.deepEqual([restarted.code, restarted.stderr], [0, '']);
  const second = Number(world.read('app.pid'));
  world.expectSurvivor(second);
  assert.notEqual(second, first);
  assert.equal(isAlive(first), false);
  assert.equal(await ask(world, '/pid'), String(second));

  assert.equal((await world.tsdaemon(['stop', 'web'])).stdout, `web: stopped process ${second}\n`);
  assert.equal(isAlive(second), false);
  assert.equal(existsSync(world.path('app.pid')), false);
  assert.equal((await world.tsdaemon(['status', 'web'])).code, 3);
});

test('restart --json of an app prints one object with the new pid', async () => {
  await using world = await makeWorld();
  await startServer(world, { name: 'web' });
  const { code, stdout } = await world.tsdaemon(['restart', 'web', '--json']);
  world.expectSurvivor(Number(world.read('app.pid')));
  assert.equal(code, 0);
  assert.equal((JSON.parse(stdout) as { pid: number }).pid, Number(world.read('app.pid')));
});

test('restart from elsewhere gives the app its old directory, umask and environment', {
  skip: needsLinux,
}, async () => {
  await using world = await makeWorld();
  const first = await startServer(world, { name: 'web' }, { env: { MINE: 'kept' }, via: umask('027') });
  const environment = environmentOf(first).map(String).sort();
  const outcome = await world.tsdaemon(['restart', 'web'], {
    cwd: '/',
    env: { MINE: 'other' },
    via: umask('077'),
  });
  assert.equal(outcome.code, 0, outcome.stderr);
  const pid = Number(world.read('app.pid'));
  world.expectSurvivor(pid);
  assert.deepEqual(environmentOf(pid).map(String).sort(), environment);
  assert.equal(cwdOf(pid), world.cwd);
  assert.equal(statusField(pid, 'Umask'), '0027');
});

function serverArgv(world: World): [string, ...string[]] {
  const options = JSON.stringify({ pidfile: 'app.pid', stdout: 'app.log', waitReady: true });
  return [node, world.path('server.mjs'), options];
}

const umask = (mask: string): string[] => ['sh', '-c', `umask ${mask}; exec "$@"`, 'sh'];

function needsTsx(): string | false {
  return !existsSync(join(packageRoot, 'node_modules/tsx')) && 'needs tsx among the development packages';
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        typeof address === 'object' && address !== null ? resolve(address.port) : reject(),
      );
    });
  });
}
