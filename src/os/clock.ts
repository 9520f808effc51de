/** Monotonic milliseconds, only for comparing. performance.now() would load perf_hooks, a millisecond at every start. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
