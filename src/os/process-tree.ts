import { errnoNameOf } from '../errors.js';
import { descendantsOf } from './processes.js';

/**
 * SIGKILL for a child of ours and all its descendants, in whatever group or session they are. All are stopped first,
 * so that none of them can fork or lose its parent while the others are looked for.
 */
export function killTree(root: number): void {
  const found = new Set<number>();
  const fresh = (): number[] => [root, ...descendantsOf(root)].filter((pid) => !found.has(pid));
  for (let pids = fresh(); pids.length > 0; pids = fresh()) {
    for (const pid of pids) {
      found.add(pid);
      tell(pid, 'SIGSTOP');
    }
  }
  for (const pid of found) tell(pid, 'SIGKILL');
}

function tell(pid: number, signal: 'SIGSTOP' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // ESRCH: it has ended. EPERM: it has become another user.
    if (errnoNameOf(error) === null) throw error;
  }
}
