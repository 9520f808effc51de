import { SystemError, UsageError } from '../errors.js';
import { monotonicMs } from '../os/clock.js';
import { ProcessHandle } from '../os/process-handle.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { ServiceLife } from '../spec/service-life.js';
import { type DaemonTarget, type FoundDaemon, findDaemon, requireDaemon } from './find-daemon.js';
import type { KnownSupervisor } from './known-supervisors.js';
import { REOPEN_SIGNAL, UPGRADE_SIGNAL } from './start-request.js';
import { readSupervisorJournal } from './supervisor-journal.js';

/** Resolves to the watchdog's pid when it runs the code that is installed now. The program is not touched. */
export async function upgradeWatchdog(target: DaemonTarget, state: StateDirectory): Promise<number> {
  const found = requireWatched(target, state, 'upgrade');
  await ask(found, state, UPGRADE_SIGNAL, 'upgrades');
  return found.process!.pid;
}

/** The same of a supervisor: none of its programs is touched, and its configuration is not read. */
export async function upgradeSupervisor({ holder, about, folder }: KnownSupervisor): Promise<number> {
  using handle = ProcessHandle.open(holder.pid, holder.startTime);
  handle?.signal(UPGRADE_SIGNAL);
  const deadline = monotonicMs() + patienceMs.upgrades;
  for (;;) {
    const now = readSupervisorJournal(folder)?.about;
    if (now !== undefined && now.exchanges !== about.exchanges) return holder.pid;
    if (handle?.isThere() !== true || monotonicMs() > deadline)
      throw new SystemError(`no answer from supervisor ${holder.pid}: see ${about.mainLog ?? 'its log'}`, {
        syscall: 'kill',
        errnoName: 'ETIMEDOUT',
      });
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** Resolves to the watchdog's pid when the program's logs are under their names again. */
export async function reopenLogs(target: DaemonTarget, state: StateDirectory): Promise<number> {
  const found = requireWatched(target, state, 'reopen the log of');
  const { reopenFailure } = await ask(found, state, REOPEN_SIGNAL, 'reopens');
  if (reopenFailure !== null) throw new SystemError(reopenFailure, { syscall: 'rename', errnoName: 'EIO' });
  return found.process!.pid;
}

/** Every daemon of the user that has a watchdog. */
export function watchedDaemons(state: StateDirectory): { name: string }[] {
  return state.names().flatMap((name) => {
    const found = findDaemon({ name }, state);
    return found !== null && isWatched(found) ? [{ name }] : [];
  });
}

function requireWatched(target: DaemonTarget, state: StateDirectory, what: string): FoundDaemon {
  const found = requireDaemon(target, state);
  if (isWatched(found)) return found;
  throw new UsageError(`cannot ${what} ${found.what}: it has no watchdog`);
}

/** To reopen a log may mean to copy all of it. */
const patienceMs = { upgrades: 10_000, reopens: 3_600_000 } as const;
const PAUSE_MS = 10;

/** Sends the watchdog the signal, and resolves when it has written down that it has done what that asks for. */
async function ask(
  found: FoundDaemon,
  state: StateDirectory,
  signal: typeof UPGRADE_SIGNAL | typeof REOPEN_SIGNAL,
  count: 'upgrades' | 'reopens',
): Promise<ServiceLife> {
  const { pid, startTime } = found.process!;
  const { name } = found.record!.spec;
  const before = state.readLife(name)?.[count] ?? 0;
  using handle = ProcessHandle.open(pid, startTime);
  handle?.signal(signal);
  const deadline = monotonicMs() + patienceMs[count];
  for (;;) {
    const life = state.readLife(name);
    if (life !== null && life[count] !== before) return life;
    if (handle?.isThere() !== true || monotonicMs() > deadline)
      throw new SystemError(`no answer from the watchdog of ${found.what}: see its watchdog.log`, {
        syscall: 'kill',
        errnoName: 'ETIMEDOUT',
      });
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

function isWatched({ record, judgement, isOrphaned }: FoundDaemon): boolean {
  return record?.launchedBy === 'watchdog' && judgement.is === 'alive' && isOrphaned !== true;
}
