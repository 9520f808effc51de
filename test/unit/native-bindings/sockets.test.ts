// The structures of sockets, checked against the kernel: what it understands and what it fills in.
import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync } from 'node:fs';
import test from 'node:test';
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SO_PASSCRED,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
} from '../../../native-bindings/constants.js';
import { callLibc, isLibcAvailable } from '../../../native-bindings/libc.js';
import { controlSpace, ReceivedMessage, unixSocketAddress } from '../../../native-bindings/structs.js';
import { sendDatagram } from '../../fixtures/notify-sender.js';

const skip =
  (process.platform !== 'linux' && 'needs the structures of Linux') ||
  (!isLibcAvailable() && 'needs the native module of ffi-rs');

const NAME = `@tsdaemon-test-${process.pid}`;

/** A bound socket of this process, which also sends to it. */
function openReceiver(): number {
  const descriptor = callLibc('socket', AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  callLibc('setsockopt', descriptor, SOL_SOCKET, SO_PASSCRED, Buffer.of(1, 0, 0, 0), 4);
  const name = unixSocketAddress(Buffer.from(NAME))!;
  callLibc('bind', descriptor, name, name.length);
  return descriptor;
}

function receive(descriptor: number, message: ReceivedMessage): number {
  return callLibc('recvmsg', descriptor, message.header(), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
}

test('a path is ended by a NUL, an abstract name begins with one', { skip }, () => {
  assert.deepEqual(unixSocketAddress(Buffer.from('/a')), Buffer.from('\x01\x00/a\x00'));
  assert.deepEqual(unixSocketAddress(Buffer.from('@a')), Buffer.from('\x01\x00\x00a'));
});

test('what does not fit into an address is refused, not cut', { skip }, () => {
  assert.equal(unixSocketAddress(Buffer.from(`/${'x'.repeat(106)}`))?.length, 110);
  assert.equal(unixSocketAddress(Buffer.from(`/${'x'.repeat(107)}`)), null);
  assert.equal(unixSocketAddress(Buffer.from(`@${'x'.repeat(107)}`))?.length, 110);
  assert.equal(unixSocketAddress(Buffer.from(`@${'x'.repeat(108)}`)), null);
});

test('a message comes with its bytes, its sender and its descriptors, again and again', { skip }, () => {
  const receiver = openReceiver();
  const file = openSync('/dev/null', 'r');
  const message = new ReceivedMessage(64, controlSpace(12) + controlSpace(40));
  try {
    for (const count of [0, 1, 3, 0]) {
      const sent = Buffer.from(`with ${count}`);
      sendDatagram(NAME, sent, Array(count).fill(file));
      assert.deepEqual(message.data.subarray(0, receive(receiver, message)), sent);
      assert.equal(message.flags & MSG_TRUNC, 0);
      const controls = [...message.controlMessages()];
      const sender = controls.find(({ type }) => type === SCM_CREDENTIALS)!;
      assert.equal(sender.level, SOL_SOCKET);
      assert.deepEqual(
        [0, 4, 8].map((offset) => sender.data.readInt32LE(offset)),
        [process.pid, process.getuid!(), process.getgid!()],
      );
      const rights = controls.filter(({ type }) => type === SCM_RIGHTS).map(({ data }) => data);
      assert.deepEqual(
        rights.map((data) => data.length),
        count === 0 ? [] : [4 * count],
      );
      for (const data of rights)
        for (let offset = 0; offset < data.length; offset += 4) {
          assert.equal(fstatSync(data.readInt32LE(offset)).rdev, fstatSync(file).rdev);
          closeSync(data.readInt32LE(offset));
        }
    }
  } finally {
    closeSync(file);
    closeSync(receiver);
  }
});

test('a message that is longer than the buffer says so', { skip }, () => {
  const receiver = openReceiver();
  const message = new ReceivedMessage(8, controlSpace(12));
  try {
    sendDatagram(NAME, Buffer.from('nine byte'), []);
    assert.equal(receive(receiver, message), 8);
    assert.notEqual(message.flags & MSG_TRUNC, 0);
    sendDatagram(NAME, Buffer.from('8 bytes!'), []);
    assert.equal(receive(receiver, message), 8);
    assert.equal(message.flags & MSG_TRUNC, 0);
  } finally {
    closeSync(receiver);
  }
});

test('a socket that nobody wrote to says so and does not block', { skip }, () => {
  const receiver = openReceiver();
  try {
    assert.throws(() => receive(receiver, new ReceivedMessage(8, 64)), { code: 'EAGAIN' });
  } finally {
    closeSync(receiver);
  }
});
