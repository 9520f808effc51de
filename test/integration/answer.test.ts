// What `run` says: on stdout for scripts, on stderr for people, and with its exit code.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { isAlive, processesMentioning } from '../support/proc.js';
import { openPty } from '../support/pty.js';
import { needs } from '../support/tools.js';
import { makeWorld, type World } from '../support/world.js';

test('stdout is the pid alone, and stderr is silent where nobody watches', async () => {
  await using world = await makeWorld();
  const { code, stdout, stderr } = await world.tsdaemon(['run', '--', 'sleep', '300']);
  const pid = Number(stdout);
  world.expectSurvivor(pid);
  assert.deepEqual([code, stdout, stderr], [0, `${pid}\n`, '']);
  assert.ok(isAlive(pid));
});

test('--json prints one object that names the daemon, its pid and its files', async () => {
  await using world = await makeWorld();
  const args = [
    'run',
    '--json',
    '--name',
    'web',
    '--pidfile',
    'web.pid',
    '--stderr',
    'err',
    '--',
    'sleep',
    '300',
  ];
  const { stdout, stderr } = await world.tsdaemon(args);
  const answer = JSON.parse(stdout) as { pid: number };
  world.expectSurvivor(answer.pid);
  assert.deepEqual(answer, {
    name: 'web',
    pid: Number(world.read('web.pid')),
    pidfile: world.path('web.pid'),
    outputs: [world.path('nohup.out'), world.path('err')],
  });
  assert.deepEqual([stdout.split('\n').length, stderr], [2, '']);
});

test('a terminal is told on stderr what was started, and --quiet keeps silent', {
  skip: needs('script'),
}, async () => {
  await using world = await makeWorld();
  for (const [flag, line] of [
    ['', /started 'sleep' as process (\d+), output to .*nohup\.out/],
    ['--quiet', null],
  ] as const) {
    const pty = openPty(world, `tsdaemon run ${flag} -- sleep 300 >pid; echo done`);
    await pty.exited;
    world.expectSurvivor(Number(world.read('pid')));
    if (line === null) assert.equal(pty.output, 'done\r\n');
    else assert.equal(line.exec(pty.output)?.[1], world.read('pid').trim());
  }
});

test('the answer comes after the exec: the program is already what it will be', async () => {
  await using world = await makeWorld();
  const { stdout } = await world.sh('readlink /proc/$(tsdaemon run -- sleep 300)/exe; tsdaemon stop sleep');
  assert.doesNotMatch(stdout, /node\n/);
});

test('a program that fails at once is a start that succeeded', async () => {
  await using world = await makeWorld();
  assert.equal((await world.tsdaemon(['run', '--', 'false'])).code, 0);
});

test('the exit codes are 127 for what is not there and 126 for what cannot be run, as nohup has them', async () => {
  await using world = await makeWorld();
  mkdirSync(world.path('folder'));
  writeFileSync(world.path('plain'), 'text');
  writeFileSync(world.path('orphan'), '#!/not/there\n');
  writeFileSync(world.path('locked'), '#!/bin/sh\n');
  chmodSync(world.path('orphan'), 0o755);
  chmodSync(world.path('locked'), 0o644);
  const table: readonly (readonly [string, number, RegExp])[] = [
    ['no-such-command', 127, /no such file or directory/],
    ['./not-there', 127, /no such file or directory/],
    ['', 127, /no such file or directory/],
    ['./orphan', 127, /no such file or directory/],
    ['./folder', 126, /permission denied/],
    ['./plain', 126, /permission denied/],
    ['./locked', 126, /permission denied/],
    ['./plain/x', 126, /not a directory/],
  ];
  for (const [program, expected, message] of table) {
    const { code, stdout, stderr } = await world.tsdaemon([
      'run',
      '--pidfile',
      'x.pid',
      '--',
      program,
      'argument',
    ]);
    assert.deepEqual([code, stdout], [expected, ''], `${program}: ${stderr}`);
    assert.match(stderr, new RegExp(`^tsdaemon: cannot run '${program}': .*${message.source}.*\n$`));
  }
  assert.deepEqual(whatIsThere(world), ['folder', 'locked', 'orphan', 'plain']);
});

