// The pidfile as a file: what is in it, who may read it, what is refused in its place.
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { isAlive, processesMentioning } from '../support/proc.js';
import { readRecord } from '../support/records.js';
import { needsRoot } from '../support/tools.js';
import { makeWorld, type World } from '../support/world.js';

const MODE = 0o7777;
const start = ['run', '--pidfile', 'x.pid', '--', 'sleep', '300'];

/** A pid that nobody has. */
const NOBODY = 4_194_303;

for (const umask of ['000', '022', '077', '777']) {
  test(`with umask ${umask} the pidfile holds pid and newline, and only its owner writes it`, async () => {
    await using world = await makeWorld();
    const pid = await world.daemon(start.slice(1), { via: ['sh', '-c', `umask ${umask}; exec "$@"`, 'sh'] });
    const mode = statSync(world.path('x.pid')).mode & MODE;
    assert.deepEqual([mode & 0o600, mode & ~0o644], [0o600, 0], mode.toString(8));
    assert.equal(world.read('x.pid'), `${pid}\n`);
  });
}

test('an old pidfile is replaced as a whole: whoever has it open keeps the old content', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('x.pid'), `${NOBODY}\n`);
  chmodSync(world.path('x.pid'), 0o666);
  linkSync(world.path('x.pid'), world.path('old'));
  const pid = await world.daemon(start.slice(1));
  assert.equal(world.read('x.pid'), `${pid}\n`);
  assert.equal(world.read('old'), `${NOBODY}\n`);
  assert.equal(statSync(world.path('x.pid')).mode & MODE, 0o644);
});

test('a reader sees the old pid or the new one, and never anything else', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('x.pid'), `${NOBODY}\n`);
  const seen = new Set<string>();
  let watching = true;
  const watcher = (async () => {
    while (watching) {
      seen.add(world.read('x.pid'));
      await new Promise(setImmediate);
    }
  })();
  const pid = await world.daemon(start.slice(1));
  seen.add(world.read('x.pid'));
  watching = false;
  await watcher;
  assert.deepEqual([...seen], [`${NOBODY}\n`, `${pid}\n`]);
});

test('no temporary file is left beside the pidfile', async () => {
  await using world = await makeWorld();
  await world.daemon(start.slice(1));
  assert.deepEqual(readdirSync(world.cwd).sort(), ['nohup.out', 'x.pid']);
});

const unfit: readonly (readonly [string, RegExp, (path: string, world: World) => unknown])[] = [
  [
    'a symbolic link',
    /symbolic link/,
    (path, world) => {
      writeFileSync(world.path('target'), 'precious\n');
      symlinkSync('target', path);
    },
  ],
  ['a dangling symbolic link', /symbolic link/, (path) => symlinkSync('target', path)],
  ['a FIFO', /FIFO/, (path, world) => world.run(['mkfifo', path])],
  ['a directory', /directory/, (path) => mkdirSync(path)],
  [
    'a socket',
    /socket/,
    (path) => {
      const server = createServer().listen(path);
      return new Promise((resolve) => server.once('listening', resolve)).then(() => server.unref());
    },
  ],
  ['something that is no pid', /no pid/, (path) => writeFileSync(path, 'hello\n')],
  ['pid 0', /no pid/, (path) => writeFileSync(path, '0\n')],
  ['pid 1', /no pid/, (path) => writeFileSync(path, '1\n')],
  ['pid -1', /no pid/, (path) => writeFileSync(path, '-1\n')],
  ['a pid beyond all pids', /no pid/, (path) => writeFileSync(path, '99999999999999999999\n')],
];

for (const [what, message, place] of unfit) {
  test(`${what} in the place of the pidfile is refused and left as it is`, async () => {
    await using world = await makeWorld();
    const path = world.path('x.pid');
    await place(path, world);
    const before = snapshot(world);
    const { code, stdout, stderr } = await world.tsdaemon(start, { withinMs: 5000 });
    assert.deepEqual([code, stdout], [125, '']);
    assert.match(stderr, /^tsdaemon: [^\n]*x\.pid[^\n]*\n$/);
    assert.match(stderr, message);
    assert.deepEqual(snapshot(world), before);
    assert.deepEqual(processesMentioning(world.folder), []);
    for (const verb of ['stop', 'status']) {
      const answer = await world.tsdaemon([verb, '--pidfile', 'x.pid'], { withinMs: 5000 });
      assert.equal(answer.code, verb === 'stop' ? 1 : 4, `${verb}: ${answer.stdout}${answer.stderr}`);
    }
    assert.deepEqual(snapshot(world), before);
  });
}

test('a pidfile of another owner is refused and left as it is', { skip: needsRoot }, async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('x.pid'), `${NOBODY}\n`);
  chownSync(world.path('x.pid'), 65_534, 65_534);
  const { code, stderr } = await world.tsdaemon(start);
  assert.equal(code, 125);
  assert.match(stderr, /^tsdaemon: cannot use pidfile .*x\.pid: belongs to user 65534\n$/);
  assert.equal(world.read('x.pid'), `${NOBODY}\n`);
});

