// Where a daemon's output goes.
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { descriptorsOf, whenStill } from '../support/proc.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const MODE = 0o7777;

/** Says one word on each stream and ends. */
const speaker = ['sh', '-c', 'echo out; echo err >&2'];

async function shows(world: World, name: string, text: string): Promise<void> {
  await until(() => assert.equal(world.read(name), text), { withinMs: 5000 });
}

for (const umask of ['0000', '0022', '0077', '0777']) {
  test(`with umask ${umask} nohup.out has mode 0600`, async () => {
    await using world = await makeWorld();
    await world.daemon(['--', ...speaker], { via: ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh'] });
    assert.equal(statSync(world.path('nohup.out')).mode & MODE, 0o600);
    await shows(world, 'nohup.out', 'out\nerr\n');
  });
}

test('a nohup.out that is there is appended to and keeps its mode', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('nohup.out'), 'old\n');
  chmodSync(world.path('nohup.out'), 0o640);
  await world.daemon(['--', ...speaker]);
  await shows(world, 'nohup.out', 'old\nout\nerr\n');
  assert.equal(statSync(world.path('nohup.out')).mode & MODE, 0o640);
});

test('where nothing can be created nohup.out is made in $HOME', async () => {
  await using world = await makeWorld();
  // In /proc not even root can make a file.
  const outcome = await world.tsdaemon(['run', '--json', '--', ...speaker], { cwd: '/proc' });
  const file = join(world.home, 'nohup.out');
  assert.deepEqual((JSON.parse(outcome.stdout) as { outputs: string[] }).outputs, [file]);
  assert.equal(statSync(file).mode & MODE, 0o600);
  await until(() => assert.equal(readFileSync(file, 'utf8'), 'out\nerr\n'), { withinMs: 5000 });
});

test('in a directory that has been removed nohup.out is made in $HOME', async () => {
  await using world = await makeWorld();
  const { stdout } = await world.sh('mkdir d; cd d; rmdir ../d; exec tsdaemon run -- sleep 300');
  const pid = Number(stdout);
  world.expectSurvivor(pid);
  assert.equal(descriptorsOf(pid).get(1), join(world.home, 'nohup.out'));
});

for (const [what, env] of [
  ['without HOME', { HOME: undefined }],
  ['with an empty HOME', { HOME: '' }],
  ['with a HOME that is not there', { HOME: '/not/there' }],
] as const) {
  test(`where nothing can be created, ${what}, nothing is started`, async () => {
    await using world = await makeWorld();
    const { code, stdout, stderr } = await world.tsdaemon(['run', '--', 'sleep', '300'], {
      cwd: '/proc',
      env,
    });
    assert.deepEqual([code, stdout], [125, '']);
    assert.match(stderr, /^tsdaemon: cannot open .*nohup\.out.*\n$/);
  });
}

test('--output takes both streams, with the mode that a shell gives, and no nohup.out is made', async () => {
  await using world = await makeWorld();
  await world.daemon(['--output', 'log', '--', ...speaker], {
    via: ['sh', '-c', 'umask 027; exec "$@"', 'sh'],
  });
  await shows(world, 'log', 'out\nerr\n');
  assert.equal(statSync(world.path('log')).mode & MODE, 0o640);
  assert.equal(existsSync(world.path('nohup.out')), false);
});

test('--stdout alone takes both streams', async () => {
  await using world = await makeWorld();
  await world.daemon(['--stdout', 'log', '--', ...speaker]);
  await shows(world, 'log', 'out\nerr\n');
});

test('--stderr alone leaves standard output to nohup.out', async () => {
  await using world = await makeWorld();
  await world.daemon(['--stderr', 'err', '--', ...speaker]);
  await shows(world, 'err', 'err\n');
  await shows(world, 'nohup.out', 'out\n');
});

test('--stdout and --stderr part the streams', async () => {
  await using world = await makeWorld();
  await world.daemon(['--stdout', 'out', '--stderr', 'err', '--', ...speaker]);
  await shows(world, 'err', 'err\n');
  await shows(world, 'out', 'out\n');
});

for (const second of ['log', './log', 'other/../log', 'link']) {
  test(`--stdout log --stderr ${second} are one file: neither overwrites the other`, async () => {
    await using world = await makeWorld();
    mkdirSync(world.path('other'));
    if (process.geteuid!() !== 0) symlinkSync('log', world.path('link'));
    else if (second === 'link') return;
    await world.daemon([
      '--truncate',
      '--stdout',
      'log',
      '--stderr',
      second,
      '--',
      'sh',
      '-c',
      'echo 1; echo 2 >&2; echo 3',
    ]);
    await shows(world, 'log', '1\n2\n3\n');
  });
}

test('an existing file is appended to, and emptied with --truncate', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('log'), 'old\n');
  await world.daemon(['--append', '--output', 'log', '--', ...speaker]);
  await shows(world, 'log', 'old\nout\nerr\n');
  await world.daemon(['--truncate', '--output', 'log', '--', ...speaker]);
  await shows(world, 'log', 'out\nerr\n');
});

test('--truncate writes on from the new end when somebody else empties the file', async () => {
  await using world = await makeWorld();
  const writer = 'echo first; until [ -e go ]; do sleep 0.01; done; echo second';
  await world.daemon(['--truncate', '--output', 'log', '--', 'sh', '-c', writer]);
  await shows(world, 'log', 'first\n');
  writeFileSync(world.path('log'), '');
  writeFileSync(world.path('go'), '');
  await shows(world, 'log', 'second\n');
});

test('/dev/null is no file that is made, kept or emptied', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--truncate', '--output', '/dev/null', '--', 'sleep', '300']);
  await whenStill(pid);
  assert.deepEqual([...descriptorsOf(pid).values()], ['/dev/null', '/dev/null', '/dev/null']);
});

test('a FIFO without a reader as output does not hang the start', async () => {
  await using world = await makeWorld();
  await world.run(['mkfifo', 'fifo']);
  const pid = await world.daemon(['--output', 'fifo', '--', 'sleep', '300'], { withinMs: 5000 });
  assert.equal(descriptorsOf(pid).get(1), world.path('fifo'));
});

test('a program that finds its output on a full disk is started all the same', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--output', '/dev/full', '--', 'sh', '-c', 'echo x || kill -STOP $$']);
  assert.equal(descriptorsOf(pid).get(1), '/dev/full');
});

test('a start that fails after its log was opened leaves the log as it was', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('log'), 'old\n');
  const { code } = await world.tsdaemon([
    'run',
    '--truncate',
    '--output',
    'log',
    '--stderr',
    'new',
    '--',
    'sleep',
    '300',
  ]);
  assert.equal(code, 125);
  const failed = await world.tsdaemon([
    'run',
    '--truncate',
    '--stdout',
    'log',
    '--stderr',
    'new',
    '--',
    './not-there',
  ]);
  assert.equal(failed.code, 127);
  assert.equal(world.read('log'), 'old\n');
  assert.equal(existsSync(world.path('new')), false);
  rmdirSync(world.home);
});
