// A lock that says when a process that was killed is gone entirely. For its parent it is gone while a thread of it
// may still be inside the kernel, in the middle of a call on a slow disk; its descriptors, and the flocks on them,
// live until that call is over.
import { constants } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { LibcError } from '../../native-bindings/errno.js';
import { monotonicMs } from './clock.js';
import { tryFlock } from './lock.js';

const PATIENCE_MS = 30_000;
const PAUSE_MS = 5;

/** Holds until the descriptor is closed. Throws LibcError EWOULDBLOCK where another one lives and holds it. */
export async function lockForLife(descriptor: number): Promise<void> {
  const deadline = monotonicMs() + PATIENCE_MS;
  while (!tryFlock(descriptor)) {
    if (monotonicMs() > deadline) throw new LibcError('flock', constants.errno.EAGAIN);
    await pause(PAUSE_MS);
  }
}
