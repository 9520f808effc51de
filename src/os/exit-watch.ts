// Waiting for descriptors that libuv cannot watch (pidfds above all): one thread of its pool blocks in poll(2) for
// all of them, and wakes the event loop. No polling, no wake-ups while nothing happens.
import { readSync, writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { POLLIN } from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { callLibcInPool } from '../../native-bindings/libc.js';
import { pollSet } from '../../native-bindings/structs.js';
import { closeDescriptor, makePrivatePipe, type Pipe } from './descriptors.js';

const IN_WORKER_MS = 500;

const waiting = new Map<number, (isReadable: boolean) => void>();
/** Written to when the set changes, so that the blocked thread takes the new one. null: no thread is blocked. */
let wake: Pipe | null = null;

/** Resolves to true when the descriptor is readable or hung up, to false when the time is over. */
export function whenReadable(descriptor: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const settle = (isReadable: boolean): void => {
      waiting.delete(descriptor);
      clearTimeout(timer);
      wakeThread();
      resolve(isReadable);
    };
    waiting.set(descriptor, settle);
    if (Number.isFinite(timeoutMs)) timer = setTimeout(settle, Math.min(timeoutMs, 2 ** 31 - 1), false);
    if (wake === null) void watch();
    else wakeThread();
  });
}

/**
 * Ends a wait as if its time were over, so that its descriptor may be closed. The blocked thread holds the file itself
 * for a moment longer, which does no harm.
 */
export function stopWaiting(descriptor: number): void {
  waiting.get(descriptor)?.(false);
}

async function watch(): Promise<void> {
  const pipe = makePrivatePipe();
  wake = pipe;
  // process.exit joins the pool's threads and would hang on the blocked one.
  process.on('exit', wakeThread);
  try {
    while (waiting.size > 0) {
      const watched = [...waiting];
      const set = pollSet.write([pipe.read, ...watched.map(([descriptor]) => descriptor)], POLLIN);
      await pollOnce(set, watched.length + 1);
      if (pollSet.isReady(set, 0)) readSync(pipe.read, Buffer.alloc(512));
      watched.forEach(([descriptor, settle], index) => {
        // The number may be somebody else's by now: closed meanwhile (which counts as ready) and opened anew.
        if (waiting.get(descriptor) === settle && pollSet.isReady(set, index + 1)) settle(true);
      });
    }
  } finally {
    process.off('exit', wakeThread);
    wake = null;
    closeDescriptor(pipe.read);
    closeDescriptor(pipe.write);
  }
}

async function pollOnce(set: Buffer, count: number): Promise<void> {
  try {
    // A worker thread that is terminated runs no exit listener, and its end waits for the pool: so there not for ever.
    await callLibcInPool('poll', set, count, isMainThread ? -1 : IN_WORKER_MS);
  } catch (error) {
    // EINTR: a signal; the loop asks again.
    if (!(error instanceof LibcError) || error.code !== 'EINTR') throw error;
  }
}

function wakeThread(): void {
  if (wake !== null) writeSync(wake.write, '.');
}
