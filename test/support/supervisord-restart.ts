// The words of [program:x] that decide when it is up and whether it comes back.
import { exitKinds, type ServiceSpec } from '../../src/spec/service-spec.js';

/** Each with the default that Supervisor gives it already filled in. */
export interface RestartWords {
  readonly autostart: boolean;
  readonly startsecs: number;
  readonly startretries: number;
  readonly autorestart: boolean | 'unexpected';
  readonly exitcodes: readonly number[];
}

export function startAndRestart(words: RestartWords): Pick<ServiceSpec, 'start' | 'restart'> {
  const unexpected = exitKinds.filter((kind) => kind !== 'clean');
  const on = words.autorestart === 'unexpected' ? unexpected : words.autorestart ? exitKinds : [];
  return {
    start: {
      auto: words.autostart,
      readiness: words.startsecs === 0 ? 'exec' : 'stay-up',
      stayUpMs: words.startsecs * 1000,
      timeoutMs: null,
    },
    restart: {
      on,
      // An exit before startsecs is a failed start, exit code 0 and autorestart=false notwithstanding.
      onFailedStart: exitKinds,
      okExits: words.exitcodes,
      neverAfter: [],
      alwaysAfter: [],
      // Retry n waits n seconds; what was RUNNING comes back at once, and any number of times.
      delayMs: 0,
      backoffMs: 1000,
      backoffFactor: 1,
      backoffMaxMs: null,
      jitter: 0,
      resetAfterMs: 0,
      retries: words.startretries,
      withinMs: null,
      fatalRetryAfterMs: null,
    },
  };
}
