import type { Millis } from '../spec/time.js';

/** Monotonic milliseconds, only for comparing. performance.now() would load perf_hooks, a millisecond at every start. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Monotonic since boot, so that a successor's clock is the same. */
export const now = (): Millis => monotonicMs() as Millis;
