// The ends of our children, ours by birth or (as a subreaper) by adoption. Safe as long as nothing in this process
// starts children in Node's own way: waitpid(-1) would take their ends away.
import { linuxSyscalls, PR_SET_CHILD_SUBREAPER } from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { callLibc } from '../../native-bindings/libc.js';
import { type ProcessEnd, reapAny } from './invoke.js';

/** Calls back for each child that has ended, as soon as SIGCHLD says so. */
export function onChildEnd(ended: (pid: number, end: ProcessEnd) => void): void {
  process.on('SIGCHLD', () => {
    // One signal may stand for many children. All are collected before the first is told of: its successor may be
    // started at once and end at once, and telling would never come to an end.
    const ends: { readonly pid: number; readonly end: ProcessEnd }[] = [];
    for (let child = reapAny(); child !== null; child = reapAny()) ends.push(child);
    for (const { pid, end } of ends) ended(pid, end);
  });
}

/**
 * Orphans below us become our children instead of init's, so that nothing we started is out of sight. Where that cannot
 * be had (not Linux, a sandbox) orphans are init's, and only their process groups are still known.
 */
export function becomeSubreaper(): void {
  if (process.platform !== 'linux') return;
  try {
    callLibc('syscall', linuxSyscalls.prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0, 0);
  } catch (error) {
    // EPERM and ENOSYS: a seccomp filter that does not know the call.
    if (!(error instanceof LibcError) || !['EPERM', 'ENOSYS'].includes(error.code)) throw error;
  }
}
