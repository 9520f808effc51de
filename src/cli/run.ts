import { describeStep } from '../core/detach-plan.js';
import { UsageError } from '../errors.js';
import type { Caller } from '../os/caller.js';
import { isTerminal } from '../os/terminal.js';
import { READY_TIMEOUT_MS } from '../runtime/health-options.js';
import type { LogOptions } from '../runtime/log-options.js';
import { buildSpec, type RunOptions } from '../runtime/run-options.js';
import { planStart, startDaemon } from '../runtime/start-daemon.js';
import type { StartedDaemon, StartRequest } from '../runtime/start-request.js';
import { startWatched } from '../runtime/start-watched.js';
import type { WatchOptions } from '../runtime/watch-options.js';
import { type Handler, secondsFlag, text, userState } from './context.js';
import { print, printJson, write } from './output.js';
import type { ParsedCommand } from './parse-plain.js';

export const runCommand: Handler = (parsed, caller) => {
  const request = requestFrom(parsed, caller);
  if (parsed.flags['dry-run'] === true) return printPlan(request, parsed.flags.json === true);
  const watch = watchOptionsFrom(parsed);
  if (watch === undefined) return announce(startDaemon(request), parsed);
  const started = startWatched(
    request,
    secondsFlag(parsed, 'ready-timeout') ?? READY_TIMEOUT_MS,
    caller.waitingShell,
  );
  return announce({ pid: started.pid, record: { ...started.record, outputs: started.outputs } }, parsed);
};

export type Announced = Pick<StartedDaemon, 'pid' | 'record'>;

/** The pid alone on stdout, for `pid=$(tsdaemon run ...)`; a line for humans only where one is watching. */
export function announce(started: Announced, { flags }: ParsedCommand): number {
  const { pid, record } = started;
  const { name } = record.spec;
  if (flags.json === true) printJson(asJson(started));
  else print(String(pid));
  if (flags.quiet !== true && isTerminal(2))
    write(2, `tsdaemon: started '${name}' as process ${pid}, output to ${record.outputs.join(' and ')}\n`);
  return 0;
}

export function asJson({ pid, record }: Announced): object {
  const { name, detach } = record.spec;
  return { name, pid, pidfile: detach.pidfile, outputs: record.outputs };
}

function requestFrom(parsed: ParsedCommand, caller: Caller): StartRequest {
  const options = optionsFrom(parsed);
  return {
    spec: buildSpec(parsed.operands, options, caller),
    named: options.name !== undefined,
    callerCwd: caller.cwd,
    callerOpenFiles: caller.softOpenFiles,
    stateDirectory: userState().path,
    launchedBy: 'run',
  };
}

function optionsFrom(parsed: ParsedCommand): RunOptions {
  const { flags } = parsed;
  if (flags.append === true && flags.truncate === true)
    throw new UsageError('cannot use both --append and --truncate', '--truncate');
  return {
    name: text(parsed, 'name'),
    pidfile: text(parsed, 'pidfile'),
    output: text(parsed, 'output'),
    stdout: text(parsed, 'stdout'),
    stderr: text(parsed, 'stderr'),
    truncate: flags.truncate === true,
    cwd: text(parsed, 'cwd'),
    umask: text(parsed, 'umask'),
    user: text(parsed, 'user'),
    env: flags.env as readonly string[] | undefined,
    envFile: text(parsed, 'env-file'),
    clearEnv: flags['clear-env'] === true,
    nice: text(parsed, 'nice'),
    limits: limitsFrom((flags.limit as readonly string[] | undefined) ?? []),
    hup: text(parsed, 'hup') as RunOptions['hup'],
    keepFds: flags['keep-fd'] as readonly string[] | undefined,
    stopSignal: text(parsed, 'stop-signal'),
    stopTimeoutMs: secondsFlag(parsed, 'stop-timeout'),
    watch: watchOptionsFrom(parsed),
  };
}

