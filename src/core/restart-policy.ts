// What the end of a run means: its kind, whether it brings the service back, after how long, and when to give up.
// All of systemd's Restart= and of Supervisor's autorestart are values of RestartPolicy; there is no case for either.
import type { CodeOrSignal, ExitKind, RestartPolicy, SignalName } from '../spec/service-spec.js';
import type { Millis } from '../spec/time.js';

/** How a run ended, as the os saw it; `unseen` where it could not see. */
export type Ending =
  | { readonly how: 'exited'; readonly code: number }
  | { readonly how: 'killed'; readonly signal: SignalName; readonly dumpedCore?: boolean }
  | { readonly how: 'not-spawned'; readonly reason: string }
  | { readonly how: 'unseen' };

/** How a run ended, and what that means. The kind is the first thing that went wrong: a hung program dies by a signal. */
export interface Exit {
  readonly kind: ExitKind;
  readonly ending: Ending;
}

/** What is held against a service. A start on request forgives it all. */
export interface Tally {
  /** Runs in a row that did not last. */
  readonly failures: number;
  /** Starts since the window was opened, the one that opened it included. */
  readonly starts: number;
  readonly windowOpenedAt: Millis;
}

export const firstStart = (at: Millis): Tally => ({ failures: 0, starts: 1, windowOpenedAt: at });

/** Adds a run that was ready for upMs to the tally; null if it never was. */
export function countRun(tally: Tally, upMs: number | null, { resetAfterMs }: RestartPolicy): Tally {
  const lasted = upMs !== null && resetAfterMs !== null && upMs >= resetAfterMs;
  return { ...tally, failures: lasted ? 0 : tally.failures + 1 };
}

/** Adds a start to the tally. The first start after a window has run out opens the next one. */
export function countStart(tally: Tally, at: Millis, { withinMs }: RestartPolicy): Tally {
  return withinMs !== null && at - tally.windowOpenedAt > withinMs
    ? { ...tally, starts: 1, windowOpenedAt: at }
    : { ...tally, starts: tally.starts + 1 };
}

/** Why the last start in the tally must not happen; null if it may. */
export function whyGiveUp({ failures, starts }: Tally, { retries, withinMs }: RestartPolicy): string | null {
  if (retries === null) return null;
  if (withinMs === null) return failures > retries ? `failures in a row: ${failures}` : null;
  // The start that opened the window was no restart, so 4 retries are 5 starts.
  return starts > retries + 1 ? `starts within ${withinMs / 1000} s: ${starts - 1}` : null;
}

export function kindOf(ending: Ending, { okExits }: RestartPolicy): ExitKind {
  switch (ending.how) {
    case 'exited':
      return okExits.includes(ending.code) ? 'clean' : 'exit-code';
    case 'killed':
      return okExits.includes(ending.signal) ? 'clean' : 'signal';
    case 'not-spawned':
      return 'spawn-failed';
    case 'unseen':
      return 'unknown';
  }
}

export function bringsBack({ kind, ending }: Exit, wasReady: boolean, policy: RestartPolicy): boolean {
  const mark = codeOrSignal(ending);
  if (mark !== null && policy.neverAfter.includes(mark)) return false;
  if (mark !== null && policy.alwaysAfter.includes(mark)) return true;
  return (wasReady ? policy.on : policy.onFailedStart).includes(kind);
}

function codeOrSignal(ending: Ending): CodeOrSignal | null {
  if (ending.how === 'exited') return ending.code;
  return ending.how === 'killed' ? ending.signal : null;
}

/** The wait before the next start, after so many failures in a row; `random` is from 0 to 1. */
export function waitMs(failures: number, random: number, policy: RestartPolicy): number {
  const { delayMs, backoffMs, backoffFactor, backoffMaxMs, jitter } = policy;
  // The power of a long-lived crash loop is Infinity, and 0 * Infinity would be no number.
  const growth = Math.min(backoffFactor ** Math.max(0, failures - 1), Number.MAX_VALUE);
  const wait = Math.min(delayMs * growth + failures * backoffMs, backoffMaxMs ?? LONGEST_WAIT_MS);
  return wait * (1 - jitter * random);
}

/** A year. Nobody waits for more, and the sum with any time is exact. */
const LONGEST_WAIT_MS = 365 * 24 * 3_600_000;
