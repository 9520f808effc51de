// What a daemon inherits from its caller, byte for byte, and what the flags of `run` change.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { command } from '../support/package-root.js';
import { argvOf, cwdOf, environmentOf, limitOf, statOf, statusField } from '../support/proc.js';
import { needsRoot } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

/** A program that takes any arguments and does nothing with them. */
const still = ['sh', '-c', 'kill -STOP $$', 'sh'];

const words = (...texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text));

/** The environment that processes of this world get, as execve takes it. */
function environmentFor(world: World, more: Readonly<Record<string, string>> = {}): Buffer[] {
  return words(...Object.entries({ ...world.env, ...more }).map(([name, value]) => `${name}=${value}`));
}

const difficultArguments: readonly (readonly [string, readonly string[]])[] = [
  ['an empty argument', ['', 'x', '']],
  ['blanks, newlines, tabs and quotes', [' a  b ', 'a\nb\n', '\t', `'"\`$HOME\\`, '*']],
  ['leading dashes and words that are our own flags', ['-x', '--', '--json', '--pidfile', '-', '--help']],
  ['letters of other scripts', ['größe', '日本', '🦊', '\u{10ffff}', '\ufffd']],
  ['an argument of 100 kB', ['x'.repeat(100_000)]],
  ['5,000 arguments', Array.from({ length: 5000 }, (_, index) => `argument ${index}`)],
];

for (const [what, args] of difficultArguments) {
  test(`${what} arrive as they are`, async () => {
    await using world = await makeWorld();
    const pid = await world.daemon(['--', ...still, ...args]);
    assert.deepEqual(argvOf(pid), words(...still, ...args));
  });
}

test("the words after the command are the command's, also without --", async () => {
  await using world = await makeWorld();
  const pid = await world.daemon([...still, '--json', '--', '--name', 'x']);
  assert.deepEqual(argvOf(pid), words(...still, '--json', '--', '--name', 'x'));
});

test('bytes that are not UTF-8 reach the daemon as they are, in arguments and in variables', async () => {
  await using world = await makeWorld();
  const { stdout } = await world.sh(
    `odd=$(printf 'a\\377\\200\\303b\\355\\240\\200\\nz')
     exec env "ODD=$odd" tsdaemon run -- sh -c 'kill -STOP $$' sh "$odd" "$odd$odd"`,
  );
  const pid = Number(stdout);
  world.expectSurvivor(pid);
  const odd = Buffer.from('61ff80c362eda0800a7a', 'hex');
  assert.deepEqual(argvOf(pid).slice(4), [odd, Buffer.concat([odd, odd])]);
  assert.ok(environmentOf(pid).some((entry) => entry.equals(Buffer.concat([Buffer.from('ODD='), odd]))));
});

const run = 'pid=$(tsdaemon run --name web';

for (const [what, script] of [
  [
    'the pidfile',
    `${run} --pidfile "$odd" -- sleep 300); test "$(cat "$odd")" = $pid; tsdaemon status --pidfile "$odd"`,
  ],
  [
    'the output',
    `${run} --output "$odd" -- sh -c 'echo hi; kill -STOP $$'); tsdaemon logs web; test -e "$odd"`,
  ],
  [
    'the working directory',
    `mkdir "$odd"; cd "$odd"; ${run} --pidfile x -- sleep 300); test $(cat x) = $pid`,
  ],
  [
    '--cwd',
    `mkdir "$odd"; ${run} --cwd "$odd" -- sleep 300); test "$(readlink /proc/$pid/cwd)" = "$PWD/$odd"`,
  ],
  ['the command', `ln -s /bin/sleep "$odd"; ${run} -- "./$odd" 300); tsdaemon status web`],
  [
    '--env-file',
    `echo A=1 >"$odd"; ${run} --env-file "$odd" -- sleep 300); grep -qz ^A=1 /proc/$pid/environ`,
  ],
] as const) {
  test(`${what} may have a name that is not UTF-8`, async () => {
    await using world = await makeWorld();
    const outcome = await world.sh(`set -e; odd=$(printf 'd\\377'); ${script}; tsdaemon stop web`);
    assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
  });
}

