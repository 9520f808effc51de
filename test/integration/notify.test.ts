// What a program says on NOTIFY_SOCKET is heard, and nobody else is.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, lstatSync, readdirSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  AF_UNIX,
  SO_PASSCRED,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
} from '../../native-bindings/constants.js';
import { callLibc } from '../../native-bindings/libc.js';
import { unixSocketAddress } from '../../native-bindings/structs.js';
import { parseNotifyMessage } from '../../src/core/notify-message.js';
import {
  type NotifyListener,
  type NotifySender,
  NotifySocket,
  notifyAddress,
} from '../../src/os/notify-socket.js';
import { ProgramTree } from '../../src/runtime/program-tree.js';
import { sendDatagram } from '../fixtures/notify-sender.js';
import { needs, needsLinux, needsRoot } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const skip = needsLinux;
const sender = fileURLToPath(new URL('../fixtures/notify-sender.js', import.meta.url));
const NOBODY = 65_534;

/** A listener that writes down everything. */
class Ear implements Disposable {
  readonly socket: NotifySocket;
  readonly texts: string[] = [];
  readonly senders: NotifySender[] = [];
  readonly refusals: string[] = [];

  constructor(address: string, rules: Partial<NotifyListener> = {}) {
    this.socket = NotifySocket.open(address, this.listener(rules));
  }

  listener(rules: Partial<NotifyListener> = {}): NotifyListener {
    return {
      mayNotify: () => true,
      heard: (bytes, from) => {
        this.texts.push(Buffer.from(bytes).toString());
        this.senders.push(from);
      },
      refused: (reason) => this.refusals.push(reason),
      ...rules,
    };
  }

  [Symbol.dispose](): void {
    this.socket[Symbol.dispose]();
  }
}

let names = 0;
/** Short, and of this test alone. */
const abstractName = (): string => `@tsdaemon-test-${process.pid}-${names++}`;

/** The message as it must look when everything worked. */
const send = (world: World, ear: Ear, ...args: readonly string[]) =>
  world.run([process.execPath, sender, ...args], { env: { NOTIFY_SOCKET: ear.socket.address } });

const heard = (ear: Ear, count: number): Promise<void> =>
  until(() => assert.equal(ear.texts.length + ear.refusals.length, count), { withinMs: 10_000 });

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

test('a message is heard with its sender', { skip }, async () => {
  await using world = await makeWorld();
  using ear = new Ear(world.path('notify'));
  const child = world.start([process.execPath, sender, 'READY=1\\nSTATUS=on'], {
    env: { NOTIFY_SOCKET: ear.socket.address },
  });
  await heard(ear, 1);
  assert.deepEqual(ear.texts, ['READY=1\nSTATUS=on']);
  assert.deepEqual(ear.senders, [{ pid: child.pid, uid: process.getuid!(), gid: process.getgid!() }]);
});

test('systemd-notify is understood, and is not made to wait for its barrier', {
  skip: skip || needs('systemd-notify'),
}, async () => {
  await using world = await makeWorld();
  using ear = new Ear(world.path('notify'));
  const start = performance.now();
  const outcome = await world.run(['systemd-notify', '--ready', '--status=all is well'], {
    env: { NOTIFY_SOCKET: ear.socket.address },
  });
  assert.deepEqual(outcome, { code: 0, signal: null, stdout: '', stderr: '' });
  assert.ok(performance.now() - start < 4000, 'it waited until it lost patience');
  const messages = ear.texts.map((text) => parseNotifyMessage(Buffer.from(text)));
  assert.equal(messages[0]?.lifecycle, 'ready');
  assert.equal(messages[0]?.status, 'all is well');
  assert.deepEqual(
    messages.slice(1).map(({ isBarrier }) => isBarrier),
    [true],
  );
});

test('messages are heard in order and none is lost, faster than they can be read', { skip }, async () => {
  await using world = await makeWorld();
  using ear = new Ear(world.path('notify'));
  const all = Array.from({ length: 300 }, (_, number) => `STATUS=${number}`);
  assert.equal((await send(world, ear, ...all)).code, 0);
  await heard(ear, all.length);
  assert.deepEqual(ear.texts, all);
});

