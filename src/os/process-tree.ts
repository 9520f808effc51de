// All processes of a program, also those that changed their process group, session or parent. What makes that
// possible is that the watchdog is a subreaper: whoever loses his parent becomes its child and so never
// leaves its tree.
import { SystemError } from '../errors.js';
import type { SignalName } from '../spec/service-spec.js';
import { ProcessHandle } from './process-handle.js';
import { allProcesses, isZombie, type ProcessStat, readStat } from './processes.js';

/** Which processes are meant. */
export interface TreeScope {
  /** Processes whose descendants are meant, themselves not: the watchdog. */
  readonly below?: readonly number[];
  /** Processes that are meant with all their descendants: a program that is not our child. */
  readonly from?: readonly number[];
  /**
   * Left out with their descendants and process groups: commands that the watchdog starts for its own ends.
   */
  readonly except?: ReadonlySet<number>;
}

/** The living processes of the tree, in no order. Empty where there is no /proc. */
export function treeMembers(scope: TreeScope): ProcessStat[] {
  const all = lookAround();
  return [...all.values()].filter((stat) => !isZombie(stat) && isIn(stat, scope, (pid) => all.get(pid)));
}

/**
 * Where one process stands, by its ancestors alone. A zombie still has its place. `gone`: it has been reaped,
 * and nobody can tell any more.
 */
export function standingOf(pid: number, scope: TreeScope): 'member' | 'stranger' | 'gone' {
  const stat = readStat(pid);
  if (stat === null) return 'gone';
  return isIn(stat, scope, (ancestor) => readStat(ancestor) ?? undefined) ? 'member' : 'stranger';
}

/** Sends each of these the signal, unless another process has its pid by now. Returns whom it reached. */
export function signalMembers(members: readonly ProcessStat[], signal: SignalName): ProcessStat[] {
  return members.filter((member) => {
    const handle = ProcessHandle.open(member.pid, member.startTime);
    if (handle === null) return false;
    try {
      return handle.signal(signal);
    } catch (error) {
      // EPERM: it has become another user. It is left, and whoever counts survivors finds it.
      if (error instanceof SystemError && error.errnoName === 'EPERM') return false;
      throw error;
    } finally {
      handle[Symbol.dispose]();
    }
  });
}

/**
 * SIGKILL for the whole tree, until a look around finds nobody who has not got it: what was started while we
 * looked is found by the next look. The kernel may take a moment to finish them.
 */
export function killTree(scope: TreeScope): void {
  const known = new Set<string>();
  const name = ({ pid, startTime }: ProcessStat): string => `${pid} ${startTime}`;
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const fresh = treeMembers(scope).filter((member) => !known.has(name(member)));
    if (fresh.length === 0) return;
    signalMembers(fresh, 'SIGKILL');
    for (const member of fresh) known.add(name(member));
  }
}

/** Enough for any program but one that forks to escape, which only a cgroup can hold. */
const LOOKS_MAX = 50;

/**
 * Every process by its pid. They are read one after the other, so somebody may have been read as the child of
 * a parent that was gone when its turn came; its new parent is looked up.
 */
function lookAround(): Map<number, ProcessStat> {
  const all = new Map(allProcesses().map((stat) => [stat.pid, stat]));
  for (const stat of all.values()) {
    if (stat.parent === 0 || all.has(stat.parent)) continue;
    const again = readStat(stat.pid);
    if (again !== null) all.set(stat.pid, again);
  }
  return all;
}

function isIn(
  stat: ProcessStat,
  { below = [], from = [], except }: TreeScope,
  find: (pid: number) => ProcessStat | undefined,
): boolean {
  // A chain that changes while it is followed could lead in a circle; no real one is this long.
  let current: ProcessStat | undefined = stat;
  for (let depth = 0; current !== undefined && depth < 1000; depth += 1) {
    if (except?.has(current.pid) === true || except?.has(current.processGroup) === true) return false;
    if (from.includes(current.pid) || below.includes(current.parent)) return true;
    current = find(current.parent);
  }
  return false;
}
