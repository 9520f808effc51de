// A lock on a directory for the few milliseconds in which a daemon is started or stopped. flock where it can be
// trusted: the kernel frees it with its owner, and locking the directory itself leaves no file behind.
// proper-lockfile elsewhere. Never held across the life of a daemon.
import { closeSync, constants, fstatSync, openSync, readFileSync, statfsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { LOCK_EX, LOCK_NB } from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { callLibc, isLibcAvailable } from '../../native-bindings/libc.js';
import { SystemError, systemError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';
import { monotonicMs } from './clock.js';

/** A thousand starts at once, one after the other on a slow machine; who waits longer waits for something broken. */
const PATIENCE_MS = 60_000;

/** statfs(2) numbers of file systems whose locks another machine may not see: NFS, SMB, CIFS, 9p, FUSE, AFS, Ceph, Lustre. */
const networkFileSystems: ReadonlySet<number> = new Set([
  0x6969, 0x517b, 0xfe534d42, 0xff534d42, 0x01021997, 0x65735546, 0x5346414f, 0x00c36400, 0x0bd00bd0,
]);

export interface DirectoryLock {
  /** Whether the lock still is ours; false once proper-lockfile found that its owner slept through the refresh. */
  isHeld(): boolean;
  [Symbol.dispose](): void;
}

/** Waits for the lock, at most a minute. Throws SystemError EAGAIN, naming the holder where the kernel tells. */
export function lockDirectory(directory: string): DirectoryLock {
  try {
    if (isLibcAvailable() && !networkFileSystems.has(statfsSync(encodeBytes(directory)).type >>> 0))
      return lockWithKernel(directory);
  } catch (error) {
    if (!(error instanceof LibcError)) throw systemError(`cannot lock ${directory}`, error, directory);
    // ENOLCK, EOPNOTSUPP, EBADF: this file system has no flock.
  }
  return lockWithFile(directory);
}

function lockWithKernel(directory: string): DirectoryLock {
  const { O_RDONLY, O_DIRECTORY } = constants;
  const descriptor = openSync(encodeBytes(directory), O_RDONLY | O_DIRECTORY);
  try {
    waitUntil(
      () => tryFlock(descriptor),
      () => heldBy(descriptor, directory),
    );
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  return { isHeld: () => true, [Symbol.dispose]: () => closeSync(descriptor) };
}

/** Throws LibcError for anything but "somebody else holds it". */
export function tryFlock(descriptor: number): boolean {
  try {
    callLibc('flock', descriptor, LOCK_EX | LOCK_NB);
    return true;
  } catch (error) {
    if (error instanceof LibcError && (error.code === 'EAGAIN' || error.code === 'EINTR')) return false;
    throw error;
  }
}

function heldBy(descriptor: number, directory: string): SystemError {
  const { ino } = fstatSync(descriptor);
  const holder = new RegExp(`FLOCK\\s+ADVISORY\\s+WRITE (\\d+) [^:]+:[^:]+:${ino} `).exec(readLocks());
  const attempt = `cannot lock ${directory}: held ${holder === null ? '' : `by process ${holder[1]} `}for more than ${PATIENCE_MS / 1000} s`;
  return new SystemError(attempt, { syscall: 'flock', errnoName: 'EAGAIN', path: directory });
}

function readLocks(): string {
  try {
    return readFileSync('/proc/locks', 'latin1');
  } catch {
    // Not Linux, or no /proc: the message goes without the holder.
    return '';
  }
}

function lockWithFile(directory: string): DirectoryLock {
  const lockfile = createRequire(import.meta.url)('proper-lockfile') as typeof import('proper-lockfile');
  let held = true;
  let release: (() => void) | undefined;
  const options = {
    realpath: false,
    lockfilePath: join(directory, '.tsdaemon.lock'),
    stale: 10_000,
    // The default throws out of a timer and kills the process; we ask before the decisive write instead.
    onCompromised: () => {
      held = false;
    },
  };
  let failure: unknown;
  waitUntil(
    () => {
      try {
        release = lockfile.lockSync(directory, options);
        return true;
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ELOCKED') return false;
        failure = error;
        return true;
      }
    },
    () =>
      new SystemError(`cannot lock ${directory}`, { syscall: 'mkdir', errnoName: 'EAGAIN', path: directory }),
  );
  if (release === undefined) throw systemError(`cannot lock ${directory}`, failure, directory);
  const unlock = release;
  return { isHeld: () => held, [Symbol.dispose]: () => held && unlock() };
}

/** Blocks this thread: the callers are short commands that have nothing else to do meanwhile. */
function waitUntil(attempt: () => boolean, failure: () => Error): void {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const deadline = monotonicMs() + PATIENCE_MS;
  for (let pauseMs = 1; !attempt(); pauseMs = Math.min(pauseMs * 2, 20)) {
    if (monotonicMs() > deadline) throw failure();
    // A spread keeps many waiters from asking in step.
    Atomics.wait(clock, 0, 0, pauseMs * (0.5 + Math.random()));
  }
}