test('--json answers a failure with one object on stdout too', async () => {
  await using world = await makeWorld();
  const { code, stdout, stderr } = await world.tsdaemon(['run', '--json', '--', './not-there']);
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
  assert.deepEqual([code, error.code, stderr], [127, 'TSD_SPAWN', `tsdaemon: ${error.message}\n`]);
});

test('an answer that cannot be written is a failure that leaves no daemon, or a daemon that is named', async () => {
  await using world = await makeWorld();
  const { code, stderr } = await world.sh('tsdaemon run --name web -- sleep 300 >/dev/full');
  const status = await world.tsdaemon(['status', 'web', '--json']);
  const { pid } = JSON.parse(status.stdout) as { pid: number | null };
  if (pid !== null) world.expectSurvivor(pid);
  assert.notEqual(code, 0, 'a script must not believe that it has a pid');
  assert.match(stderr, /^tsdaemon: .*ENOSPC.*\n$/);
});

test('a reader that does not wait for the answer is no failure', async () => {
  await using world = await makeWorld();
  const { stdout, stderr } = await world.sh(
    '{ tsdaemon run --name web -- sleep 300; echo $? >&2; } | true; tsdaemon status web',
  );
  assert.equal(stderr, '0\n');
  world.expectSurvivor(Number(/process (\d+)/.exec(stdout)![1]));
});

test('--dry-run prints the plan, call by call with reasons, and does nothing', async () => {
  await using world = await makeWorld();
  const args = [
    'run',
    '--dry-run',
    '--pidfile',
    'x.pid',
    '--output',
    'log',
    '--nice',
    '5',
    '--',
    'sleep',
    '300',
  ];
  const { code, stdout, stderr } = await world.tsdaemon(args);
  assert.deepEqual([code, stderr], [0, '']);
  for (const call of ['SIGHUP, SIG_IGN', `open(${world.path('log')}`, 'setpriority('])
    assert.ok(stdout.includes(call), call);
  assert.match(stdout, /setsid\(\).*flock\(.*posix_spawn\(sleep 300\).*rename\(/s);
  assert.deepEqual(whatIsThere(world), []);
  assert.equal(existsSync(join(world.state, 'daemons')), false);
  assert.deepEqual(processesMentioning(world.folder), []);
});

test('--dry-run --json prints the same steps as one object', async () => {
  await using world = await makeWorld();
  const { stdout } = await world.tsdaemon(['run', '--dry-run', '--json', '--', 'sleep', '300']);
  const { steps } = JSON.parse(stdout) as { steps: { step: string; call: string; reason: string }[] };
  assert.ok(steps.length > 5);
  for (const step of steps) assert.deepEqual(Object.keys(step), ['step', 'call', 'reason']);
});

test('a daemon that nobody named is called after its program, the next one with a number', async () => {
  await using world = await makeWorld();
  const names: string[] = [];
  for (let count = 0; count < 3; count += 1) {
    const { stdout } = await world.tsdaemon(['run', '--json', '--', '/bin/sleep', '300']);
    const { name, pid } = JSON.parse(stdout) as { name: string; pid: number };
    world.expectSurvivor(pid);
    names.push(name);
  }
  assert.deepEqual(names, ['sleep', 'sleep-2', 'sleep-3']);
});

test('a daemon with a pidfile is called after the pidfile', async () => {
  await using world = await makeWorld();
  const { stdout } = await world.tsdaemon(['run', '--json', '--pidfile', 'my web.pid', '--', 'sleep', '300']);
  const { name, pid } = JSON.parse(stdout) as { name: string; pid: number };
  world.expectSurvivor(pid);
  assert.equal(name, 'my_web');
});

test('when the command has returned, the daemon is all that is left', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--', 'sleep', '300']);
  assert.deepEqual(processesMentioning(world.folder), [pid]);
});

const whatIsThere = (world: World): string[] => readdirSync(world.cwd).sort();
