// One start of a held program: everything that this process must be for a moment, so that the program is it from the
// beginning, and the way back.
import { systemError } from '../errors.js';
import { actAs, findAccount } from '../os/credentials.js';
import { closeOnExecAboveTwo } from '../os/descriptors.js';
import type { DescriptorMap } from '../os/invoke.js';
import { enterDirectory } from '../os/working-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceSpec } from '../spec/service-spec.js';
import type { ProgramWatch } from './program-watch.js';
import { spawnProgram } from './spawn-program.js';

/** The standard streams of the next run, opened for its start. */
export interface Streams {
  /** Mapped onto the program's descriptors. 0 may be absent: then it is /dev/null. */
  readonly descriptors: DescriptorMap;
  /** The files that they really go to. */
  readonly paths: readonly string[];
  /** There is something to execute: what a failed start must not touch may be touched now. */
  whenInvokable(): void;
  /** Our own copies, after the start or after it failed. */
  close(): void;
}

/** Throws what went wrong. Whatever happens, this process is as before afterwards. */
export function startRun(
  spec: ServiceSpec,
  inherited: DaemonRecord['inherited'],
  watch: Pick<ProgramWatch, 'prepare' | 'listen'> | null,
  { opensAs, openStreams }: { readonly opensAs: 'user' | 'holder'; readonly openStreams: () => Streams },
): { readonly pid: number; readonly outputs: readonly string[] } {
  let leaveUser = (): void => undefined;
  const becomeUser = (): void => {
    if (spec.user !== null) leaveUser = actAs(findAccount(spec.user));
  };
  const ours = process.umask(inherited.umask);
  let streams: Streams | null = null;
  try {
    if (opensAs === 'user') becomeUser();
    const opened = openStreams();
    streams = opened;
    process.umask(ours);
    // What is inherited the holder is in already, as it were: the user need not be allowed to enter it.
    const { cwd } = spec.command;
    if (cwd === null && inherited.cwd !== null) enter(inherited.cwd);
    if (opensAs === 'holder') becomeUser();
    if (cwd !== null) enter(cwd);
    closeOnExecAboveTwo();
    const { env, descriptors } = watch?.prepare() ?? { env: spec.command.env, descriptors: [] };
    const pid = spawnProgram({
      spec: { ...spec, command: { ...spec.command, env } },
      cwd: inherited.cwd,
      umask: inherited.umask,
      softOpenFiles: inherited.openFiles,
      descriptors: new Map([...opened.descriptors, ...descriptors]),
      ownGroup: true,
      nice: spec.command.nice,
      leaveUser: () => leaveUser(),
      whenInvokable: () => {
        opened.whenInvokable();
        watch?.listen(opened.paths);
      },
    });
    return { pid, outputs: opened.paths };
  } finally {
    process.umask(ours);
    leaveUser();
    // Not to pin the program's file system for longer than the moment of its start.
    process.chdir('/');
    streams?.close();
  }
}

/** Throws SystemError: the text is all that a user of a supervisor learns. */
function enter(directory: string): void {
  try {
    enterDirectory(directory);
  } catch (error) {
    throw systemError(`cannot enter directory '${directory}'`, error, directory);
  }
}