test('a state directory that is not UTF-8 is never exchanged for another one', async () => {
  await using world = await makeWorld();
  const { stdout } = await world.sh(
    `export TSDAEMON_HOME="$PWD/$(printf 'd\\377')"
     tsdaemon run --name web --output /dev/null -- sleep 300 >&2 && tsdaemon stop web >&2
     ls -A | od -An -c`,
  );
  assert.match(stdout, /^(\s+d 377\s+\\n\n)?$/);
});

test('the environment reaches the daemon in its order, with names that shells drop', async () => {
  await using world = await makeWorld();
  const odd = {
    'a.b': '1',
    'BASH_FUNC_x%%': '() {  echo hi\n}',
    'with blank': 'x',
    PS4: '+',
    '1ST': '',
    Ünï: 'ö',
  };
  const pid = await world.daemon(['--', ...still], { env: odd });
  assert.deepEqual(environmentOf(pid), environmentFor(world, odd));
});

test('3,000 variables reach the daemon', async () => {
  await using world = await makeWorld();
  const many = Object.fromEntries(
    Array.from({ length: 3000 }, (_, index) => [`VARIABLE_${index}`, `value ${index}`]),
  );
  const pid = await world.daemon(['--', ...still], { env: many });
  assert.deepEqual(environmentOf(pid), environmentFor(world, many));
});

test('a variable of 100 kB reaches the daemon', async () => {
  await using world = await makeWorld();
  const large = { LARGE: 'y'.repeat(100_000) };
  const pid = await world.daemon(['--', ...still], { env: large });
  assert.deepEqual(environmentOf(pid), environmentFor(world, large));
});

test('variables meant for Node reach the daemon and do nothing to us', async () => {
  await using world = await makeWorld();
  const ofNode = { NODE_OPTIONS: '--no-such-option', NODE_EXTRA_CA_CERTS: '/not/there', NODE_PATH: '/x' };
  const pid = await world.daemon(['--', ...still], { env: ofNode });
  assert.deepEqual(environmentOf(pid), environmentFor(world, ofNode));
});

test('a daemon started by a daemon inherits nothing of the first start', async () => {
  await using world = await makeWorld();
  await world.daemon(['--', 'tsdaemon', 'run', '--name', 'inner', '--', 'sleep', '300'], {
    via: ['sh', '-c', 'ulimit -Sn 100; exec "$@"', 'sh'],
  });
  const pid = await until(() => Number(world.read('nohup.out').match(/^\d+\n/)![0]), { withinMs: 10_000 });
  world.expectSurvivor(pid);
  assert.equal(limitOf(pid, 'Max open files').soft, 100);
  assert.equal(
    environmentOf(pid).some((entry) => entry.includes('TSDAEMON_CALLER')),
    false,
  );
});

test("--env sets variables over the caller's, in place, and adds new ones at the end", async () => {
  await using world = await makeWorld();
  const env = { COLOUR: 'red', SHAPE: 'round' };
  const args = ['--env', 'COLOUR=blue', '--env', 'EMPTY=', '--env', 'EQUALS=a=b', '--', ...still];
  const pid = await world.daemon(args, { env });
  const expected = { COLOUR: 'blue', SHAPE: 'round', EMPTY: '', EQUALS: 'a=b' };
  assert.deepEqual(environmentOf(pid), environmentFor(world, expected));
});