test('only the process tree of the program is heard', { skip }, async () => {
  await using world = await makeWorld();
  let program: number | undefined;
  using ear = new Ear(world.path('notify'), {
    mayNotify: (pid) => new ProgramTree(() => false).owns(pid, program ?? null),
  });
  const env = { NOTIFY_SOCKET: ear.socket.address };
  // The sender is a grandchild in a session of its own.
  const script = 'exec 3<&0; setsid "$0" "$1" --stay STATUS=mine <&3 & wait';
  const child = world.start(['sh', '-c', script, process.execPath, sender], { env });
  program = child.pid;
  await heard(ear, 1);
  const stranger = world.start([process.execPath, sender, '--stay', 'STATUS=not mine'], { env });
  await heard(ear, 2);
  assert.deepEqual(ear.texts, ['STATUS=mine']);
  assert.deepEqual(ear.refusals, [
    `a message came from process ${stranger.pid}, which is not one of the program's`,
  ]);
  for (const each of [child, stranger]) each.stdin!.end();
});

test('another user is not heard, unless the program is his', { skip: skip || needsRoot }, async () => {
  await using world = await makeWorld();
  using ear = new Ear(abstractName());
  await send(world, ear, '--uid', String(NOBODY), 'READY=1');
  await heard(ear, 1);
  assert.deepEqual(ear.texts, []);
  assert.match(ear.refusals[0]!, /of user 65534, who is not the program's$/);

  using friend = new Ear(abstractName(), { alsoUids: [NOBODY] });
  await send(world, friend, '--uid', String(NOBODY), 'READY=1');
  await heard(friend, 1);
  assert.deepEqual(friend.texts, ['READY=1']);
  assert.equal(friend.senders[0]!.uid, NOBODY);
});

test('root is heard by the watchdog of another user', { skip: skip || needsRoot }, () => {
  using ear = new Ear(abstractName());
  process.seteuid!(NOBODY);
  try {
    sendDatagram(ear.socket.address, Buffer.from('READY=1'), []);
    ear.socket.drain();
  } finally {
    process.seteuid!(0);
  }
  assert.deepEqual(ear.texts, ['READY=1']);
});

test('a message of 4096 bytes is heard, a longer one is dropped whole', { skip }, async () => {
  using ear = new Ear(abstractName());
  const text = `STATUS=${'x'.repeat(4089)}`;
  sendDatagram(ear.socket.address, Buffer.from(text), []);
  sendDatagram(ear.socket.address, Buffer.from(`${text}y`), []);
  sendDatagram(ear.socket.address, Buffer.from('READY=1'), []);
  await heard(ear, 3);
  assert.deepEqual(ear.texts, [text, 'READY=1']);
  assert.deepEqual(ear.refusals, [`a message of process ${process.pid} is longer than 4096 bytes`]);
});

test('descriptors that come along are closed, as many as the kernel passes, also a stranger’s', {
  skip,
}, async () => {
  await using world = await makeWorld();
  using ear = new Ear(abstractName());
  using deaf = new Ear(abstractName(), { mayNotify: () => false });
  // The first wait opens what stays open: the pipe that wakes the waiting thread.
  sendDatagram(ear.socket.address, Buffer.from('first'), []);
  await heard(ear, 1);
  const before = openDescriptors();
  await send(world, ear, '--descriptors', '253', 'FDSTORE=1');
  await send(world, deaf, '--descriptors', '2', 'FDSTORE=1');
  await heard(ear, 2);
  await heard(deaf, 1);
  assert.equal(ear.texts[1], 'FDSTORE=1');
  assert.equal(openDescriptors(), before);
});

test('a message that is kept does not change when the next one comes', { skip }, async () => {
  const kept: Uint8Array[] = [];
  using ear = new Ear(abstractName(), { heard: (bytes) => kept.push(bytes) });
  for (const text of ['STATUS=one', 'STATUS=two']) sendDatagram(ear.socket.address, Buffer.from(text), []);
  ear.socket.drain();
  assert.deepEqual(
    kept.map((bytes) => Buffer.from(bytes).toString()),
    ['STATUS=one', 'STATUS=two'],
  );
});

test('an empty message is a message', { skip }, async () => {
  using ear = new Ear(abstractName());
  sendDatagram(ear.socket.address, Buffer.alloc(0), []);
  await heard(ear, 1);
  assert.deepEqual(ear.texts, ['']);
});

test('a sender that is gone when it is heard is no stranger', { skip }, async () => {
  await using world = await makeWorld();
  using ear = new Ear(world.path('notify'), {
    mayNotify: (pid) => new ProgramTree(() => true).owns(pid, null),
  });
  const env = { ...world.env, NOTIFY_SOCKET: ear.socket.address };
  // This one returns when the process has been reaped.
  assert.equal(spawnSync(process.execPath, [sender, 'READY=1'], { env }).status, 0);
  ear.socket.drain();
  assert.deepEqual(ear.texts, ['READY=1']);
});

test('the last words of a process that has ended are heard when they are asked for', { skip }, async () => {
  await using world = await makeWorld();
  using ear = new Ear(world.path('notify'));
  const env = { ...world.env, NOTIFY_SOCKET: ear.socket.address };
  assert.equal(spawnSync(process.execPath, [sender, 'STOPPING=1'], { env }).status, 0);
  assert.deepEqual(ear.texts, []);
  ear.socket.drain();
  assert.deepEqual(ear.texts, ['STOPPING=1']);
});

test('the path belongs to its owner alone, replaces what a killed watchdog left, and is removed', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const path = world.path('notify');
  // Never disposed of, like that of a watchdog that was killed.
  const left = callLibc('socket', AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const name = unixSocketAddress(Buffer.from(path))!;
  callLibc('bind', left, name, name.length);
  closeSync(left);
  const ear = new Ear(path);
  assert.equal(lstatSync(path).mode & 0o777, 0o600);
  assert.equal((await send(world, ear, 'READY=1')).code, 0);
  await heard(ear, 1);
  const before = openDescriptors();
  ear[Symbol.dispose]();
  ear[Symbol.dispose]();
  assert.equal(existsSync(path), false);
  assert.notEqual((await send(world, ear, 'READY=1')).code, 0, 'somebody still listens');
  await until(() => assert.ok(openDescriptors() < before), { withinMs: 5000 });
  assert.deepEqual(ear.texts, ['READY=1']);
});

test('a file that is no socket is not replaced', { skip }, async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('notify'), 'precious');
  const before = openDescriptors();
  assert.throws(() => new Ear(world.path('notify')), {
    code: 'TSD_SYSTEM',
    errnoName: 'EADDRINUSE',
    syscall: 'bind',
  });
  assert.equal(world.read('notify'), 'precious');
  assert.equal(openDescriptors(), before);
});

