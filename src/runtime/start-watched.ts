// Starts a watchdog that holds the program, and waits until the program is ready or will not be.
import { closeSync } from 'node:fs';
import { NotReadyError } from '../errors.js';
import { currentEnvironment } from '../os/caller.js';
import { makePipe } from '../os/descriptors.js';
import { reap } from '../os/invoke.js';
import { readToEnd } from '../os/message.js';
import { waitAnyReadable } from '../os/poll.js';
import { Sentry } from '../os/sentry.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceSpec } from '../spec/service-spec.js';
import { startDaemon } from './start-daemon.js';
import { type StartRequest, WATCH_VERDICT_DESCRIPTOR, watchdogCommand } from './start-request.js';
import type { FirstStart } from './watchdog.js';

export interface StartedWatchdog {
  /** The program's process; the watchdog's, where it waits for its schedule. */
  readonly pid: number;
  readonly watchdogPid: number;
  readonly record: DaemonRecord;
  readonly outputs: readonly string[];
}

/**
 * Throws NotReadyError, with the program's exit code, if it ended for good before it was ready. `callerShell`: the
 * process that waits for this one, for whom a ^C is meant.
 */
export function startWatched(
  request: StartRequest,
  readyTimeoutMs: number,
  callerShell: number | null = null,
): StartedWatchdog {
  const pipe = makePipe();
  const watched: StartRequest = {
    ...request,
    spec: watchdogSpec(request.spec),
    program: request.spec,
    launchedBy: 'watchdog',
  };
  // What is ready at once is not waited for.
  const isWaited = callerShell !== null && request.spec.start.readiness !== 'exec';
  using sentry = isWaited ? Sentry.post(callerShell) : null;
  const { pid, record } = startDaemon(watched, new Map([[WATCH_VERDICT_DESCRIPTOR, pipe.write]]));
  closeSync(pipe.write);
  const failed = (reason: string, exitCode: number, lastWords = ''): NotReadyError =>
    new NotReadyError(`cannot start '${record.spec.name}': ${reason}`, exitCode, lastWords);
  const came = waitForVerdict(pipe.read, readyTimeoutMs, sentry);
  if (came !== 'verdict') {
    process.kill(pid, 'SIGTERM');
    // It stops the program first, and takes no longer for that than its grace.
    reap(pid, true);
    const { lastWords } = readVerdict(pipe.read) ?? {};
    if (came === 'interrupted') throw failed('interrupted, so it was stopped', 130, lastWords);
    throw failed(`not ready within ${readyTimeoutMs / 1000} s, so it was stopped`, 125, lastWords);
  }
  const outcome = readVerdict(pipe.read);
  if (outcome === null) throw failed('its watchdog ended, see watchdog.log', 125);
  if (outcome.ready) return { pid: outcome.pid ?? pid, watchdogPid: pid, record, outputs: outcome.outputs };
  reap(pid, true);
  throw failed(outcome.reason, outcome.exitCode, outcome.lastWords);
}

/** This process has left the session and hears nothing of a ^C: its sentry does. */
function waitForVerdict(
  verdict: number,
  timeoutMs: number,
  sentry: Sentry | null,
): 'verdict' | 'interrupted' | 'timeout' {
  const fallen = sentry?.descriptor ?? null;
  const ready = waitAnyReadable(fallen === null ? [verdict] : [verdict, fallen], timeoutMs);
  if (ready.includes(0)) return 'verdict';
  return ready.length > 0 ? 'interrupted' : 'timeout';
}

/** null: nothing came, and nothing will. */
function readVerdict(descriptor: number): (FirstStart & { readonly lastWords?: string }) | null {
  const text = readToEnd(descriptor).toString();
  return text === '' ? null : (JSON.parse(text) as FirstStart);
}

/** The watchdog as a service of its own kind: our Node, our file, nothing of what the program is given. */
function watchdogSpec(program: ServiceSpec): ServiceSpec {
  return {
    ...program,
    command: {
      argv: watchdogCommand(),
      cwd: '/',
      env: currentEnvironment().filter((entry) => !/^NODE_(OPTIONS|EXTRA_CA_CERTS)=/.test(entry)),
      umask: 0o022,
      nice: null,
      limits: [],
    },
    user: null,
    stdio: {
      stdout: { kind: 'file', path: '/dev/null', open: 'append', rotation: null, lines: null },
      stderr: 'as-stdout',
    },
    detach: {
      pidfile: program.detach.watchdogPidfile,
      hangup: 'ignore',
      keepFds: [],
      watchdogPidfile: null,
    },
  };
}
