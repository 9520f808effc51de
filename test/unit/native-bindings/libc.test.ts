// The one way into libc: what it refuses, how failure comes back, and that addresses are what they say.
import assert from 'node:assert/strict';
import { closeSync, openSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import test from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LibcError } from '../../../native-bindings/errno.js';
import { addressOf, callLibc, callLibcInPool, isLibcAvailable } from '../../../native-bindings/libc.js';
import { BindingMissingError } from '../../../native-bindings/load-binding.js';
import {
  cString,
  OPAQUE_BYTES,
  pollSet,
  readCString,
  StringVector,
} from '../../../native-bindings/structs.js';

const fresh = new URL('../../../native-bindings/libc.js?fresh', import.meta.url).href;
const BUILT_FOR = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];
const platform = `${process.platform}-${process.arch}`;

const skip = !isLibcAvailable() && 'needs the native module of ffi-rs';

/** Above every pid_max. */
const NOBODY = 2 ** 31 - 1;
const CLOSED_DESCRIPTOR = 1_000_000;

/** A wrong call that the types would not let through; values of unknown origin have no types. */
const callUnchecked = callLibc as (name: string, ...args: readonly unknown[]) => number;

test('libc can be reached on the platforms that ffi-rs is built for', {
  skip: !BUILT_FOR.includes(platform) && `has no build for ${platform}`,
}, () => {
  assert.equal(isLibcAvailable(), true);
});

test('a missing native module is told by the names of the packages that would carry it', () => {
  const cause = new Error('not found');
  const error = new BindingMissingError(['@yuuang/a', '@yuuang/b'], cause);
  assert.match(error.message, /^cannot load the native module @yuuang\/a or @yuuang\/b: /);
  assert.equal(error.cause, cause);
  assert.match(new BindingMissingError([], cause).message, /ffi-rs \(no build for this platform\)/);
});

test('the native module is loaded by the first call, not by the import', { skip }, async () => {
  const libc = (await import(fresh)) as typeof import('../../../native-bindings/libc.js');
  assert.equal(libc.isLibcLoaded(), false);
  libc.callLibc('getpgid', 0);
  assert.equal(libc.isLibcLoaded(), true);
});

test('the targets that would be this group, init or every process are refused before libc is asked', {
  skip,
}, () => {
  // Signal 0 only: should the refusal ever be missing, nobody is harmed by this test.
  for (const target of [0, -0, 1, -1])
    assert.throws(() => callLibc('kill', target, 0), RangeError, String(target));
});

test('a target that would wrap around to every process is refused', { skip }, () => {
  // As a 32-bit number each of these is -1, 0 or 1.
  for (const target of [4_294_967_295, 4_294_967_296, 4_294_967_297, 2 ** 64, -4_294_967_297, 2 ** 31])
    assert.throws(() => callLibc('kill', target, 0), RangeError, String(target));
});

test('a target that is no whole number is refused', { skip }, () => {
  for (const target of [Number.NaN, 1.5, Number.POSITIVE_INFINITY, undefined, null, '4711', 4711n, true])
    assert.throws(() => callUnchecked('kill', target, 0), RangeError, String(target));
});

test('a target that is somebody is asked for: ourselves', { skip }, () => {
  assert.equal(callLibc('kill', process.pid, 0), 0);
});

const ranges: readonly (readonly [
  kind: string,
  name: string,
  before: readonly unknown[],
  wrong: readonly number[],
])[] = [
  ['i32', 'getpgid', [], [2 ** 31, -(2 ** 31) - 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]],
  ['u32', 'getpwuid_r', [], [-1, 2 ** 32, 0.5, Number.NaN]],
  ['i64', 'poll', [Buffer.alloc(8)], [2 ** 53, -(2 ** 53), 0.5, Number.NaN]],
  ['address', 'strnlen', [], [-2, 2 ** 53, 0.5, Number.NaN]],
];

for (const [kind, name, before, wrong] of ranges)
  test(`an argument outside of ${kind} is refused, and the message names function, value and kind`, {
    skip,
  }, () => {
    for (const value of wrong)
      assert.throws(
        () => callUnchecked(name, ...before, value, 0, 0, 0, 0),
        (error) => {
          assert.ok(error instanceof RangeError);
          assert.equal(error.message, `${name}: ${value} is not in the range of ${kind}`);
          return true;
        },
      );
  });