test('a socket goes into the directory where that fits, else under a name of its own', { skip }, () => {
  assert.equal(notifyAddress('/state/web', false), '/state/web/notify');
  for (const address of [notifyAddress(`/${'x'.repeat(101)}`, false), notifyAddress('/state/web', true)])
    assert.match(address, /^@tsdaemon-notify-\d+-\w+$/);
  assert.throws(() => new Ear(`/${'x'.repeat(107)}`), { errnoName: 'ENAMETOOLONG' });
});

test('a socket that was inherited is listened to, and what waits in it is heard', { skip }, async () => {
  const address = abstractName();
  const inherited = callLibc('socket', AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  callLibc('setsockopt', inherited, SOL_SOCKET, SO_PASSCRED, Buffer.of(1, 0, 0, 0), 4);
  const name = unixSocketAddress(Buffer.from(address))!;
  callLibc('bind', inherited, name, name.length);
  sendDatagram(address, Buffer.from('STATUS=before'), []);
  using ear = new Ear(abstractName());
  using adopted = NotifySocket.adopt(inherited, address, ear.listener());
  sendDatagram(adopted.address, Buffer.from('STATUS=after'), []);
  await heard(ear, 2);
  assert.deepEqual(ear.texts, ['STATUS=before', 'STATUS=after']);
});

test('a process that listens exits when it wants to', { skip }, async () => {
  await using world = await makeWorld();
  const module = new URL('../../src/os/notify-socket.js', import.meta.url).href;
  const code = `
    import { NotifySocket } from ${JSON.stringify(module)};
    NotifySocket.open(${JSON.stringify(abstractName())}, { mayNotify: () => true, heard() {}, refused() {} });
    setTimeout(() => process.exit(7), 50);`;
  const outcome = await world.run([process.execPath, '--input-type=module', '-e', code]);
  assert.equal(outcome.code, 7, outcome.stderr);
});
