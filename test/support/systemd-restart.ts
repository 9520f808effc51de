// systemd's restart words as a RestartPolicy. Facts from systemd.service(5), systemd.unit(5) and runs of systemd 252.
import {
  type CodeOrSignal,
  type ExitKind,
  exitKinds,
  type RestartPolicy,
} from '../../src/spec/service-spec.js';

/** The words of [Service] and [Unit], each with the default that systemd gives it already filled in. */
export interface RestartWords {
  readonly restart:
    | 'no'
    | 'always'
    | 'on-success'
    | 'on-failure'
    | 'on-abnormal'
    | 'on-abort'
    | 'on-watchdog';
  readonly restartDelayMs: number;
  /** Both are needed for a wait that grows. */
  readonly restartSteps: number;
  readonly restartMaxDelayMs: number | null;
  readonly successExits: readonly CodeOrSignal[];
  readonly preventExits: readonly CodeOrSignal[];
  readonly forceExits: readonly CodeOrSignal[];
  readonly startLimitBurst: number;
  readonly startLimitIntervalMs: number;
}

/** The polite signals end a service cleanly, even when somebody else sends them. */
const cleanExits: readonly CodeOrSignal[] = [0, 'SIGHUP', 'SIGINT', 'SIGTERM', 'SIGPIPE'];

/** The table of systemd.service(5). An end that nobody saw counts as success. */
const kinds: { readonly [Word in RestartWords['restart']]: readonly ExitKind[] } = {
  no: [],
  always: exitKinds,
  'on-success': ['clean', 'unknown'],
  'on-failure': ['exit-code', 'signal', 'timeout', 'heartbeat-lost', 'over-memory', 'spawn-failed'],
  'on-abnormal': ['signal', 'timeout', 'heartbeat-lost', 'over-memory', 'spawn-failed'],
  'on-abort': ['signal'],
  'on-watchdog': ['heartbeat-lost'],
};

export function restartPolicy(words: RestartWords): RestartPolicy {
  const on = kinds[words.restart];
  const hasLimit = words.startLimitBurst > 0 && words.startLimitIntervalMs > 0;
  return {
    on,
    // To exit with 0 before READY=1 breaks the protocol, and that has the row of a timeout.
    onFailedStart: exitKinds.filter((kind) => on.includes(kind === 'clean' ? 'timeout' : kind)),
    okExits: [...cleanExits, ...words.successExits],
    neverAfter: words.preventExits,
    alwaysAfter: words.forceExits,
    delayMs: words.restartDelayMs,
    backoffMs: 0,
    ...growth(words),
    jitter: 0,
    // Running well for a while forgives nothing; only a start by hand does.
    resetAfterMs: null,
    // The limit counts starts, so a burst of 5 is 4 restarts.
    retries: hasLimit ? words.startLimitBurst - 1 : null,
    withinMs: hasLimit ? words.startLimitIntervalMs : null,
    fatalRetryAfterMs: null,
  };
}

/** Restart n waits base * (max / base) ** ((n - 1) / steps), so it reaches max at restart steps + 1. */
function growth(words: RestartWords): Pick<RestartPolicy, 'backoffFactor' | 'backoffMaxMs'> {
  const { restartDelayMs: base, restartSteps: steps, restartMaxDelayMs: max } = words;
  if (steps === 0 || base === 0 || max === null || max <= base)
    return { backoffFactor: 1, backoffMaxMs: null };
  return { backoffFactor: (max / base) ** (1 / steps), backoffMaxMs: max };
}
