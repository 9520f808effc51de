import { UsageError } from '../errors.js';
import { lockDirectory } from '../os/lock.js';
import type { StateDirectory } from '../os/state-directory.js';
import { requireDaemon } from './find-daemon.js';

/**
 * Removes what is recorded about a daemon that does not run. One that cannot be judged (another host, a record that
 * is damaged) may be forgotten too: that is how its user says that it is gone.
 */
export function forgetDaemon(name: string, state: StateDirectory): void {
  const { judgement, process } = requireDaemon({ name }, state);
  if (judgement.is === 'alive')
    throw new UsageError(`cannot forget '${name}': it runs as process ${process!.pid}`);
  using _lock = lockDirectory(state.path);
  state.remove(name);
}