test('the outermost values of a range are passed on', { skip }, () => {
  for (const pid of [-(2 ** 31), 2 ** 31 - 1]) assert.throws(() => callLibc('getpgid', pid), LibcError);
  const [passwd, texts, result] = [Buffer.alloc(128), Buffer.alloc(4096), Buffer.alloc(8)];
  for (const uid of [0, 2 ** 32 - 1])
    assert.doesNotThrow(() => callLibc('getpwuid_r', uid, passwd, texts, texts.length, result));
});

test('what is no Buffer is no bytes', { skip }, () => {
  for (const wrong of ['text', 5, undefined, null, [1], new ArrayBuffer(8)])
    assert.throws(() => callUnchecked('getrlimit', 7, wrong), TypeError);
});

test('an argument that is missing is refused', { skip }, () => {
  assert.throws(() => callUnchecked('getpgid'), RangeError);
  assert.throws(() => callUnchecked('kill', process.pid), RangeError);
});

test('a function that is not in the table cannot be called', { skip }, () => {
  assert.throws(() => callUnchecked('getuid'), TypeError);
});

test('a failed call is an error with function, errno and its name', { skip }, () => {
  assert.throws(() => callLibc('getpgid', NOBODY), {
    name: 'LibcError',
    message: 'getpgid: ESRCH',
    syscall: 'getpgid',
    errno: constants.errno.ESRCH,
    code: 'ESRCH',
  });
  assert.throws(() => callLibc('flock', CLOSED_DESCRIPTOR, 2), { syscall: 'flock', code: 'EBADF' });
  assert.throws(() => callLibc('kill', NOBODY, 0), { syscall: 'kill', code: 'ESRCH' });
  assert.throws(() => callLibc('kill', process.pid, 1000), { syscall: 'kill', code: 'EINVAL' });
});

test('errno is of the call that failed, not of one before', { skip }, () => {
  for (let round = 0; round < 100; round += 1) {
    assert.throws(() => callLibc('getpgid', NOBODY), { code: 'ESRCH' });
    assert.throws(() => callLibc('dup2', CLOSED_DESCRIPTOR, 1_000_001), { code: 'EBADF' });
    assert.ok(callLibc('getpgid', 0) >= 0);
  }
});

test('a function that returns its error is understood: posix_spawn of a file that is not there', {
  skip,
}, () => {
  const [actions, attributes] = [Buffer.alloc(OPAQUE_BYTES), Buffer.alloc(OPAQUE_BYTES)];
  callLibc('posix_spawn_file_actions_init', actions);
  callLibc('posix_spawnattr_init', attributes);
  const argv = new StringVector([Buffer.from('x')]);
  const environment = new StringVector([]);
  const file = cString('/this-file-is-not-there/x');
  const spawn = (): number =>
    callLibc('posix_spawn', Buffer.alloc(4), file, actions, attributes, argv.address, environment.address);
  assert.throws(spawn, { name: 'LibcError', syscall: 'posix_spawn', code: 'ENOENT' });
  callLibc('posix_spawn_file_actions_destroy', actions);
  callLibc('posix_spawnattr_destroy', attributes);
});

test('a call in the pool answers, fails and is checked as one on this thread', { skip }, async () => {
  const descriptor = openSync('/dev/null', 'r');
  const POLLIN = 1;
  const set = pollSet.write([descriptor], POLLIN);
  assert.equal(await callLibcInPool('poll', set, 1, 0), 1);
  assert.ok(pollSet.isReady(set, 0), 'what libc wrote is seen in the Buffer');
  closeSync(descriptor);
  await assert.rejects(callLibcInPool('flock', CLOSED_DESCRIPTOR, 2), { syscall: 'flock', code: 'EBADF' });
  await assert.rejects(callLibcInPool('kill', -1, 0), RangeError);
});

test('a call in the pool lets this thread go on', { skip }, async () => {
  const ends = Buffer.alloc(8);
  callLibc('pipe', ends);
  const [readEnd, writeEnd] = [ends.readInt32LE(0), ends.readInt32LE(4)];
  const POLLIN = 1;
  const set = pollSet.write([readEnd], POLLIN);
  const polled = callLibcInPool('poll', set, 1, 5000);
  writeSync(writeEnd, 'x');
  assert.equal(await polled, 1, 'the byte that was written meanwhile was seen');
  for (const end of [readEnd, writeEnd]) closeSync(end);
});

