// What may be asked of a watchdog, as a caller writes it, and the policy that it means.
import { UsageError } from '../errors.js';
import {
  exitKinds,
  noRestart,
  type Reach,
  type RestartPolicy,
  type ServiceSpec,
  watchNothing,
} from '../spec/service-spec.js';
import { buildHealth, type HealthOptions } from './health-options.js';
import type { LogOptions } from './log-options.js';

/** Durations in milliseconds. */
export interface WatchOptions extends HealthOptions {
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
  readonly killMode?: string | undefined;
  readonly watchdogPidfile?: string | undefined;
  readonly log?: LogOptions | undefined;
}

export function buildWatch(
  watch: WatchOptions | undefined,
  path: (given: string, option: string) => string,
): Pick<ServiceSpec, 'start' | 'restart' | 'heartbeat' | 'watch'> {
  if (watch === undefined)
    return {
      start: { auto: true, readiness: 'exec', stayUpMs: 0, timeoutMs: null },
      restart: noRestart,
      heartbeat: null,
      watch: watchNothing,
    };
  return { ...buildHealth(watch, path), restart: buildPolicy(watch) };
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

/** Whom a stop reaches, first with its signal and then with SIGKILL. */
export function parseReach(
  watch: WatchOptions | undefined,
): Pick<ServiceSpec['stop'], 'reach' | 'killReach'> {
  // Without a watchdog a daemon is one process to us, as it is to every pidfile.
  const given = watch === undefined ? 'process' : (watch.killMode ?? defaultReach(watch));
  // The main process of a daemon ends its workers itself, in its own way; those that it forgets are killed.
  if (given === 'mixed') return { reach: 'process', killReach: 'tree' };
  if (given === 'process' || given === 'group' || given === 'tree') return { reach: given, killReach: given };
  throw new UsageError(
    `cannot use --kill-mode '${given}': expected process, group, tree or mixed`,
    '--kill-mode',
  );
}

const defaultReach = ({ daemonizes, programPidfile }: WatchOptions): Reach | 'mixed' =>
  daemonizes === true || programPidfile !== undefined ? 'mixed' : 'group';
