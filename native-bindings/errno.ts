import { constants } from 'node:os';

/** Made when something fails, which in most runs nothing does. */
let names: ReadonlyMap<number, string> | null = null;

/** ENOENT for 2; a number that has no name here is shown as it is. */
export function errnoName(errno: number): string {
  // EAGAIN and EWOULDBLOCK share a number; the first one listed is the usual name, and the last one entered counts.
  names ??= new Map(
    Object.entries(constants.errno)
      .reverse()
      .map(([name, number]) => [number, name]),
  );
  return names.get(errno) ?? `errno ${errno}`;
}

/** A libc function that reported failure. `syscall` is its name, `errno` the number, `code` the number's name. */
export class LibcError extends Error {
  override readonly name = 'LibcError';
  readonly syscall: string;
  readonly errno: number;
  readonly code: string;
  constructor(syscall: string, errno: number) {
    super(`${syscall}: ${errnoName(errno)}`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = errnoName(errno);
  }
}
