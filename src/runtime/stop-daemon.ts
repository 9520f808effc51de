import { IdentityError, StopTimeoutError } from '../errors.js';
import { monotonicMs } from '../os/clock.js';
import { lockDirectory } from '../os/lock.js';
import { removePidfile } from '../os/pidfile.js';
import { ProcessHandle } from '../os/process-handle.js';
import { allProcesses, isZombie, readStat } from '../os/processes.js';
import { signalGroup } from '../os/signals.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { SignalName } from '../spec/service-spec.js';
import { type DaemonTarget, type FoundDaemon, findDaemon, requireDaemon } from './find-daemon.js';

export interface StopOptions {
  /** Default: what the daemon was started with, SIGTERM for a foreign pidfile. */
  readonly signal?: SignalName | undefined;
  /** Milliseconds between the signal and SIGKILL. Default: what it was started with, 10,000 for a foreign pidfile. */
  readonly timeoutMs?: number | undefined;
  /** false: never SIGKILL; a daemon that does not end in time is an error. */
  readonly kill?: boolean | undefined;
  /** Signal the daemon's whole process group, and wait for all of it. */
  readonly group?: boolean | undefined;
}

export interface StopResult {
  readonly name: string | null;
  /** The process that was stopped; null if none ran. */
  readonly pid: number | null;
  /** How it came to an end: by the signal, by SIGKILL after the grace, or before we came. */
  readonly by: 'signal' | 'SIGKILL' | 'itself';
}

/**
 * Resolves when the process has ended and its pidfile is gone. Signals go through a pidfd that was opened before the
 * identity was checked, so a stranger that got the pid is never hit. Throws IdentityError, without having signalled
 * anybody, where it cannot be told; NotFoundError for an unknown name; StopTimeoutError.
 */
export async function stopDaemon(
  target: DaemonTarget,
  options: StopOptions,
  state: StateDirectory,
): Promise<StopResult> {
  // A pidfile that is not there is a daemon that is stopped; a name that nobody knows is a mistake.
  const found = 'pidfile' in target ? findDaemon(target, state) : requireDaemon(target, state);
  if (found === null) return { name: null, pid: null, by: 'itself' };
  const name = found.record?.spec.name ?? null;
  if (found.judgement.is === 'unknowable')
    throw new IdentityError(
      `cannot stop ${found.what}: cannot tell whether it runs: ${found.judgement.reason}`,
    );
  const by = found.judgement.is === 'alive' ? await end(found, options) : 'itself';
  recordStopped(found, state);
  return { name, pid: by === 'itself' ? null : found.process!.pid, by };
}

async function end(found: FoundDaemon, options: StopOptions): Promise<StopResult['by']> {
  const { pid, startTime } = found.process!;
  using handle = ProcessHandle.open(pid, startTime);
  if (handle === null) return 'itself';
  const spec = found.record?.spec.stop;
  const signal = options.signal ?? spec?.signal ?? 'SIGTERM';
  const timeoutMs = options.timeoutMs ?? spec?.graceMs ?? 10_000;
  const group = options.group === true ? groupOf(found) : null;
  if (!deliver(handle, group, signal)) return 'itself';
  // A stopped process (SIGSTOP, ^Z) takes no other signal before it goes on; SIGKILL needs no help.
  deliver(handle, group, 'SIGCONT');
  const deadline = monotonicMs() + timeoutMs;
  if ((await handle.ended(timeoutMs)) && (group === null || (await groupEnded(group, deadline))))
    return 'signal';
  if (options.kill === false) throw new StopTimeoutError(found.what, pid, timeoutMs);
  deliver(handle, group, 'SIGKILL');
  const KILL_TAKES_EFFECT_MS = 10_000;
  // A process in uninterruptible sleep (a dead disk) does not even hear SIGKILL.
  const end = monotonicMs() + KILL_TAKES_EFFECT_MS;
  if (!(await handle.ended(KILL_TAKES_EFFECT_MS)) || (group !== null && !(await groupEnded(group, end))))
    throw new StopTimeoutError(found.what, pid, timeoutMs);
  return 'SIGKILL';
}

/** False if the daemon has ended. Once to each member, for many programs take a second SIGTERM for "now really". */
export function deliver(handle: ProcessHandle, group: number | null, signal: SignalName): boolean {
  if (group === null) return handle.signal(signal);
  // The group may outlive the daemon, and its number is nobody else's as long as it has a member.
  const wasThere = handle.isThere();
  if (wasThere || groupMembers(group).length > 0) signalGroup(group, signal);
  return wasThere;
}

/**
 * The process group of a daemon that is held. Only a group that is the daemon's own: ours carry the number of the
 * launcher that made the session; a foreign daemon must lead its group, else it may be a shell's with strangers in it.
 */
export function groupOf({ process: daemon, record, what }: FoundDaemon): number {
  const stat = readStat(daemon!.pid);
  const isOwn =
    stat !== null && (stat.processGroup === stat.pid || stat.processGroup === record?.launcher.pid);
  if (!isOwn || stat.processGroup < 2)
    throw new IdentityError(`cannot stop the process group of ${what}: the group is not the daemon's own`);
  return stat.processGroup;
}

function groupMembers(group: number): number[] {
  return allProcesses()
    .filter((stat) => stat.processGroup === group && !isZombie(stat))
    .map((stat) => stat.pid);
}

/** Members may start more members, so it asks again until none is left. */
async function groupEnded(group: number, deadline: number): Promise<boolean> {
  for (let members = groupMembers(group); members.length > 0; members = groupMembers(group)) {
    using member = ProcessHandle.open(members[0]!, null);
    if (member !== null && !(await member.ended(Math.max(0, deadline - monotonicMs())))) return false;
  }
  return true;
}

function recordStopped({ record, process: daemon, pidfile }: FoundDaemon, state: StateDirectory): void {
  if (record === null) {
    if (pidfile !== null && daemon !== null) removePidfile(pidfile, daemon.pid);
    return;
  }
  using _lock = lockDirectory(state.path);
  if (pidfile !== null && daemon !== null) removePidfile(pidfile, daemon.pid);
  const now = state.read(record.spec.name);
  // Another start may have taken the name meanwhile; its record is not ours to change.
  if (now !== null && now.startedAt === record.startedAt && now.phase !== 'stopped')
    state.write({ ...record, phase: 'stopped' });
}