test('--clear-env with --env-file and --env gives exactly those, --env last', async () => {
  await using world = await makeWorld();
  writeFileSync(
    world.path('vars'),
    '# a comment\n\nexport PORT=8080\nNAME="two words"\nRAW=\'$HOME\'\nPORT=9090\nBOTH=file\n',
  );
  const args = [
    '--clear-env',
    '--env',
    'BOTH=flag',
    '--env-file',
    'vars',
    '--',
    '/bin/sh',
    ...still.slice(1),
  ];
  const pid = await world.daemon(args);
  world.track(pid);
  assert.deepEqual(environmentOf(pid), words('PORT=9090', 'NAME=two words', 'RAW=$HOME', 'BOTH=flag'));
});

test('a file for --env-file, and a flag of this name behind the command, do nothing to our own Node', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('vars'), `NODE_OPTIONS=--no-such-option\nTSDAEMON_HOME=${world.path('other')}\n`);
  const pid = await world.daemon([
    '--env-file',
    'vars',
    ...still,
    '--env-file',
    'not-there',
    '--env-file=not-there',
  ]);
  assert.deepEqual(argvOf(pid), words(...still, '--env-file', 'not-there', '--env-file=not-there'));
  assert.ok(environmentOf(pid).some((entry) => entry.toString() === 'NODE_OPTIONS=--no-such-option'));
  assert.equal((await world.tsdaemon(['status', 'sh'])).code, 0);
});

test('bytes that are not UTF-8 reach the daemon from --env and from a file too', async () => {
  await using world = await makeWorld();
  const { stdout } = await world.sh(
    `odd=$(printf 'a\\377'); printf 'FILE=%s\\n' "$odd" > vars
     exec tsdaemon run --env "FLAG=$odd" --env-file vars -- sleep 300`,
  );
  const pid = Number(stdout);
  world.expectSurvivor(pid);
  const environment = environmentOf(pid).map((entry) => entry.toString('latin1'));
  assert.deepEqual(
    environment.filter((entry) => /^FILE=|^FLAG=/.test(entry)),
    ['FILE=a\xff', 'FLAG=a\xff'],
  );
});

test('the command is found in the PATH that the daemon gets', async () => {
  await using world = await makeWorld();
  mkdirSync(world.path('tools'));
  symlinkSync('/bin/sleep', world.path('tools/rest'));
  const pid = await world.daemon(['--env', `PATH=${world.path('tools')}`, '--', 'rest', '300']);
  assert.deepEqual(argvOf(pid), words('rest', '300'));
});

test("the working directory is the caller's", async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--', 'sleep', '300']);
  assert.equal(cwdOf(pid), world.cwd);
});

test("--cwd moves the daemon, while relative paths stay the caller's", async () => {
  await using world = await makeWorld();
  mkdirSync(world.path('elsewhere'));
  const args = [
    '--cwd',
    'elsewhere',
    '--pidfile',
    'x.pid',
    '--stdout',
    'out',
    '--stderr',
    'err',
    '--',
    'sleep',
    '300',
  ];
  const pid = await world.daemon(args);
  assert.equal(cwdOf(pid), world.path('elsewhere'));
  const { stdout } = await world.sh('ls; ls elsewhere');
  assert.equal(stdout, 'elsewhere\nerr\nout\nx.pid\n');
});

test('a relative command with --cwd is the one that the caller sees', async () => {
  await using world = await makeWorld();
  mkdirSync(world.path('elsewhere'));
  writeFileSync(world.path('tool'), '#!/bin/sh\nkill -STOP $$\n');
  chmodSync(world.path('tool'), 0o755);
  const pid = await world.daemon(['--cwd', 'elsewhere', '--', './tool']);
  assert.equal(cwdOf(pid), world.path('elsewhere'));
});

for (const mask of ['0000', '0022', '0077', '0777']) {
  test(`a caller with umask ${mask} gives it to the daemon, and our own files do not suffer`, async () => {
    await using world = await makeWorld();
    const pid = await world.daemon(['--pidfile', 'x.pid', '--', 'sleep', '300'], {
      via: ['sh', '-c', `umask ${mask}; exec "$@"`, 'sh'],
    });
    assert.equal(statusField(pid, 'Umask'), mask);
    const outcome = await world.tsdaemon(['stop', '--pidfile', 'x.pid']);
    assert.equal(outcome.code, 0, outcome.stderr);
  });
}

