import { IdentityError, NotFoundError } from '../errors.js';
import { ProcessHandle } from '../os/process-handle.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { SignalName } from '../spec/service-spec.js';
import { type DaemonTarget, programOf, requireDaemon } from './find-daemon.js';
import { deliver, groupOf } from './stop-daemon.js';

/** Sends one signal to the daemon (or its process group) and returns its pid. Throws NotFoundError if it does not run. */
export function signalDaemon(
  target: DaemonTarget,
  signal: SignalName,
  group: boolean,
  state: StateDirectory,
): number {
  const found = requireDaemon(target, state);
  const { judgement, what } = found;
  if (judgement.is === 'unknowable')
    throw new IdentityError(`cannot signal ${what}: cannot tell whether it runs: ${judgement.reason}`);
  const gone = (): never => {
    throw new NotFoundError(`cannot signal ${what}: it does not run`);
  };
  if (judgement.is === 'gone') return gone();
  const program = programOf(found, state);
  if (program === null) return gone();
  const { pid, startTime } = program;
  using handle = ProcessHandle.open(pid, startTime);
  if (handle === null || !deliver(handle, group ? groupOf({ ...found, process: program }) : null, signal))
    return gone();
  return pid;
}