test('an errno without a name here is shown by its number', () => {
  assert.deepEqual(
    { ...new LibcError('open', 99_999) },
    { name: 'LibcError', syscall: 'open', errno: 99_999, code: 'errno 99999' },
  );
});

test('an errno that two names share has the usual one', () => {
  assert.equal(new LibcError('flock', constants.errno.EAGAIN).code, 'EAGAIN');
});

test('an address is where the bytes are', { skip }, () => {
  // Large, so that it lies above what 32 bits can name.
  const own = Buffer.alloc(1_000_000);
  own.write('written later');
  assert.equal(readCString(addressOf(own), 100).toString(), 'written later');
  const pooled = Buffer.from('beside others');
  assert.equal(readCString(addressOf(pooled), pooled.length).toString(), 'beside others');
  assert.equal(addressOf(own.subarray(8)), addressOf(own) + 8);
  assert.equal(callLibc('memcpy', own, addressOf(pooled), 0), addressOf(own), 'libc says so too');
});

test('an address holds while the Buffer is referenced, however small, and whatever is collected', {
  skip,
}, () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const kept = [1, 8, 64, 65, 4096, 100_000].map((size) => Buffer.alloc(size, 'x'));
  const before = kept.map(addressOf);
  for (let round = 0; round < 3; round += 1) {
    Array.from({ length: 1000 }, () => Buffer.alloc(64));
    collect();
  }
  assert.deepEqual(kept.map(addressOf), before);
});

test('a string is read up to its NUL, and no further than asked', { skip }, () => {
  const bytes = Buffer.from('abc\0def\0');
  assert.equal(readCString(addressOf(bytes), 8).toString(), 'abc');
  assert.equal(readCString(addressOf(bytes), 2).toString(), 'ab');
  assert.equal(readCString(addressOf(bytes) + 3, 5).length, 0);
});

/** Reads a `char *v[]` as C does: pointer by pointer, until NULL. */
function readVector(address: number): Buffer[] {
  const strings: Buffer[] = [];
  const pointer = Buffer.alloc(8);
  for (let place = address; ; place += 8) {
    callLibc('memcpy', pointer, place, 8);
    const target = Number(pointer.readBigUInt64LE());
    if (target === 0) return strings;
    strings.push(readCString(target, 1_000_000));
  }
}

test('a vector of strings is what execve reads: pointers, NULL, and every byte of every string', {
  skip,
}, () => {
  for (const strings of [
    [],
    [''],
    ['sleep', '300'],
    ['', 'a', '', 'b c', '-x', 'a\nb'],
    ['x'.repeat(100_000), 'y'],
    Array.from({ length: 5000 }, (_, index) => `NAME_${index}=${index}`),
  ]) {
    const vector = new StringVector(strings.map((text) => Buffer.from(text)));
    assert.deepEqual(readVector(vector.address).map(String), strings);
  }
  const odd = [Buffer.from([0xff, 0xfe]), Buffer.from([0xc3])];
  assert.deepEqual(readVector(new StringVector(odd).address), odd);
});

test('a vector that is written again holds what was written last, whether it is shorter or longer', {
  skip,
}, () => {
  const vector = new StringVector(['first', 'of', 'three'].map((text) => Buffer.from(text)));
  for (const strings of [['a'], [], ['longer', 'than', 'it', 'was', 'before'], ['one', 'two']]) {
    vector.write(strings.map((text) => Buffer.from(text)));
    assert.deepEqual(readVector(vector.address).map(String), strings);
  }
});

test('a vector lies in one block, the strings behind the pointers and each with its NUL', { skip }, () => {
  const { address, block } = new StringVector([Buffer.from('ab'), Buffer.from('c')]);
  assert.equal(addressOf(block), address);
  assert.equal(block.length, 3 * 8 + 3 + 2);
  const pointers = [0, 8, 16].map((offset) => Number(block.readBigUInt64LE(offset)));
  assert.deepEqual(pointers, [address + 24, address + 27, 0]);
  assert.equal(block.toString('latin1', 24), 'ab\0c\0');
});
