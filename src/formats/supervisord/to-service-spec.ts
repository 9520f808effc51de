import { type ServiceSpec, type Sink, type Watch, watchNothing } from '../../spec/service-spec.js';
import { namespecOf } from '../../spec/supervision.js';
import { absolutePath } from '../posix-path.js';
import type { LogFile, ProcessConfig } from './config.js';
import { startAndRestart } from './restart.js';

/** What a process needs of its supervisor. */
export interface SpecContext {
  readonly cwd: string;
  /** Of the supervisor itself, as `NAME=value`. */
  readonly environment: readonly string[];
  /** SUPERVISOR_SERVER_URL where the program names none; null: unset. */
  readonly serverUrl: string | null;
  /** The files that AUTO stands for; null where it is not used. */
  readonly autoLogs: { readonly stdout: string | null; readonly stderr: string | null };
}

/**
 * A process as the one data model has it. Who starts it looks at commandFault first: a command that cannot be split
 * is here as it was written, as one word.
 */
export function toServiceSpec(instance: ProcessConfig, context: SpecContext): ServiceSpec {
  const [first = instance.command, ...rest] = instance.argv;
  const stdout = sinkOf(instance.stdout_logfile, context.autoLogs.stdout, context.cwd);
  const stderr = sinkOf(instance.stderr_logfile, context.autoLogs.stderr, context.cwd);
  return {
    name: namespecOf(instance),
    command: {
      argv: [first, ...rest],
      cwd: instance.directory === null ? null : absolutePath(instance.directory, context.cwd),
      env: childEnvironment(instance, context),
      umask: instance.umask,
      nice: instance.nice,
      limits: instance.limit,
    },
    user: instance.user === null ? null : { user: instance.user.name, group: null },
    stdio: { stdout, stderr: instance.redirect_stderr ? 'as-stdout' : stderr },
    // A child of a supervisor has no pidfile of ours, and SIGHUP is its own matter.
    detach: { pidfile: null, hangup: 'default', keepFds: [], watchdogPidfile: null },
    ...startAndRestart(instance),
    stop: {
      signal: instance.stopsignal,
      graceMs: instance.stopwaitsecs * 1000,
      reach: instance.killmode ?? (instance.stopasgroup ? 'group' : 'process'),
      killReach: instance.killmode ?? (instance.killasgroup ? 'group' : 'process'),
      // Supervisor forgets what the main process leaves behind; who names a killmode wants it gone.
      leftovers: instance.killmode === null || instance.killmode === 'process' ? 'spare' : 'stop',
    },
    abort: { signal: 'SIGABRT', graceMs: instance.stopwaitsecs * 1000 },
    heartbeat: instance.heartbeat === null ? null : { everyMs: instance.heartbeat },
    watch: watchOf(instance),
  };
}

/** How long a probe may take, and how many failures in a row mean that a program hangs. */
const PROBE = { timeoutMs: 5000, failures: 3 } as const;

function watchOf(instance: ProcessConfig): Watch {
  const { ready, liveness, max_memory, pid_file, cron } = instance;
  const everyMs = instance.liveness_interval;
  const isWatched =
    ready !== null || liveness !== null || max_memory !== null || pid_file !== null || cron !== null;
  if (!isWatched) return watchNothing;
  return {
    report: ready === null || ready.kind === 'exec' || ready.kind === 'stay-up' ? null : ready,
    liveness: liveness === null ? null : { probe: liveness, everyMs, ...PROBE },
    memory: max_memory === null ? null : { maxBytes: max_memory, everyMs },
    daemonizes: pid_file === null ? null : { pidfile: pid_file },
    paths: [],
    cron,
  };
}

function sinkOf(log: LogFile, auto: string | null, cwd: string): Sink {
  const path = log.kind === 'file' ? absolutePath(log.path, cwd) : log.kind === 'auto' ? auto : null;
  return { kind: 'file', path: path ?? '/dev/null', open: 'append', rotation: null, lines: null };
}

/** What the program sees. A name that comes again replaces the earlier one in its place. */
function childEnvironment(instance: ProcessConfig, { environment, serverUrl }: SpecContext): string[] {
  const url = instance.serverurl ?? serverUrl;
  const told = [
    'SUPERVISOR_ENABLED=1',
    ...(url === null || url === '' ? [] : [`SUPERVISOR_SERVER_URL=${url}`]),
    `SUPERVISOR_PROCESS_NAME=${instance.name}`,
    `SUPERVISOR_GROUP_NAME=${instance.group}`,
  ];
  const merged = new Map<string, string>();
  for (const variable of [...environment, ...told, ...instance.environment])
    merged.set(variable.slice(0, variable.indexOf('=', 1)), variable);
  return [...merged.values()];
}