for (const [given, expected] of [
  ['027', '0027'],
  ['0', '0000'],
  ['777', '0777'],
  ['0022', '0022'],
] as const) {
  test(`--umask ${given} gives the daemon umask ${expected}`, async () => {
    await using world = await makeWorld();
    const pid = await world.daemon(['--umask', given, '--', 'sleep', '300']);
    assert.equal(statusField(pid, 'Umask'), expected);
  });
}

test("the priority is the caller's, and --nice sets it", async () => {
  await using world = await makeWorld();
  const via = ['nice', '-n', '3'];
  const inherited = await world.daemon(['--', 'sleep', '300'], { via });
  assert.equal(statOf(inherited)!.nice, statOf(process.pid)!.nice + 3);
  const asked = await world.daemon(['--nice', '19', '--', 'sleep', '300'], { via });
  assert.equal(statOf(asked)!.nice, 19);
});

test('--limit sets resource limits, soft alone for both halves, and keeps all else as it was', async () => {
  await using world = await makeWorld();
  const limits = [
    '--limit',
    'nofile=64:128',
    '--limit',
    'core=0',
    '--limit',
    'cpu=1000',
    '--limit',
    'nproc=500:1000',
  ];
  const pid = await world.daemon([...limits, '--umask', '027', '--', 'sleep', '300']);
  assert.deepEqual(limitOf(pid, 'Max open files'), { soft: 64, hard: 128 });
  assert.deepEqual(limitOf(pid, 'Max core file size'), { soft: 0, hard: 0 });
  assert.deepEqual(limitOf(pid, 'Max cpu time'), { soft: 1000, hard: 1000 });
  assert.deepEqual(limitOf(pid, 'Max processes'), { soft: 500, hard: 1000 });
  assert.deepEqual(limitOf(pid, 'Max locked memory'), limitOf(process.pid, 'Max locked memory'));
  assert.equal(statusField(pid, 'Umask'), '0027');
});

test('a limit too low for Node itself still reaches the program', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--limit', 'as=20000000', '--limit', 'nofile=4', '--', 'sleep', '300']);
  assert.deepEqual(limitOf(pid, 'Max address space'), { soft: 20_000_000, hard: 20_000_000 });
  assert.deepEqual(limitOf(pid, 'Max open files'), { soft: 4, hard: 4 });
});

test("--user makes the daemon that user's, with its groups and home", { skip: needsRoot }, async () => {
  await using world = await makeWorld();
  // Root's temporary directory is root's alone, and the daemon must be able to stand in its working directory.
  chmodSync(world.folder, 0o755);
  const pid = await world.daemon(['--user', 'nobody', '--output', '/dev/null', '--', 'sleep', '300']);
  const { stdout } = await world.sh('id -u nobody; id -g nobody; id -G nobody');
  const [user, group, groups] = stdout.split('\n');
  assert.equal(statusField(pid, 'Uid'), Array(4).fill(user).join('\t'));
  assert.equal(statusField(pid, 'Gid'), Array(4).fill(group).join('\t'));
  assert.equal(statusField(pid, 'Groups'), groups);
  assert.ok(environmentOf(pid).some((entry) => entry.toString() === 'USER=nobody'));
});

test('started as node bin/tsdaemon.js, the daemon still gets the environment of the caller', async () => {
  await using world = await makeWorld();
  const odd = { 'a.b': '1', 'BASH_FUNC_x%%': '() { :;}' };
  const outcome = await world.run([process.execPath, command, 'run', '--', ...still], { env: odd });
  const pid = Number(outcome.stdout);
  world.expectSurvivor(pid);
  assert.deepEqual(environmentOf(pid).sort(Buffer.compare), environmentFor(world, odd).sort(Buffer.compare));
});
