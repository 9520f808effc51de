import { IdentityError, StopTimeoutError } from '../errors.js';
import { Cgroup } from '../os/cgroup.js';
import { monotonicMs } from '../os/clock.js';
import { lockDirectory } from '../os/lock.js';
import { removePidfile } from '../os/pidfile.js';
import { ProcessHandle } from '../os/process-handle.js';
import { descendantsOf, groupMembers, readStat } from '../os/processes.js';
import { signalGroup } from '../os/signals.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { SignalName } from '../spec/service-spec.js';
import { type DaemonTarget, type FoundDaemon, findDaemon, programOf, requireDaemon } from './find-daemon.js';

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
  const pid = programOf(found, state)?.pid ?? null;
  const by = found.judgement.is === 'alive' ? await end(found, options, state) : 'itself';
  recordStopped(found, state);
  return { name, pid: by === 'itself' ? null : pid, by };
}

async function end(
  found: FoundDaemon,
  options: StopOptions,
  state: StateDirectory,
): Promise<StopResult['by']> {
  const { pid, startTime } = found.process!;
  using handle = ProcessHandle.open(pid, startTime);
  if (handle === null) return 'itself';
  const spec = found.record?.spec.stop;
  const isWatchdog = found.record?.launchedBy === 'watchdog' && found.isOrphaned !== true;
  if (isWatchdog) return await endWatchdog(found, handle, options, state);
  const signal = options.signal ?? spec?.signal ?? 'SIGTERM';
  // A supervisor gives each program its grace, one group after the other, and killed it would leave them running.
  const patienceMs = found.record?.launchedBy === 'supervise' ? Number.POSITIVE_INFINITY : 10_000;
  const timeoutMs = options.timeoutMs ?? spec?.graceMs ?? patienceMs;
  const isWholeGroup = options.group === true || (spec !== undefined && spec.reach !== 'process');
  const group = isWholeGroup ? groupOf(found) : null;
  // What has left the group is told too where the program was started so; nobody adopts it any more.
  const cgroup = spec?.reach === 'tree' ? cgroupOf(found, state) : null;
  const others = spec?.reach === 'tree' ? outsideOf(group, pid, cgroup) : [];
  if (!deliver(handle, group, signal)) return 'itself';
  for (const member of others) tell(member, signal);
  // A stopped process (SIGSTOP, ^Z) takes no other signal before it goes on; SIGKILL needs no help.
  deliver(handle, group, 'SIGCONT');
  const deadline = monotonicMs() + timeoutMs;
  const restMs = (): number => Math.max(0, deadline - monotonicMs());
  if (
    (await handle.ended(timeoutMs)) &&
    (group === null || (await groupEnded(group, deadline))) &&
    (cgroup === null || (await cgroup.emptied(restMs())))
  )
    return 'signal';
  if (options.kill === false) throw new StopTimeoutError(found.what, pid, timeoutMs);
  deliver(handle, group, 'SIGKILL');
  for (const member of others) tell(member, 'SIGKILL');
  cgroup?.kill();
  const KILL_TAKES_EFFECT_MS = 10_000;
  // A process in uninterruptible sleep (a dead disk) does not even hear SIGKILL.
  const end = monotonicMs() + KILL_TAKES_EFFECT_MS;
  if (!(await handle.ended(KILL_TAKES_EFFECT_MS)) || (group !== null && !(await groupEnded(group, end))))
    throw new StopTimeoutError(found.what, pid, timeoutMs);
  return 'SIGKILL';
}

/**
 * A watchdog stops its program by the program's own rules, or as we wish, and leaves. If even the time that this takes
 * is over, both are killed, the program first.
 */
