import { constants } from 'node:os';

const names = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) {
  // EAGAIN and EWOULDBLOCK share a number; the first one listed is the usual name.
  if (!names.has(number)) names.set(number, name);
}

/** ENOENT for 2; a number that has no name here is shown as it is. */
export function errnoName(errno: number): string {
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
