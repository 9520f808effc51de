// The command by the names `supervisord` and `supervisorctl`: their options, messages and exit codes, compared with theirs.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { command } from '../support/package-root.js';
import { needsSupervisord } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

/** Ours, under the name of another program. */
function link(world: World, name: string): string {
  const path = `${world.folder}/${name}`;
  symlinkSync(command, path);
  return path;
}

const lines: readonly (readonly string[])[] = [
  ['-n', '-n'],
  ['-n', '--nodaemon'],
  ['-l', 'a', '--logfile', 'b'],
  ['--bogus'],
  ['-x'],
  ['-c'],
  ['--configuration'],
  ['extra', 'word'],
  ['-n', 'extra'],
  ['-c', 'absent.conf'],
  ['-c', 'empty.conf'],
  ['-c', 'broken.conf'],
  ['-c', 'program.conf'],
  ['-c', 'program.conf', '-e', 'nope'],
  ['-c', 'program.conf', '--loglevel', 'nope'],
  ['-c', 'program.conf', '-y', 'much'],
  ['-c', 'program.conf', '-z', 'x'],
  ['-c', 'program.conf', '-d', '/absent'],
  ['--no'],
];

test('supervisord by a link says what supervisord says of every mistake, and exits 2', {
  skip: needsSupervisord,
}, async () => {
  await using world = await makeWorld();
  const ours = link(world, 'supervisord');
  writeFileSync(`${world.cwd}/empty.conf`, '');
  writeFileSync(`${world.cwd}/broken.conf`, '[supervisord]\nnodaemon\n');
  writeFileSync(`${world.cwd}/program.conf`, '[supervisord]\n[program:x]\ncommand=true\nstartsecs=soon\n');
  for (const words of lines) {
    const [mine, theirs] = await Promise.all(
      [ours, '/usr/bin/supervisord'].map((program) => world.run([program, ...words])),
    );
    assert.deepEqual(
      [mine!.code, mine!.stdout, mine!.stderr.replaceAll(ours, '/usr/bin/supervisord')],
      [theirs!.code, theirs!.stdout, theirs!.stderr],
      words.join(' '),
    );
    assert.equal(mine!.code, 2);
  }
});

test('supervisord by a link has its help and a version of Supervisor, and supervisorctl has its own', async () => {
  await using world = await makeWorld();
  const supervisord = link(world, 'supervisord');
  const supervisorctl = link(world, 'supervisorctl');
  const help = await world.run([supervisord, '-h']);
  assert.equal(help.code, 0);
  for (const option of ['-c/--configuration FILE', '-n/--nodaemon', '-e/--loglevel LEVEL'])
    assert.ok(help.stdout.includes(option), option);
  const version = await world.run([supervisord, '-v']);
  assert.deepEqual([version.code, version.stdout], [0, '4.3.0\n']);
  const usage = await world.run([supervisorctl, '-h']);
  assert.equal(usage.code, 0);
  assert.match(usage.stdout, /supervisorctl -- control applications run by supervisord/);
});

test('by its link it finds ./supervisord.conf, daemonizes, writes its pid, and expands %(here)s', async () => {
  await using world = await makeWorld();
  const supervisord = link(world, 'supervisord');
  const supervisorctl = link(world, 'supervisorctl');
  writeFileSync(
    `${world.cwd}/supervisord.conf`,
    `[supervisord]
logfile=%(here)s/main.log
pidfile=%(here)s/pid
childlogdir=%(here)s
[unix_http_server]
file=%(here)s/sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%(here)s/sock
[program:web]
command=sleep 1000
startsecs=0
`,
  );
  const started = await world.run([supervisord]);
  assert.deepEqual([started.code, started.stdout, started.stderr], [0, '', '']);
  await until(
    async () =>
      assert.match((await world.run([supervisorctl, 'status'])).stdout, /^web +RUNNING +pid \d+, uptime/),
    { withinMs: 10_000 },
  );
  const pid = readFileSync(`${world.cwd}/pid`, 'utf8');
  assert.equal((await world.run([supervisorctl, 'pid'])).stdout, pid);
  assert.equal((await world.run([supervisorctl, 'shutdown'])).stdout, 'Shut down\n');
  await until(() => assert.ok(!existsSync(`${world.cwd}/pid`)), { withinMs: 10_000 });
});

test('in the foreground it logs to stdout too, and -s keeps it silent', async () => {
  await using world = await makeWorld();
  writeFileSync(
    `${world.cwd}/a.conf`,
    '[supervisord]\nlogfile=%(here)s/main.log\npidfile=%(here)s/pid\nchildlogdir=%(here)s\n' +
      '[program:ends]\ncommand=true\nstartsecs=0\nautorestart=false\nessential=true\n',
  );
  const loud = await world.run(['tsdaemon', 'supervise', '-n', '-c', 'a.conf']);
  assert.equal(loud.code, 0);
  assert.match(loud.stdout, /INFO supervisord started with pid \d+\n/);
  const silent = await world.run(['tsdaemon', 'supervise', '-ns', '-c', 'a.conf']);
  assert.deepEqual([silent.code, silent.stdout], [0, '']);
  assert.equal(readFileSync(`${world.cwd}/main.log`, 'utf8').split('supervisord started').length, 3);
});
