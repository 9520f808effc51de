// The functions under the verbs, for an app that lives on: it cannot leave its own session, so a small stage of its
// own does the start.
import { currentEnvironment, parentSoftOpenFiles } from '../os/caller.js';
import { closeDescriptor } from '../os/descriptors.js';
import { whenReadable } from '../os/exit-watch.js';
import { reap } from '../os/invoke.js';
import { readToEnd } from '../os/message.js';
import { StateDirectory } from '../os/state-directory.js';
import { workingDirectory } from '../os/working-directory.js';
import type { DaemonTarget } from './find-daemon.js';
import { READY_TIMEOUT_MS } from './health-options.js';
import { buildSpec, callersPath, checkMilliseconds, type RunOptions, requireSignal } from './run-options.js';
import { readVerdict, startStage } from './stage.js';
import { type DaemonStatus, statusOf, statusOfAll } from './status.js';
import { type StopOptions, type StopResult, stopDaemon } from './stop-daemon.js';

/** What run() started. */
export interface RunResult {
  readonly name: string;
  readonly pid: number;
  readonly pidfile: string | null;
  /** Where its output goes. */
  readonly outputs: readonly string[];
}

/**
 * Detaches a command from this process, its session and its terminal, as `tsdaemon run` does, and resolves when the
 * program has been exec'ed and its pidfile stands, or with `watch` when it is ready. The daemon outlives this process.
 * Rejects with UsageError, AlreadyRunningError, SpawnError, SystemError, DetachError or NotReadyError (compare `code`);
 * nothing is left behind then.
 * Rules: daemon(7), nohup(1) for the output.
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const caller = { cwd: workingDirectory(), environment: currentEnvironment(), inherited: () => null };
  const spec = buildSpec(argv, options, caller);
  const request = {
    spec,
    named: options.name !== undefined,
    callerCwd: caller.cwd,
    callerOpenFiles: parentSoftOpenFiles(),
    stateDirectory: StateDirectory.ofUser(process.env).path,
    launchedBy: 'run',
  } as const;
  const kept = spec.detach.keepFds.map((descriptor) => [descriptor, descriptor] as const);
  const order =
    options.watch === undefined
      ? ({ do: 'start', request } as const)
      : ({
          do: 'start-watched',
          request,
          readyTimeoutMs: options.watch.readyTimeoutMs ?? READY_TIMEOUT_MS,
        } as const);
  const stage = startStage(order, new Map([[0, 0], [1, 1], [2, 2], ...kept]), 'default');
  try {
    await whenReadable(stage.verdict, Number.POSITIVE_INFINITY);
    const { pid, record } = readVerdict(readToEnd(stage.verdict).toString());
    return { name: record.spec.name, pid, pidfile: record.spec.detach.pidfile, outputs: record.outputs };
  } finally {
    closeDescriptor(stage.verdict);
    reap(stage.pid, true);
  }
}

/**
 * Stops a daemon by name or `{ pidfile }` and resolves when its process has ended and its pidfile is removed; that it
 * was gone already is success. The process is told from a stranger by start time and boot id, and signalled through
 * a pidfd. Rejects with NotFoundError, IdentityError (nobody was signalled) or StopTimeoutError.
 */
export async function stop(
  daemon: string | { readonly pidfile: string },
  options: StopOptions = {},
): Promise<StopResult> {
  return stopDaemon(toTarget(daemon), checkStopOptions(options), StateDirectory.ofUser(process.env));
}

/** What a daemon does now; `code` is the exit status that LSB wants of a status action. */
export async function status(daemon: string | { readonly pidfile: string }): Promise<DaemonStatus> {
  return statusOf(toTarget(daemon), StateDirectory.ofUser(process.env));
}

/** Every daemon that this user started, by name. */
export async function list(): Promise<DaemonStatus[]> {
  return statusOfAll(StateDirectory.ofUser(process.env));
}

/** Callers without types may pass `TERM`, or a time that is none. */
function checkStopOptions(options: StopOptions): StopOptions {
  const { signal, timeoutMs } = options;
  if (timeoutMs !== undefined) checkMilliseconds('timeoutMs', timeoutMs);
  return signal === undefined ? options : { ...options, signal: requireSignal(signal, 'signal') };
}

function toTarget(daemon: string | { readonly pidfile: string }): DaemonTarget {
  if (typeof daemon === 'string') return { name: daemon };
  return { pidfile: callersPath(daemon.pidfile, 'pidfile', workingDirectory()) };
}
