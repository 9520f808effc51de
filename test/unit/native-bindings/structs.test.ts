import assert from 'node:assert/strict';
import { type UserInfo, userInfo } from 'node:os';
import test from 'node:test';
import { RLIM_INFINITY, resourceLimits } from '../../../native-bindings/constants.js';
import { addressOf, callLibc, isLibcAvailable } from '../../../native-bindings/libc.js';
import {
  cString,
  passwdFields,
  pollSet,
  readCString,
  readWaitStatus,
  rlimit,
  signalSet,
} from '../../../native-bindings/structs.js';

const skip = !isLibcAvailable() && 'needs the native module of ffi-rs';

test('a C string ends with one NUL', () => {
  assert.equal(cString('ab').toString('hex'), '616200');
  assert.equal(cString('é').toString('hex'), 'c3a900');
  assert.equal(cString(Buffer.of(0xff)).toString('hex'), 'ff00');
  assert.equal(cString('').toString('hex'), '00');
});

test('bit n-1 of a signal set is signal n', () => {
  const bits = (signals: readonly number[]): string => signalSet(signals).readBigUInt64LE().toString(16);
  assert.equal(bits([]), '0');
  assert.equal(bits([1]), '1');
  assert.equal(bits([8, 9]), '180');
  assert.equal(bits([13, 25]), '1001000');
  assert.equal(bits([15, 15]), '4000');
  assert.equal(bits([64]), '8000000000000000');
});

test('a signal set has room for all that libc may write into it', () => {
  assert.equal(signalSet([64]).length, 128);
  assert.ok(
    signalSet([64])
      .subarray(8)
      .every((byte) => byte === 0),
  );
});

test('a resource limit comes back as it was written, the largest included', () => {
  for (const limit of [
    { soft: 0n, hard: 0n },
    { soft: 1024n, hard: 1_048_576n },
    { soft: 5n, hard: RLIM_INFINITY },
  ])
    assert.deepEqual(rlimit.read(rlimit.write(limit)), limit);
});

test('getrlimit fills a resource limit: the soft one first', { skip }, () => {
  const bytes = rlimit.empty();
  callLibc('getrlimit', resourceLimits.nofile!, bytes);
  const { soft, hard } = rlimit.read(bytes);
  assert.ok(soft > 2n && soft <= hard, `soft ${soft}, hard ${hard}`);
});

test('a poll set is descriptor and events, eight bytes each, and ready is what libc wrote back', () => {
  const set = pollSet.write([5, -1], 1);
  assert.equal(set.toString('hex'), '05000000' + '0100' + '0000' + 'ffffffff' + '0100' + '0000');
  assert.deepEqual(
    [0, 1].map((index) => pollSet.isReady(set, index)),
    [false, false],
  );
  set.writeInt16LE(0x10, 14);
  assert.deepEqual(
    [0, 1].map((index) => pollSet.isReady(set, index)),
    [false, true],
  );
});

test('a wait status is an exit code or a signal, with or without a core', () => {
  for (const [status, end] of [
    [0x0000, { code: 0, signal: null }],
    [0x0100, { code: 1, signal: null }],
    [0xff00, { code: 255, signal: null }],
    [0x0009, { code: null, signal: 9, dumpedCore: false }],
    [0x000f, { code: null, signal: 15, dumpedCore: false }],
    [0x008b, { code: null, signal: 11, dumpedCore: true }],
  ] as const)
    assert.deepEqual(readWaitStatus(status), end, status.toString(16));
});

/** os.userInfo() asks libc in Node's own way; null where this user has no entry. */
function ownEntry(): UserInfo<string> | null {
  try {
    return userInfo();
  } catch {
    // ENOENT: containers often run as a number without a name.
    return null;
  }
}

test('the fields of struct passwd lie where libc puts them', { skip }, (t) => {
  const own = ownEntry();
  if (own === null) return t.skip('needs a user with an entry in passwd');
  const [passwd, texts, result] = [Buffer.alloc(passwdFields.bytes), Buffer.alloc(65_536), Buffer.alloc(8)];
  callLibc('getpwuid_r', own.uid, passwd, texts, texts.length, result);
  const textAt = (offset: number): string =>
    readCString(Number(passwd.readBigUInt64LE(offset)), texts.length).toString();
  assert.equal(Number(result.readBigUInt64LE()), addressOf(passwd));
  assert.deepEqual(
    {
      username: textAt(passwdFields.name),
      uid: passwd.readUInt32LE(passwdFields.uid),
      gid: passwd.readUInt32LE(passwdFields.gid),
      homedir: textAt(passwdFields.directory),
      shell: textAt(passwdFields.shell),
    },
    { ...own },
  );
});
