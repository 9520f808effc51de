// What may be asked of a watchdog, as a caller writes it, and the policy that it means.
import { UsageError } from '../errors.js';
import { exitKinds, type Reach, type RestartPolicy, type ServiceSpec } from '../spec/service-spec.js';
import type { LogOptions } from './log-options.js';

/** Durations in milliseconds. */
export interface WatchOptions {
  /**
   * no: never. always: after every end. on-failure, unexpected: after every end but a clean one, which is an exit
   * with a code of `okExitCodes` (the words of systemd and of Supervisor for the same).
   */
  readonly restart: string;
  /** `0,2`. Default: 0. */
  readonly okExitCodes?: string | undefined;
  readonly delayMs?: number | undefined;
  readonly backoffMs?: number | undefined;
  readonly backoffFactor?: number | undefined;
  readonly backoffMaxMs?: number | undefined;
  readonly jitter?: number | undefined;
  readonly resetAfterMs?: number | undefined;
  /** -1: for ever. */
  readonly maxRestarts?: number | undefined;
  readonly withinMs?: number | undefined;
  readonly fatalRetryAfterMs?: number | undefined;
  readonly stayUpMs?: number | undefined;
  readonly readyTimeoutMs?: number | undefined;
  readonly killMode?: string | undefined;
  readonly watchdogPidfile?: string | undefined;
  readonly log?: LogOptions | undefined;
}

export function buildWatch(watch: WatchOptions | undefined): Pick<ServiceSpec, 'start' | 'restart'> {
  const stayUpMs = watch?.stayUpMs;
  return {
    start: {
      auto: true,
      readiness: stayUpMs === undefined ? 'exec' : 'stay-up',
      stayUpMs: stayUpMs ?? 0,
      timeoutMs: watch?.readyTimeoutMs ?? null,
    },
    restart: watch === undefined ? noRestart : buildPolicy(watch),
  };
}

function buildPolicy(watch: WatchOptions): RestartPolicy {
  const on = kindsFor(watch.restart);
  const maxRestarts = watch.maxRestarts ?? -1;
  if (!Number.isInteger(maxRestarts) || maxRestarts < -1)
    throw new UsageError(
      `cannot use --max-restarts '${maxRestarts}': expected a whole number, or -1`,
      '--max-restarts',
    );
  const jitter = watch.jitter ?? 0;
  if (jitter < 0 || jitter > 1)
    throw new UsageError(`cannot use --jitter '${jitter}': expected 0 to 1`, '--jitter');
  const backoffFactor = watch.backoffFactor ?? 1;
  if (backoffFactor < 1)
    throw new UsageError(
      `cannot use --backoff-factor '${backoffFactor}': expected 1 or more`,
      '--backoff-factor',
    );
  return {
    ...noRestart,
    on,
    onFailedStart: on,
    okExits: parseExitCodes(watch.okExitCodes ?? '0'),
    delayMs: watch.delayMs ?? 0,
    backoffMs: watch.backoffMs ?? 1000,
    backoffFactor,
    backoffMaxMs: watch.backoffMaxMs ?? 60_000,
    jitter,
    resetAfterMs: watch.resetAfterMs ?? 10_000,
    retries: maxRestarts === -1 ? null : maxRestarts,
    withinMs: watch.withinMs ?? null,
    fatalRetryAfterMs: watch.fatalRetryAfterMs ?? null,
  };
}

function kindsFor(restart: string): RestartPolicy['on'] {
  if (restart === 'no') return [];
  if (restart === 'always') return exitKinds;
  if (restart === 'on-failure' || restart === 'unexpected')
    return exitKinds.filter((kind) => kind !== 'clean');
  throw new UsageError(
    `cannot use --restart '${restart}': expected no, always, on-failure or unexpected`,
    '--restart',
  );
}

function parseExitCodes(given: string): number[] {
  return given.split(',').map((text) => {
    const code = /^\d{1,3}$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (!(code <= 255))
      throw new UsageError(
        `cannot use --ok-exit-codes '${given}': expected numbers from 0 to 255`,
        '--ok-exit-codes',
      );
    return code;
  });
}

/** Without a watchdog a daemon is one process to us, as it is to every pidfile. */
export function parseReach(watch: WatchOptions | undefined): Reach {
  const given = watch === undefined ? 'process' : (watch.killMode ?? 'group');
  if (given === 'process' || given === 'group' || given === 'tree') return given;
  throw new UsageError(`cannot use --kill-mode '${given}': expected process, group or tree`, '--kill-mode');
}

const noRestart: RestartPolicy = {
  on: [],
  onFailedStart: [],
  okExits: [0],
  neverAfter: [],
  alwaysAfter: [],
  delayMs: 0,
  backoffMs: 0,
  backoffFactor: 1,
  backoffMaxMs: null,
  jitter: 0,
  resetAfterMs: null,
  retries: null,
  withinMs: null,
  fatalRetryAfterMs: null,
};
