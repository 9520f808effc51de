// Two kinds of time that must never meet, so the compiler keeps them apart.

/**
 * Monotonic milliseconds since boot: compared, added to, never shown. The clock is the machine's, not the process's,
 * so that a deadline still means the same to whoever takes over a service.
 */
export type Millis = number & { readonly [clock]: 'monotonic' };

/** Wall time in milliseconds since 1970: shown, never compared. */
export type EpochMs = number & { readonly [clock]: 'wall' };

declare const clock: unique symbol;

/** null is never, before and after. */
export function after(at: Millis, ms: number): Millis;
export function after(at: Millis, ms: number | null): Millis | null;
export function after(at: Millis, ms: number | null): Millis | null {
  return ms === null ? null : ((at + ms) as Millis);
}