/** undefined: no watchdog was asked for. */
function watchOptionsFrom(parsed: ParsedCommand): WatchOptions | undefined {
  // A schedule alone says that it is started again, and when.
  const restart = text(parsed, 'restart') ?? (parsed.flags.cron === undefined ? undefined : 'no');
  if (restart === undefined) {
    const stray = WATCH_FLAGS.find((flag) => parsed.flags[flag] !== undefined);
    if (stray !== undefined) throw new UsageError(`cannot use --${stray} without --restart`, `--${stray}`);
    return undefined;
  }
  return {
    restart,
    okExitCodes: text(parsed, 'ok-exit-codes'),
    delayMs: secondsFlag(parsed, 'delay'),
    backoffMs: secondsFlag(parsed, 'backoff'),
    backoffFactor: numberFlag(parsed, 'backoff-factor'),
    backoffMaxMs: secondsFlag(parsed, 'backoff-max'),
    jitter: numberFlag(parsed, 'jitter'),
    resetAfterMs: secondsFlag(parsed, 'reset-after'),
    maxRestarts: numberFlag(parsed, 'max-restarts'),
    withinMs: secondsFlag(parsed, 'within'),
    fatalRetryAfterMs: secondsFlag(parsed, 'fatal-retry-after'),
    ready: text(parsed, 'ready'),
    readyFd: numberFlag(parsed, 'ready-fd'),
    stayUpMs: secondsFlag(parsed, 'stay-up'),
    readyTimeoutMs: secondsFlag(parsed, 'ready-timeout'),
    liveness: text(parsed, 'liveness'),
    livenessIntervalMs: secondsFlag(parsed, 'liveness-interval'),
    livenessTimeoutMs: secondsFlag(parsed, 'liveness-timeout'),
    livenessFailures: numberFlag(parsed, 'liveness-failures'),
    heartbeatMs: secondsFlag(parsed, 'heartbeat'),
    abortSignal: text(parsed, 'abort-signal'),
    maxMemory: text(parsed, 'max-memory'),
    watchPaths: parsed.flags.watch as readonly string[] | undefined,
    cron: text(parsed, 'cron'),
    daemonizes: parsed.flags.daemonizes === true,
    programPidfile: text(parsed, 'program-pidfile'),
    killMode: text(parsed, 'kill-mode'),
    watchdogPidfile: text(parsed, 'watchdog-pidfile'),
    log: logOptionsFrom(parsed),
  };
}

function logOptionsFrom(parsed: ParsedCommand): LogOptions {
  const maxAge = numberFlag(parsed, 'log-max-age');
  return {
    maxBytes: text(parsed, 'log-max-bytes'),
    maxAgeMs: maxAge === undefined ? undefined : maxAge * 1000,
    backups: numberFlag(parsed, 'log-backups'),
    compress: parsed.flags['log-compress'] === true,
    timestamps: parsed.flags.timestamps === true,
    jsonLines: parsed.flags['json-lines'] === true,
  };
}

const WATCH_FLAGS = [
  'ok-exit-codes',
  'delay',
  'backoff',
  'backoff-factor',
  'backoff-max',
  'jitter',
  'reset-after',
  'max-restarts',
  'within',
  'fatal-retry-after',
  'ready',
  'ready-fd',
  'stay-up',
  'ready-timeout',
  'liveness',
  'liveness-interval',
  'liveness-timeout',
  'liveness-failures',
  'heartbeat',
  'abort-signal',
  'max-memory',
  'watch',
  'daemonizes',
  'program-pidfile',
  'kill-mode',
  'watchdog-pidfile',
  'log-max-bytes',
  'log-max-age',
  'log-backups',
  'log-compress',
  'timestamps',
  'json-lines',
];

function numberFlag(parsed: ParsedCommand, flag: string): number | undefined {
  const given = text(parsed, flag);
  if (given === undefined) return undefined;
  if (!/^-?\d+(\.\d+)?$/.test(given))
    throw new UsageError(`cannot use --${flag} '${given}': expected a number`, `--${flag}`);
  return Number(given);
}

function limitsFrom(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((limit) => {
      const equals = limit.indexOf('=');
      if (equals < 1)
        throw new UsageError(`cannot use --limit '${limit}': expected NAME=SOFT[:HARD]`, '--limit');
      return [limit.slice(0, equals), limit.slice(equals + 1)];
    }),
  );
}

function printPlan(request: StartRequest, json: boolean): number {
  const steps = planStart(request).map((step) => ({ step: step.name, ...describeStep(step) }));
  if (json) printJson({ name: request.spec.name, steps });
  else {
    for (const [index, { step, call, reason }] of steps.entries())
      print(`${String(index + 1).padStart(2)}  ${step.padEnd(18)}  ${call}\n${' '.repeat(24)}${reason}`);
  }
  return 0;
}
