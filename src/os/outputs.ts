// The files that a program's output goes to.
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  type Stats,
  statSync,
  truncateSync,
  unlinkSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errnoNameOf, errnoText, SystemError, systemError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';
import type { Sink } from '../spec/service-spec.js';
import { copyCloseOnExec } from './descriptors.js';

export interface OpenOutput {
  readonly descriptor: number;
  readonly path: string;
  /** Whether this call made the file; only such a file is removed when the start fails. */
  readonly created: boolean;
  /** Emptied at the last moment before the program starts, so that a failed start loses nothing. */
  readonly truncate: boolean;
  readonly isRegular: boolean;
}

/** A shell redirection's mode, cut by the umask. */
const FILE_MODE = 0o666;
/** nohup.out: POSIX asks for read and write by the owner alone, whatever the umask. */
const NOHUP_MODE = 0o600;

const { O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_APPEND, O_NOCTTY, O_NOFOLLOW } = constants;

export function openOutput(sink: Sink): OpenOutput {
  if (sink.kind === 'file') return openAppending(sink.path, FILE_MODE, sink.open === 'truncate', null);
  const failures: string[] = [];
  let last: unknown;
  for (const path of sink.candidates) {
    try {
      return openAppending(path, NOHUP_MODE, sink.open === 'truncate', NOHUP_MODE);
    } catch (error) {
      const errnoName = errnoNameOf(error instanceof Error ? error.cause : null);
      if (errnoName === null) throw error;
      failures.push(`${path}: ${errnoText(errnoName)}`);
      last = error;
    }
  }
  if (last instanceof SystemError && failures.length > 1)
    throw new SystemError(
      `cannot open ${failures.slice(0, -1).join('; ')}; ${sink.candidates.at(-1)}`,
      last,
      last,
    );
  throw last;
}

/**
 * O_APPEND always: two streams, a restart and logrotate's copytruncate then keep their places. O_NOCTTY: a log may
 * be a terminal, which must not become ours. Root follows no link that somebody else may have put there.
 */
function openAppending(path: string, mode: number, truncate: boolean, exactMode: number | null): OpenOutput {
  const bytes = encodeBytes(path);
  const flags = O_WRONLY | O_APPEND | O_NOCTTY | (process.geteuid?.() === 0 ? O_NOFOLLOW : 0);
  const attempt = `cannot open output ${path}`;
  try {
    // Asked first, for a restart finds its files there.
    let there = lstatSync(bytes, { throwIfNoEntry: false });
    if (there === undefined) {
      const descriptor = openNew(bytes, flags, mode);
      if (descriptor !== null) {
        if (exactMode !== null) fchmodSync(descriptor, exactMode);
        return { descriptor, path, created: true, truncate, isRegular: true };
      }
      there = lstatSync(bytes);
    }
    const descriptor = openExisting(path, there, flags);
    const isRegular = fstatSync(descriptor).isFile();
    return { descriptor, path, created: false, truncate: truncate && isRegular, isRegular };
  } catch (error) {
    throw systemError(attempt, error, path);
  }
}

/** null: somebody has made it meanwhile. */
function openNew(path: Buffer, flags: number, mode: number): number | null {
  try {
    return openSync(path, flags | O_CREAT | O_EXCL, mode);
  } catch (error) {
    if (errnoNameOf(error) === 'EEXIST') return null;
    throw error;
  }
}

/**
 * Opening a FIFO for writing blocks until somebody reads, which would hang the start. Read-write does not block on
 * Linux, and the program then has no SIGPIPE to fear when its reader goes away.
 */
function openExisting(path: string, there: Stats, flags: number): number {
  const bytes = encodeBytes(path);
  const isLink = there.isSymbolicLink();
  const followed = isLink && isTrusted(path, there) ? flags & ~O_NOFOLLOW : flags;
  const file = isLink ? statSync(bytes) : there;
  return openSync(bytes, file.isFIFO() ? (followed & ~O_WRONLY) | O_RDWR : followed);
}

/** A link of root's where nobody else can put one, as /dev/stdout or what an administrator has made of a log. */
function isTrusted(path: string, link: Stats): boolean {
  if (link.uid !== 0) return false;
  const folder = statSync(encodeBytes(dirname(path)));
  return folder.uid === 0 && (folder.mode & 0o022) === 0;
}

export function truncateOutput(output: OpenOutput): void {
  if (output.truncate) ftruncateSync(output.descriptor);
}

/** Closes; after a failed start also removes a file that this start made and nobody wrote to. */
export function closeOutput(output: OpenOutput, keep: boolean): void {
  const isEmpty = fstatSync(output.descriptor).size === 0;
  closeSync(output.descriptor);
  if (!keep && output.created && isEmpty) unlinkSync(encodeBytes(output.path));
}

/**
 * For a supervisor and its programs: appends to a file, with the mode cut by the umask. `/dev/stdout` and the like are
 * the supervisor's own streams, which cannot be opened by name where they are sockets. Throws SystemError.
 */
export function openLogOf(path: string): number {
  const own = OWN_STREAM.exec(path);
  if (own === null)
    return openOutput({ kind: 'file', path, open: 'append', rotation: null, lines: null }).descriptor;
  const [, number, name, other] = own;
  try {
    return copyCloseOnExec(Number(number ?? other ?? (name === 'out' ? 1 : 2)));
  } catch (error) {
    throw systemError(`cannot open output ${path}`, error, path);
  }
}

/**
 * A log that has been opened, to be read as well and without O_APPEND, which splice(2) refuses. null: it is no file, or
 * one that somebody else writes to by the same descriptor, or that we may not read.
 */
export function openForMoving(log: number, path: string): number | null {
  if (OWN_STREAM.test(path) || !fstatSync(log).isFile()) return null;
  try {
    return openSync(`/proc/self/fd/${log}`, O_RDWR | O_NOCTTY);
  } catch {
    // EACCES, or ENOENT where there is no /proc.
    return null;
  }
}

const OWN_STREAM = /^(?:\/dev\/(?:fd\/(\d+)|std(out|err))|\/proc\/self\/fd\/(\d+))$/;

/** What is no file has nothing to empty. Throws SystemError. */
export function truncateIfThere(path: string): void {
  const name = encodeBytes(path);
  try {
    if (statSync(name).isFile()) truncateSync(name);
  } catch (error) {
    if (errnoNameOf(error) !== 'ENOENT') throw systemError(`cannot empty log ${path}`, error, path);
  }
}