async function endWatchdog(
  found: FoundDaemon,
  watchdog: ProcessHandle,
  { signal, timeoutMs, kill, group }: StopOptions,
  state: StateDirectory,
): Promise<StopResult['by']> {
  const { name, stop } = found.record!.spec;
  const held = state.readLife(name)?.process ?? null;
  using program = held === null ? null : ProcessHandle.open(held.pid, held.startTime);
  const graceMs = timeoutMs ?? stop.graceMs;
  state.writeStopWish(name, {
    ...(signal === undefined ? {} : { signal }),
    graceMs: kill === false ? null : graceMs,
    ...(group === true ? { reach: 'group', killReach: 'group' } : {}),
  });
  if (!watchdog.signal('SIGTERM')) return 'itself';
  watchdog.signal('SIGCONT');
  const MARGIN_MS = 5000;
  const limitMs =
    kill === false ? (graceMs ?? 0) : graceMs === null ? Number.POSITIVE_INFINITY : graceMs + MARGIN_MS;
  if (await watchdog.ended(limitMs)) {
    // Our SIGTERM was its end before its Node could take one: the program that it was to adopt is nobody's.
    if (program?.isThere() === true)
      return end({ ...found, process: held, isOrphaned: true }, { signal, timeoutMs, kill, group }, state);
    const { lastExit } = state.readLife(name) ?? { lastExit: null };
    return held !== null && lastExit === 'killed by SIGKILL' ? 'SIGKILL' : 'signal';
  }
  if (kill === false) throw new StopTimeoutError(found.what, held?.pid ?? watchdog.pid, limitMs);
  if (program !== null) deliver(program, program.pid, 'SIGKILL');
  if (!(await watchdog.ended(MARGIN_MS))) watchdog.signal('SIGKILL');
  await watchdog.ended(MARGIN_MS);
  return 'SIGKILL';
}

/** Who belongs to a program without being in its process group. */
function outsideOf(group: number | null, main: number, cgroup: Cgroup | null): number[] {
  const all = new Set([...descendantsOf(main), ...(cgroup?.members() ?? [])]);
  all.delete(main);
  return [...all].filter((member) => readStat(member)?.processGroup !== group);
}

function cgroupOf({ record }: FoundDaemon, state: StateDirectory): Cgroup | null {
  if (record?.launchedBy !== 'watchdog') return null;
  const path = state.readLife(record.spec.name)?.cgroup ?? null;
  return path === null ? null : Cgroup.open(path);
}

function tell(pid: number, signal: SignalName): void {
  using handle = ProcessHandle.open(pid, null);
  handle?.signal(signal);
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

/** Members may start more members, so it asks again until none is left. */
async function groupEnded(group: number, deadline: number): Promise<boolean> {
  for (let members = groupMembers(group); members.length > 0; members = groupMembers(group)) {
    using member = ProcessHandle.open(members[0]!, null);
    if (member !== null && !(await member.ended(Math.max(0, deadline - monotonicMs())))) return false;
  }
  return true;
}

function recordStopped(found: FoundDaemon, state: StateDirectory): void {
  const { record, process: daemon, pidfile } = found;
  if (record === null) {
    if (pidfile !== null && daemon !== null) removePidfile(pidfile, daemon.pid);
    return;
  }
  using _lock = lockDirectory(state.path);
  const now = state.read(record.spec.name);
  // Another start may have taken the name meanwhile; its record, and what its watchdog wrote, is not ours to use.
  const isSame = now?.startedAt === record.startedAt;
  const life = isSame && record.launchedBy === 'watchdog' ? state.readLife(record.spec.name) : null;
  const pids = [daemon?.pid, record.process?.pid, life?.lastPid].filter((pid) => pid != null);
  for (const path of [pidfile, record.spec.detach.watchdogPidfile])
    if (path !== null) for (const pid of pids) removePidfile(path, pid);
  if (isSame) cgroupOf(found, state)?.remove();
  if (!isSame || now.phase === 'stopped') return;
  state.write({ ...record, phase: 'stopped' });
  if (life !== null)
    state.writeLife(record.spec.name, { ...life, state: 'STOPPED', process: null, nextStartAt: null });
}
