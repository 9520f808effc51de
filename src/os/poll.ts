import { POLLIN } from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { callLibc } from '../../native-bindings/libc.js';
import { pollSet } from '../../native-bindings/structs.js';
import { monotonicMs } from './clock.js';

/** Blocks until the descriptor is readable or its other end is closed: true; or until the time is over: false. */
export function waitReadable(descriptor: number, timeoutMs: number): boolean {
  const deadline = monotonicMs() + timeoutMs;
  for (;;) {
    const left = Math.max(0, Math.min(Math.ceil(deadline - monotonicMs()), 2 ** 31 - 1));
    try {
      return callLibc('poll', pollSet.write([descriptor], POLLIN), 1, left) > 0;
    } catch (error) {
      if (!(error instanceof LibcError) || error.code !== 'EINTR') throw error;
    }
  }
}