for (const [what, place] of [
  ['is not there', 'not/there/x.pid'],
  ['is a file', 'plain/x.pid'],
  ['takes no files', '/proc/x.pid'],
] as const) {
  test(`a pidfile whose directory ${what} is refused, and nothing is started`, async () => {
    await using world = await makeWorld();
    writeFileSync(world.path('plain'), '');
    const { code, stdout, stderr } = await world.tsdaemon(['run', '--pidfile', place, '--', 'sleep', '300']);
    assert.deepEqual([code, stdout], [125, '']);
    assert.match(stderr, new RegExp(`^tsdaemon: cannot [^\\n]*${dirname(place)}[^\\n]*\\n$`));
    assert.deepEqual(processesMentioning(world.folder), []);
    assert.deepEqual(readdirSync(world.cwd), ['plain']);
    assert.deepEqual(existsSync(world.state) ? readdirSync(`${world.state}/daemons`) : [], []);
  });
}

test('while its daemon lives a second start is refused, names the pid and changes nothing', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--name', 'web', ...start.slice(1)]);
  symlinkSync('.', world.path('here'));
  const before = snapshot(world);
  const record = readRecord(world, 'web');
  const again: readonly (readonly string[])[] = [
    ['--pidfile', 'x.pid'],
    ['--pidfile', './here/../x.pid'],
    ['--pidfile', world.path('x.pid')],
    ['--pidfile', 'here/x.pid'],
    ['--name', 'web'],
    ['--name', 'web', '--pidfile', 'y.pid'],
    ['--name', 'other', '--pidfile', 'x.pid'],
  ];
  for (const flags of again) {
    const args = ['run', ...flags, '--truncate', '--output', 'new', '--', 'sleep', '301'];
    const { code, stdout, stderr } = await world.tsdaemon(args);
    assert.deepEqual([code, stdout], [125, ''], flags.join(' '));
    assert.match(stderr, new RegExp(`^tsdaemon: [^\\n]*already running as process ${pid}\\n$`));
    assert.deepEqual(snapshot(world), before);
    assert.deepEqual(readRecord(world, 'web'), record);
  }
  assert.deepEqual(processesMentioning(world.folder), [pid]);
  assert.ok(isAlive(pid));
});

test('a directory reached through a link is the same place', async () => {
  await using world = await makeWorld();
  mkdirSync(world.path('real'));
  symlinkSync('real', world.path('link'));
  const pid = await world.daemon(['--pidfile', 'link/x.pid', '--', 'sleep', '300']);
  const { stdout } = await world.tsdaemon(['status', '--pidfile', 'real/x.pid', '--json']);
  const status = JSON.parse(stdout) as { pid: number; pidfile: string };
  assert.deepEqual([status.pid, status.pidfile], [pid, world.path('real/x.pid')]);
});

for (const [what, content] of [
  ['that has ended', `${NOBODY}\n`],
  ['that is empty', ''],
  ['without a newline', `${NOBODY}`],
  ['with blanks and more lines', `   ${NOBODY}  \n/var/lib/postgres\n`],
] as const) {
  test(`a pidfile of a daemon ${what} is replaced`, async () => {
    await using world = await makeWorld();
    writeFileSync(world.path('x.pid'), content);
    const pid = await world.daemon(start.slice(1));
    assert.equal(world.read('x.pid'), `${pid}\n`);
  });
}

test('a start that fails leaves an old pidfile as it was', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('x.pid'), `${NOBODY}\n`);
  const { code } = await world.tsdaemon(['run', '--pidfile', 'x.pid', '--', './not-there']);
  assert.equal(code, 127);
  assert.equal(world.read('x.pid'), `${NOBODY}\n`);
});

test("the state directory and what is in it is its owner's alone", async () => {
  await using world = await makeWorld();
  await world.daemon(start.slice(1), { via: ['sh', '-c', 'umask 0; exec "$@"', 'sh'] });
  const { stdout } = await world.sh(
    'find "$TSDAEMON_HOME" -type d ! -perm 0700; find "$TSDAEMON_HOME" -type f ! -perm 0600',
  );
  assert.equal(stdout, '');
});

test('a state directory that others can write to is refused', async () => {
  await using world = await makeWorld();
  mkdirSync(world.state);
  chmodSync(world.state, 0o777);
  const { code, stderr } = await world.tsdaemon(start);
  assert.equal(code, 125);
  assert.match(stderr, /^tsdaemon: cannot use state directory .*\n$/);
});

test('without TSDAEMON_HOME the records are in $XDG_STATE_HOME, else below $HOME', {
  skip: process.geteuid!() === 0 && 'root has its records in /var/lib',
}, async () => {
  await using world = await makeWorld();
  const places: readonly (readonly [Record<string, string | undefined>, string])[] = [
    [{ XDG_STATE_HOME: world.path('xdg') }, world.path('xdg/tsdaemon')],
    [{ XDG_STATE_HOME: 'relative' }, join(world.home, '.local/state/tsdaemon')],
    [{}, join(world.home, '.local/state/tsdaemon')],
  ];
  for (const [more, place] of places) {
    const env = { TSDAEMON_HOME: undefined, ...more };
    await world.daemon(['--name', 'web', '--', 'sleep', '300'], { env });
    assert.ok(existsSync(join(place, 'daemons/web/record.json')), place);
    assert.equal((await world.tsdaemon(['stop', 'web'], { env })).code, 0);
    assert.equal((await world.tsdaemon(['forget', 'web'], { env })).code, 0);
  }
});

/** Every file in the working directory with what it is, holds and when it was changed. */
function snapshot(world: World): unknown {
  return readdirSync(world.cwd)
    .sort()
    .map((name) => {
      const path = world.path(name);
      const stats = lstatSync(path);
      return [name, stats.ino, stats.mode, stats.mtimeMs, stats.isFile() ? readFileSync(path, 'utf8') : null];
    });
}
