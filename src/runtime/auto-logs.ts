// The log files that AUTO stands for: made anew with each group, named so that the next supervisor of this identifier
// can clear them away.
import type { ProcessConfig, SupervisordSection } from '../formats/supervisord/config.js';
import { makeFileOfRandomName, removeMatching } from '../os/auto-files.js';

export interface AutoLogs {
  readonly stdout: string | null;
  readonly stderr: string | null;
}

/** Makes those that the process asks for. Throws SystemError. */
export function makeAutoLogs(
  process: ProcessConfig,
  { childlogdir, identifier }: SupervisordSection,
): AutoLogs {
  const make = (channel: 'stdout' | 'stderr'): string | null => {
    if (process[`${channel}_logfile`].kind !== 'auto') return null;
    if (channel === 'stderr' && process.redirect_stderr) return null;
    return makeFileOfRandomName(childlogdir, `${process.name}-${channel}---${identifier}-`, '.log');
  };
  return { stdout: make('stdout'), stderr: make('stderr') };
}

/** What earlier supervisors of the identifier left, but for what is in use. */
export function removeOldAutoLogs(
  { childlogdir, identifier }: SupervisordSection,
  used: ReadonlySet<string>,
): void {
  removeMatching(
    childlogdir,
    (name) => name.includes(`---${identifier}-`) && /\.log(\.\d{1,3})?$/.test(name),
    used,
  );
}
