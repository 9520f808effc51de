// The pace at which a pipe is emptied: at once when somebody writes, not for each of many small pieces, and never so long
// that everybody else has to wait.
import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs } from './clock.js';
import { whenReadable } from './exit-watch.js';

/**
 * A program that writes so little at a time is left alone for a moment, in which it can write no more than the pipe
 * holds at its present speed: else each of its lines would wake us.
 */
const FEW_BYTES = 16_384;
const GATHER_MS = 5;

/** How many bytes were moved, or when it is worth another attempt. */
export type Step = number | { readonly retryMs: number };

/** Takes one step after the other while there is something in the pipe, until it is aborted. */
export async function pump(
  pipe: number,
  closing: AbortSignal,
  step: () => Step | Promise<Step>,
): Promise<void> {
  for (let before = monotonicMs(); !closing.aborted; ) {
    const moved = await step();
    const now = monotonicMs();
    if (typeof moved !== 'number') await pauseUnless(closing, moved.retryMs);
    else if (moved < FEW_BYTES) {
      if (moved > 0 && (moved / (now - before)) * GATHER_MS < FEW_BYTES)
        await pauseUnless(closing, GATHER_MS);
      if (!closing.aborted) await whenReadable(pipe, Number.POSITIVE_INFINITY);
    } else await eventLoop();
    before = now;
  }
}

async function pauseUnless(closing: AbortSignal, waitMs: number): Promise<void> {
  // AbortError: there is nothing left to wait for.
  await pause(waitMs, undefined, { signal: closing }).catch(() => undefined);
}

/** Lets everybody else have a turn: what a program writes at full speed never ends. */
export function eventLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
