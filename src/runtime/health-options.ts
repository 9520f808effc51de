// What may be asked of a watchdog beside restarts, as a caller writes it: when a program is ready, whether it is
// healthy, what starts it again, and which process it is.
import { UsageError } from '../errors.js';
import { isProbeTarget, parseReadiness, type Readiness, readinessForms } from '../spec/readiness.js';
import type { ProbeTarget, ServiceSpec, Watch } from '../spec/service-spec.js';

/** Durations in milliseconds. */
export interface HealthOptions {
  /** exec, stay-up, notify, fd:N, tcp:HOST:PORT, http://URL, log:REGEX or cmd:COMMAND. Default: exec. */
  readonly ready?: string | undefined;
  /** The same as `ready: 'fd:N'`. */
  readonly readyFd?: number | undefined;
  /** Ready when it stayed up for so long. */
  readonly stayUpMs?: number | undefined;
  /** Default: 30,000. */
  readonly readyTimeoutMs?: number | undefined;
  /** tcp:HOST:PORT, http://URL or cmd:COMMAND, asked again and again once it is ready. */
  readonly liveness?: string | undefined;
  /** How often that, and the memory, is looked at. Default: 10,000. */
  readonly livenessIntervalMs?: number | undefined;
  /** How long an answer may take. Default: 5000. */
  readonly livenessTimeoutMs?: number | undefined;
  /** So many in a row mean that it hangs. Default: 3. */
  readonly livenessFailures?: number | undefined;
  /** It must send WATCHDOG=1 to NOTIFY_SOCKET at least this often. */
  readonly heartbeatMs?: number | undefined;
  /** What ends a program that hangs. Default: SIGABRT. */
  readonly abortSignal?: string | undefined;
  /** A number of bytes, or with K, M or G. */
  readonly maxMemory?: number | string | undefined;
  /** It goes into the background by itself. */
  readonly daemonizes?: boolean | undefined;
  /** The pidfile that it writes then. */
  readonly programPidfile?: string | undefined;
  /** A change at or below one of these restarts it. */
  readonly watchPaths?: readonly string[] | undefined;
  /** Started at these times, never twice at once. */
  readonly cron?: string | undefined;
}

/** `path` makes a caller's path absolute, or throws naming the option. */
export function buildHealth(
  options: HealthOptions,
  path: (given: string, option: string) => string,
): Pick<ServiceSpec, 'start' | 'heartbeat' | 'watch'> {
  const daemonizes = parseDaemonizes(options, path);
  const ready = parseReady(options, daemonizes !== null);
  const everyMs = atLeast(100, options.livenessIntervalMs ?? 10_000, '--liveness-interval');
  const heartbeatMs = options.heartbeatMs;
  return {
    start: {
      auto: true,
      readiness: ready.kind === 'exec' || ready.kind === 'stay-up' ? ready.kind : 'report',
      stayUpMs: ready.kind === 'stay-up' ? (options.stayUpMs ?? 1000) : 0,
      timeoutMs: options.readyTimeoutMs ?? (ready.kind === 'exec' ? null : READY_TIMEOUT_MS),
    },
    heartbeat: heartbeatMs === undefined ? null : { everyMs: atLeast(1, heartbeatMs, '--heartbeat') },
    watch: {
      report: ready.kind === 'exec' || ready.kind === 'stay-up' || ready.kind === 'background' ? null : ready,
      liveness: parseLiveness(options, everyMs),
      memory: options.maxMemory === undefined ? null : { maxBytes: parseBytes(options.maxMemory), everyMs },
      daemonizes,
      paths: (options.watchPaths ?? []).map((given) => path(given, '--watch')),
      cron: options.cron ?? null,
    },
  };
}

/** How long `run` waits too, for whom nothing else is said. */
export const READY_TIMEOUT_MS = 30_000;

function parseReady(
  options: HealthOptions,
  daemonizes: boolean,
): Readiness | { readonly kind: 'background' } {
  const { ready, readyFd, stayUpMs } = options;
  if (ready !== undefined && readyFd !== undefined)
    throw new UsageError('cannot use both --ready and --ready-fd', '--ready-fd');
  const word = readyFd === undefined ? ready : `fd:${readyFd}`;
  if (word === undefined) {
    if (stayUpMs !== undefined) return { kind: 'stay-up' };
    return daemonizes ? { kind: 'background' } : { kind: 'exec' };
  }
  const option = readyFd === undefined ? '--ready' : '--ready-fd';
  const readiness = parseReadiness(word);
  if (readiness.kind === 'unreadable')
    throw new UsageError(`cannot use ${option} '${readyFd ?? word}': ${readiness.reason}`, option);
  if (stayUpMs !== undefined && readiness.kind !== 'stay-up')
    throw new UsageError(`cannot use --stay-up with ${option} ${readyFd ?? word}`, '--stay-up');
  if (daemonizes && readiness.kind === 'exec')
    throw new UsageError(
      'cannot use --ready exec with --daemonizes: it is ready when it is in the background',
      option,
    );
  return readiness;
}

function parseLiveness(options: HealthOptions, everyMs: number): Watch['liveness'] {
  const { liveness, livenessFailures = 3, livenessTimeoutMs } = options;
  if (liveness === undefined) {
    if (options.livenessIntervalMs !== undefined && options.maxMemory === undefined)
      throw new UsageError(
        'cannot use --liveness-interval without --liveness or --max-memory',
        '--liveness-interval',
      );
    for (const [option, given] of [
      ['--liveness-failures', options.livenessFailures],
      ['--liveness-timeout', livenessTimeoutMs],
    ] as const)
      if (given !== undefined) throw new UsageError(`cannot use ${option} without --liveness`, option);
    return null;
  }
  if (!Number.isInteger(livenessFailures) || livenessFailures < 1)
    throw new UsageError(
      `cannot use --liveness-failures '${livenessFailures}': expected 1 or more`,
      '--liveness-failures',
    );
  return {
    probe: parseProbe(liveness),
    everyMs,
    timeoutMs: atLeast(1, livenessTimeoutMs ?? 5000, '--liveness-timeout'),
    failures: livenessFailures,
  };
}

function parseProbe(word: string): ProbeTarget {
  const target = parseReadiness(word);
  if (target.kind === 'unreadable' && !target.reason.includes(readinessForms))
    throw new UsageError(`cannot use --liveness '${word}': ${target.reason}`, '--liveness');
  if (target.kind === 'unreadable' || !isProbeTarget(target))
    throw new UsageError(
      `cannot use --liveness '${word}': expected tcp:HOST:PORT, http://URL, https://URL or cmd:COMMAND`,
      '--liveness',
    );
  return target;
}

function parseBytes(given: number | string): number {
  const match = /^(\d{1,15})([KMG]?)B?$/i.exec(String(given));
  const bytes =
    match === null ? 0 : Number(match[1]) * 1024 ** ' KMG'.indexOf(match[2]!.toUpperCase() || ' ');
  if (bytes > 0) return bytes;
  throw new UsageError(
    `cannot use --max-memory '${given}': expected a number of bytes, or as 200K, 512M, 2G`,
    '--max-memory',
  );
}

function parseDaemonizes(
  { daemonizes, programPidfile }: HealthOptions,
  path: (given: string, option: string) => string,
): Watch['daemonizes'] {
  if (programPidfile !== undefined) return { pidfile: path(programPidfile, '--program-pidfile') };
  return daemonizes === true ? { pidfile: null } : null;
}

function atLeast(least: number, given: number, option: string): number {
  if (given >= least) return given;
  throw new UsageError(`cannot use ${option} '${given / 1000}': expected ${least / 1000} or more`, option);
}
