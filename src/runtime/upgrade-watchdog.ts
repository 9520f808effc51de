import { SystemError, UsageError } from '../errors.js';
import { monotonicMs } from '../os/clock.js';
import { ProcessHandle } from '../os/process-handle.js';
import type { StateDirectory } from '../os/state-directory.js';
import { type DaemonTarget, type FoundDaemon, requireDaemon } from './find-daemon.js';
import { UPGRADE_SIGNAL } from './start-request.js';

/** Resolves to the watchdog's pid when it runs the code that is installed now. The program is not touched. */
export async function upgradeWatchdog(target: DaemonTarget, state: StateDirectory): Promise<number> {
  const found = requireDaemon(target, state);
  if (!isWatched(found)) throw new UsageError(`cannot upgrade ${found.what}: it has no watchdog`);
  const { pid, startTime } = found.process!;
  const { name } = found.record!.spec;
  const before = state.readLife(name)?.upgrades ?? 0;
  using handle = ProcessHandle.open(pid, startTime);
  handle?.signal(UPGRADE_SIGNAL);
  const PATIENCE_MS = 10_000;
  const deadline = monotonicMs() + PATIENCE_MS;
  while ((state.readLife(name)?.upgrades ?? 0) === before) {
    if (handle === null || monotonicMs() > deadline)
      throw new SystemError(`cannot upgrade ${found.what}: see its watchdog.log`, {
        syscall: 'execve',
        errnoName: 'ETIMEDOUT',
      });
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return pid;
}

export function isWatched({ record, judgement, isOrphaned }: FoundDaemon): boolean {
  return record?.launchedBy === 'watchdog' && judgement.is === 'alive' && isOrphaned !== true;
}
