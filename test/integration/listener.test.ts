// The path of the control socket: taken without a race, never from the living, given back at the end.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import test from 'node:test';
import { type Listener, type ListenerEvents, openListener, type UnixAddress } from '../../src/os/listener.js';
import { RawClient } from '../support/http.js';
import { needs, needsRoot } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const skip = process.platform === 'win32' && 'needs unix sockets';
const withinMs = 10_000;
const NOBODY = 65_534;

class Door implements Disposable {
  readonly notes: string[] = [];
  readonly address: UnixAddress;
  listener: Listener | null = null;

  constructor(path: string, address: Partial<UnixAddress> = {}) {
    this.address = { kind: 'unix', path, mode: 0o700, owner: null, ...address };
  }

  async open(): Promise<this> {
    const events: ListenerEvents = {
      connected: (socket) => socket.on('error', () => {}).end('welcome'),
      noted: (text) => this.notes.push(text),
    };
    this.listener = await openListener(this.address, events);
    return this;
  }

  [Symbol.dispose](): void {
    this.listener?.close();
  }
}

async function isWelcome(path: string): Promise<boolean> {
  using client = new RawClient(path);
  await until(() => assert.ok(client.isEnded), { withinMs });
  return client.heard === 'welcome';
}

const inUse = {
  code: 'TSD_USAGE',
  message:
    'Another program is already listening on a port that one of our HTTP servers is configured to use.  ' +
    'Shut this program down first before starting supervisord.',
};

test('the socket has its mode, whatever the umask, and nothing is left beside it', { skip }, async () => {
  await using world = await makeWorld();
  for (const mode of [0o700, 0o777, 0o600]) {
    const path = world.path(`s${mode}`);
    using _door = await new Door(path, { mode }).open();
    assert.equal(lstatSync(path).mode & 0o7777, mode);
    assert.ok(await isWelcome(path));
    assert.deepEqual(
      readdirSync(world.path('.')).filter((name) => name.startsWith(`s${mode}`)),
      [`s${mode}`],
    );
  }
});

test('the umask is what it was', { skip }, async () => {
  await using world = await makeWorld();
  const before = process.umask();
  using _door = await new Door(world.path('s')).open();
  assert.equal(process.umask(), before);
});

test('a socket that nobody listens on is replaced, with a word about it', {
  skip: skip || needs('python3'),
}, async () => {
  await using world = await makeWorld();
  const path = world.path('s');
  spawnSync('python3', ['-c', 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])', path]);
  assert.ok(lstatSync(path).isSocket());
  using door = await new Door(path).open();
  assert.deepEqual(door.notes, [`Unlinking stale socket ${path}`]);
  assert.ok(await isWelcome(path));
});

test('a socket that somebody listens on stays theirs', { skip }, async () => {
  await using world = await makeWorld();
  const path = world.path('s');
  using _first = await new Door(path).open();
  await assert.rejects(new Door(path).open(), inUse);
  assert.ok(await isWelcome(path));
  assert.deepEqual(
    readdirSync(world.path('.')).filter((name) => name.startsWith('s')),
    ['s'],
  );
});

test('a file that is no socket is not taken for a stale one', { skip }, async () => {
  await using world = await makeWorld();
  const path = world.path('file');
  writeFileSync(path, 'precious');
  await assert.rejects(new Door(path).open(), inUse);
  assert.equal(lstatSync(path).size, 8);
});

test('what cannot be bound is told in the words of supervisord', { skip }, async () => {
  await using world = await makeWorld();
  await assert.rejects(new Door(world.path('no/such/s')).open(), {
    code: 'TSD_USAGE',
    message: /^Cannot open an HTTP server: socket\.error reported errno\.E[A-Z]+ \(\d+\)$/,
  });
});

test('a socket that a cleaner removed is made again', { skip }, async () => {
  await using world = await makeWorld();
  const path = world.path('s');
  using door = await new Door(path).open();
  for (let round = 1; round <= 3; round += 1) {
    unlinkSync(path);
    await until(() => assert.ok(existsSync(path)), { withinMs });
    assert.equal(lstatSync(path).mode & 0o7777, 0o700);
    assert.ok(await isWelcome(path));
    assert.deepEqual(door.notes, Array(round).fill(`the socket ${path} was removed and is made again`));
  }
});

test('a socket is made again when its directory is there again', { skip }, async () => {
  await using world = await makeWorld();
  const folder = world.path('run');
  mkdirSync(folder);
  using door = await new Door(`${folder}/s`).open();
  rmSync(folder, { recursive: true });
  await until(() => assert.match(door.notes.at(-1) ?? '', /^cannot make .*run\/s again: /), { withinMs });
  mkdirSync(folder);
  await until(async () => assert.ok(await isWelcome(`${folder}/s`)), { withinMs });
});

test('a path that another server has taken meanwhile is left to it', { skip }, async () => {
  await using world = await makeWorld();
  const path = world.path('s');
  const door = await new Door(path).open();
  const other = createServer((socket) => socket.on('error', () => {}).end('theirs'));
  await new Promise<void>((resolve) => other.listen(world.path('other'), resolve));
  renameSync(world.path('other'), path);
  await until(() => assert.match(door.notes.at(-1) ?? '', /^cannot make .* again/), { withinMs });
  door[Symbol.dispose]();
  using client = new RawClient(path);
  await until(() => assert.equal(client.heard, 'theirs'), { withinMs });
  other.close();
});

test('the path goes with the listener', { skip }, async () => {
  await using world = await makeWorld();
  const path = world.path('s');
  const door = await new Door(path).open();
  door[Symbol.dispose]();
  assert.equal(existsSync(path), false);
});

const CONNECT = `
import os, socket, sys
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
try:
    s.connect(sys.argv[2])
    print(s.recv(99).decode())
except OSError as e:
    print(e)
`;

/** What a user hears who connects. */
async function heardBy(world: World, uid: number, path: string): Promise<string> {
  return (await world.run(['python3', '-c', CONNECT, String(uid), path])).stdout.trim();
}

test('another user is turned away, even where the file would let him in', {
  skip: skip || needsRoot || needs('python3'),
}, async () => {
  await using world = await makeWorld();
  const path = world.path('s');
  // It must not be a directory that keeps him out.
  for (const folder of [world.folder, world.cwd]) chmodSync(folder, 0o755);
  using door = await new Door(path).open();
  assert.match(await heardBy(world, NOBODY, path), /Permission denied/);
  chmodSync(path, 0o777);
  assert.equal(await heardBy(world, NOBODY, path), '');
  assert.equal(door.notes.at(-1), `refused a connection of another user to ${path}`);
  using _open = await new Door(world.path('open'), { mode: 0o777 }).open();
  assert.equal(await heardBy(world, NOBODY, world.path('open')), 'welcome');
  using _theirs = await new Door(world.path('theirs'), { owner: { uid: NOBODY, gid: NOBODY } }).open();
  assert.equal(await heardBy(world, NOBODY, world.path('theirs')), 'welcome');
  assert.equal(await heardBy(world, 0, world.path('theirs')), 'welcome');
});
