import { POLLIN } from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { callLibc } from '../../native-bindings/libc.js';
import { pollSet } from '../../native-bindings/structs.js';
import { monotonicMs } from './clock.js';

/** Blocks until the descriptor is readable or its other end is closed: true; or until the time is over: false. */
export const waitReadable = (descriptor: number, timeoutMs: number): boolean =>
  waitAnyReadable([descriptor], timeoutMs).length > 0;

/** Blocks until at least one of them is. Returns the places of those in the list; none: the time is over. */
export function waitAnyReadable(descriptors: readonly number[], timeoutMs: number): number[] {
  const deadline = monotonicMs() + timeoutMs;
  const set = pollSet.write([...descriptors], POLLIN);
  for (;;) {
    const left = Math.max(0, Math.min(Math.ceil(deadline - monotonicMs()), 2 ** 31 - 1));
    try {
      callLibc('poll', set, descriptors.length, left);
      return [...descriptors.keys()].filter((place) => pollSet.isReady(set, place));
    } catch (error) {
      if (!(error instanceof LibcError) || error.code !== 'EINTR') throw error;
    }
  }
}
