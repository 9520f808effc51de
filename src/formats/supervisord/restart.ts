// The words of [program:x] that decide when it is up and whether it comes back.
import type { Readiness } from '../../spec/readiness.js';
import { exitKinds, type ServiceSpec } from '../../spec/service-spec.js';

/** Each with the default that Supervisor gives it already filled in. */
export interface RestartWords {
  readonly autostart: boolean;
  readonly startsecs: number;
  /** -1: any number. */
  readonly startretries: number;
  readonly autorestart: boolean | 'unexpected';
  readonly exitcodes: readonly number[];
}

/** Ours. What is missing or null leaves Supervisor's rule as it is. */
export interface ExtraWords {
  readonly ready?: Readiness | null;
  /** Milliseconds from here on. */
  readonly ready_timeout?: number;
  readonly restart_delay?: number | null;
  readonly backoff_factor?: number | null;
  readonly backoff_max?: number | null;
  readonly jitter?: number;
}

export function startAndRestart(words: RestartWords & ExtraWords): Pick<ServiceSpec, 'start' | 'restart'> {
  const unexpected = exitKinds.filter((kind) => kind !== 'clean');
  const on = words.autorestart === 'unexpected' ? unexpected : words.autorestart ? exitKinds : [];
  const grows = (words.backoff_factor ?? null) !== null;
  return {
    start: {
      auto: words.autostart,
      readiness: readinessOf(words),
      stayUpMs: words.startsecs * 1000,
      timeoutMs: (words.ready ?? null) === null ? null : (words.ready_timeout ?? null),
    },
    restart: {
      on,
      // An exit before startsecs is a failed start, exit code 0 and autorestart=false notwithstanding.
      onFailedStart: exitKinds,
      okExits: words.exitcodes,
      neverAfter: [],
      alwaysAfter: [],
      // Retry n waits n seconds; what was RUNNING comes back at once, and any number of times.
      delayMs: words.restart_delay ?? (grows ? 1000 : 0),
      backoffMs: grows ? 0 : 1000,
      backoffFactor: words.backoff_factor ?? 1,
      backoffMaxMs: words.backoff_max ?? null,
      jitter: words.jitter ?? 0,
      resetAfterMs: 0,
      retries: words.startretries === -1 ? null : words.startretries,
      withinMs: null,
      fatalRetryAfterMs: null,
    },
  };
}

function readinessOf({
  ready = null,
  startsecs,
}: RestartWords & ExtraWords): ServiceSpec['start']['readiness'] {
  if (ready === null) return startsecs === 0 ? 'exec' : 'stay-up';
  return ready.kind === 'exec' || ready.kind === 'stay-up' ? ready.kind : 'report';
}
