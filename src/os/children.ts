import { linuxSyscalls, PR_SET_CHILD_SUBREAPER } from '../../native-bindings/constants.js';
import { callLibc } from '../../native-bindings/libc.js';

/** Orphans below us become our children instead of init's, so that we see how they end. Linux only. */
export function becomeSubreaper(): void {
  if (process.platform === 'linux')
    callLibc('syscall', linuxSyscalls.prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0, 0);
}
