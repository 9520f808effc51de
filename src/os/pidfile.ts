// Pidfiles: `PID\n`, written whole or not at all, never through a link, never believed without a look at who may
// have written them.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isLibcAvailable } from '../../native-bindings/libc.js';
import { errnoNameOf, systemError, UsageError } from '../errors.js';
import { decodeBytes, encodeBytes } from '../spec/byte-text.js';
import type { PidfileContent } from '../spec/daemon-record.js';
import { tryFlock } from './lock.js';

/** pid_max of 64-bit Linux; the other systems have less. */
const PID_MAX = 4_194_304;

/** One name for one file: the directory's links are resolved, the last component is kept as it is. */
export function canonicalPidfile(path: string): string {
  const folder = dirname(path);
  try {
    return join(decodeBytes(realpathSync.native(encodeBytes(folder), 'buffer')), basename(path));
  } catch (error) {
    throw systemError(`cannot use pidfile ${path}`, error, path);
  }
}

/** What stands there. Never follows a link in the last component and never blocks on a FIFO. */
export function readPidfile(path: string): PidfileContent {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  let descriptor: number;
  try {
    descriptor = openSync(encodeBytes(path), O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  } catch (error) {
    const errnoName = errnoNameOf(error);
    if (errnoName === 'ENOENT') return { kind: 'absent' };
    if (errnoName === 'ELOOP') return unusable('is a symbolic link');
    if (errnoName === 'ENXIO') return unusable('is a socket');
    throw systemError(`cannot read pidfile ${path}`, error, path);
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) return unusable(`is ${kindOf(stats)}, not a regular file`);
    if (stats.size === 0) return { kind: 'empty' };
    const bytes = Buffer.alloc(64);
    const text = bytes.toString('latin1', 0, readSync(descriptor, bytes, 0, bytes.length, 0));
    const pid = parsePid(text);
    if (pid === null) return unusable('holds no pid');
    const folder = statSync(encodeBytes(dirname(path)));
    return { kind: 'pid', pid, writtenAt: stats.mtimeMs, trusted: isOurs(stats) && mayBeBelieved(folder) };
  } finally {
    closeSync(descriptor);
  }
}

const unusable = (reason: string): PidfileContent => ({ kind: 'unusable', reason });

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a FIFO';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/** Blanks around it are fine, a second line too (postmaster.pid); 0, 1, signs and overflow are not a pid. */
export function parsePid(text: string): number | null {
  const match = /^[ \t]*([1-9][0-9]{0,9})[ \t\r]*(?:\n|$)/.exec(text);
  const pid = match === null ? 0 : Number(match[1]);
  return pid > 1 && pid <= PID_MAX ? pid : null;
}

function isOurs(stats: Stats): boolean {
  const self = process.geteuid!();
  return (stats.uid === self || stats.uid === 0) && (stats.mode & 0o022) === 0 && stats.nlink === 1;
}

/** A directory that others can write to lets them exchange the file, unless it is sticky (/tmp) and they do not own it. */
function mayBeBelieved(folder: Stats): boolean {
  const self = process.geteuid!();
  const STICKY = 0o1000;
  if (folder.uid !== self && folder.uid !== 0) return false;
  return (folder.mode & 0o022) === 0 || (folder.mode & STICKY) !== 0;
}

/** Refuses what must not be replaced: links, special files, files of another owner. Called before anything starts. */
export function checkPidfilePlace(path: string): void {
  const attempt = `cannot use pidfile ${path}`;
  let stats: Stats;
  try {
    stats = lstatSync(encodeBytes(path));
  } catch (error) {
    if (errnoNameOf(error) === 'ENOENT') return;
    throw systemError(attempt, error, path);
  }
  if (stats.isSymbolicLink()) throw new UsageError(`${attempt}: is a symbolic link`, '--pidfile');
  if (!stats.isFile())
    throw new UsageError(`${attempt}: is ${kindOf(stats)}, not a regular file`, '--pidfile');
  if (stats.uid !== process.geteuid!())
    throw new UsageError(`${attempt}: belongs to user ${stats.uid}`, '--pidfile');
}

/** Whether somebody holds a flock on the file, as daemonize() here and pidfile(3) of the BSDs do for life. */
export function isLockedByOther(path: string): boolean {
  if (!isLibcAvailable()) return false;
  let descriptor: number;
  try {
    descriptor = openSync(
      encodeBytes(path),
      constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW,
    );
  } catch (error) {
    // ENOENT: it was removed since it was read, so nobody holds it.
    if (errnoNameOf(error) === 'ENOENT') return false;
    throw systemError(`cannot read pidfile ${path}`, error, path);
  }
  try {
    return !tryFlock(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Replaces the file in one step; 0644, which nobody's umask makes more of. */
export function writePidfile(path: string, pid: number): void {
  const attempt = `cannot write pidfile ${path}`;
  const temporary = encodeBytes(join(dirname(path), `.${basename(path)}.${process.pid}.tmp`));
  try {
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const descriptor = openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
    try {
      writeSync(descriptor, `${pid}\n`);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, encodeBytes(path));
  } catch (error) {
    removeIfThere(temporary);
    throw systemError(attempt, error, path);
  }
}

/** Removes the file, but only while it still names this pid: a newer daemon may have taken its place. */
export function removePidfile(path: string, pid: number): void {
  const content = readPidfile(path);
  if (content.kind === 'pid' && content.pid === pid) removeIfThere(encodeBytes(path));
}

function removeIfThere(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch (error) {
    // ENOENT: somebody was faster, which is what we wanted.
    if (errnoNameOf(error) !== 'ENOENT') throw systemError(`cannot remove ${decodeBytes(path)}`, error);
  }
}

/** Of a program that runs already: on a full disk it runs all the same, and must not be lost for that. */
export function writeOptionalPidfile(
  path: string | null,
  pid: number,
  host: { complain(attempt: string, error: unknown): void },
): void {
  try {
    if (path !== null) writePidfile(path, pid);
  } catch (error) {
    host.complain(`cannot write pidfile ${path}`, error);
  }
}
