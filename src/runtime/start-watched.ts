// Starts a watchdog that holds the program, and waits until the program is ready or will not be.
import { closeSync } from 'node:fs';
import { NotReadyError } from '../errors.js';
import { currentEnvironment } from '../os/caller.js';
import { makePipe } from '../os/descriptors.js';
import { reap } from '../os/invoke.js';
import { readToEnd } from '../os/message.js';
import { waitReadable } from '../os/poll.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceSpec } from '../spec/service-spec.js';
import { startDaemon } from './start-daemon.js';
import { type StartRequest, WATCH_VERDICT_DESCRIPTOR, watchdogCommand } from './start-request.js';
import type { FirstStart } from './watchdog.js';

export interface StartedWatchdog {
  /** The program's process. */
  readonly pid: number;
  readonly watchdogPid: number;
  readonly record: DaemonRecord;
  readonly outputs: readonly string[];
}

/** Throws NotReadyError, with the program's exit code, if it ended for good before it was ready. */
export function startWatched(request: StartRequest, readyTimeoutMs: number): StartedWatchdog {
  const pipe = makePipe();
  const watched: StartRequest = {
    ...request,
    spec: watchdogSpec(request.spec),
    program: request.spec,
    launchedBy: 'watchdog',
  };
  const { pid, record } = startDaemon(watched, new Map([[WATCH_VERDICT_DESCRIPTOR, pipe.write]]));
  closeSync(pipe.write);
  if (!waitReadable(pipe.read, readyTimeoutMs)) {
    process.kill(pid, 'SIGTERM');
    // It stops the program first, and takes no longer for that than its grace.
    reap(pid, true);
    throw new NotReadyError(
      `cannot start '${record.spec.name}': not ready within ${readyTimeoutMs / 1000} s, so it was stopped`,
      125,
    );
  }
  const text = readToEnd(pipe.read).toString();
  if (text === '')
    throw new NotReadyError(`cannot start '${record.spec.name}': its watchdog ended, see watchdog.log`, 125);
  const outcome = JSON.parse(text) as FirstStart;
  if (!outcome.ready) reap(pid, true);
  if (outcome.ready) return { pid: outcome.pid, watchdogPid: pid, record, outputs: outcome.outputs };
  throw new NotReadyError(`cannot start '${record.spec.name}': ${outcome.reason}`, outcome.exitCode);
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
