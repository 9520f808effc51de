import { LibcError } from '../../native-bindings/errno.js';
import { callLibc } from '../../native-bindings/libc.js';
import type { LauncherFacts } from '../core/detach-plan.js';

/** Where this process stands in the terminal's world. */
export function sessionFacts(): Omit<LauncherFacts, 'callerOpenFiles'> {
  return {
    pid: process.pid,
    processGroup: callLibc('getpgid', 0),
    session: callLibc('getsid', 0),
    parentGroup: parentGroup(),
  };
}

function parentGroup(): number | null {
  try {
    const group = callLibc('getpgid', process.ppid);
    // A parent of group 0 is outside our pid namespace.
    return callLibc('getsid', process.ppid) === callLibc('getsid', 0) && group > 0 ? group : null;
  } catch (error) {
    // ESRCH: it has ended. EPERM: some systems refuse questions about another session.
    if (error instanceof LibcError) return null;
    throw error;
  }
}

export function joinProcessGroup(group: number): void {
  callLibc('setpgid', 0, group);
}

/** Throws LibcError EPERM where this process leads a group, or its old group still has members. */
export function leaveSession(): void {
  callLibc('setsid');
}
