import { setPriority } from 'node:os';
import { SystemError } from '../errors.js';

/** The nice value of this process, and so of what it starts. */
export function setNice(nice: number): void {
  try {
    setPriority(0, nice);
  } catch (error) {
    // Node wraps the errno of os functions in `info`.
    const info = error instanceof Error && 'info' in error ? (error.info as { code?: string }) : {};
    throw new SystemError(
      `cannot set nice value ${nice}`,
      { syscall: 'setpriority', errnoName: info.code ?? 'EINVAL' },
      error,
    );
  }
}
