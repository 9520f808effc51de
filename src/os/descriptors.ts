// Descriptors as numbers: pipes, and which of them survive an exec.
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { CLOSE_RANGE_CLOEXEC, linuxSyscalls } from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { addressOf, callLibc, whileReferenced } from '../../native-bindings/libc.js';
import { errnoNameOf } from '../errors.js';

/** Marks every descriptor above 2 close-on-exec. macOS does the same with a flag of posix_spawn instead. */
export function closeOnExecAboveTwo(): void {
  if (process.platform === 'darwin') return;
  try {
    callLibc('syscall', linuxSyscalls.close_range, 3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC, 0, 0, 0);
  } catch (error) {
    if (!(error instanceof LibcError)) throw error;
    // EINVAL before Linux 5.11, ENOSYS before 5.9 and under some sandboxes: close what we did not open ourselves.
    closeForeignDescriptors();
  }
}

/**
 * Node marks the descriptors that it inherits, but stops at the first closed number above 15; the higher ones are
 * not ours and nobody here uses them. Listed, not counted up to RLIMIT_NOFILE, which containers set to 1e9.
 */
function closeForeignDescriptors(): void {
  for (const entry of readdirSync('/proc/self/fd')) {
    const descriptor = Number(entry);
    if (descriptor > 15 && !isCloseOnExec(descriptor)) closeSync(descriptor);
  }
}

/** Linux, on every architecture. */
const O_CLOEXEC = 0o2000000;

function isCloseOnExec(descriptor: number): boolean {
  const flags = /^flags:\s*([0-7]+)/m.exec(readProcText(`/proc/self/fdinfo/${descriptor}`));
  return flags === null || (Number.parseInt(flags[1]!, 8) & O_CLOEXEC) !== 0;
}

function readProcText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // The descriptor that listed the directory is closed by now.
    return '';
  }
}

export function isOpen(descriptor: number): boolean {
  try {
    fstatSync(descriptor);
    return true;
  } catch (error) {
    if (errnoNameOf(error) === 'EBADF') return false;
    throw error;
  }
}

/** Makes `to` another name of `from`; the copy survives exec. */
export function duplicate(from: number, to: number): void {
  callLibc('dup2', from, to);
}

/** Clears close-on-exec without fcntl, which is variadic: a copy made by dup2 never has the flag. */
export function keepOnExec(descriptor: number): void {
  const spare = openSync('/dev/null', 'r');
  callLibc('dup2', descriptor, spare);
  callLibc('dup2', spare, descriptor);
  closeSync(spare);
}

/** A copy that an exec closes. */
export function copyCloseOnExec(descriptor: number): number {
  // There is no dup3 on macOS, and opening /dev/fd/N there is a dup.
  if (process.platform === 'darwin') return openSync(`/dev/fd/${descriptor}`, 'w');
  const spare = openSync('/dev/null', 'r');
  callLibc('dup3', descriptor, spare, O_CLOEXEC);
  return spare;
}

export interface Pipe {
  readonly read: number;
  readonly write: number;
}

/** Both ends would be inherited; a launcher marks everything above 2 before it starts a program. */
export function makePipe(): Pipe {
  const ends = Buffer.alloc(8);
  callLibc('pipe', ends);
  return { read: ends.readInt32LE(0), write: ends.readInt32LE(4) };
}

/** A pipe for this process alone: no program that is started, and no exec, inherits an end of it. */
export function makePrivatePipe(): Pipe {
  // posix_spawn closes there whatever is not asked for.
  if (process.platform === 'darwin') return makePipe();
  const ends = Buffer.alloc(8);
  whileReferenced([ends], () =>
    callLibc('syscall', linuxSyscalls.pipe2, addressOf(ends), O_CLOEXEC, 0, 0, 0, 0),
  );
  return { read: ends.readInt32LE(0), write: ends.readInt32LE(4) };
}

/** For descriptors that libc made: node:fs warns in a worker thread about one that it did not open. */
export function closeDescriptor(descriptor: number): void {
  callLibc('close', descriptor);
}

/** Short texts, to whoever listens still. */
export function writeText(descriptor: number, text: string): void {
  try {
    writeSync(descriptor, text);
  } catch (error) {
    // EPIPE: nobody does any more.
    if (errnoNameOf(error) !== 'EPIPE') throw error;
  }
}

/** For output that nobody must wait for: what its reader does not take is lost. */
export function writeIfHeard(descriptor: number, text: string): void {
  try {
    writeSync(descriptor, text);
  } catch {
    // EPIPE, EAGAIN, ENOSPC: nobody reads it any more, or too slowly.
  }
}
