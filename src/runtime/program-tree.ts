// All processes of one held program, for a holder of many: told from those of other programs, and from the holder's own
// errands.
import type { TreeMember } from '../core/main-process.js';
import { Cgroup } from '../os/cgroup.js';
import {
  allProcesses,
  childrenOf,
  descendantsOf,
  groupMembers,
  isZombie,
  readStat,
} from '../os/processes.js';
import type { Reach } from '../spec/service-spec.js';

/**
 * Its tree is what descends from its main process, and what has lost its parent and is ours for that, a subreaper's,
 * with all that descends from there.
 */
export class ProgramTree {
  /** Whether a child of ours, of which we are not the maker, is one of this program's. */
  readonly ownsOrphan: (pid: number) => boolean;
  /** The session of a program that we did not start, whose orphans become init's. */
  #session: number | null = null;
  #isAdopted = false;
  /** Holds also those that left parent and session while nobody watched. null: none can be had; undefined: not tried. */
  #cgroup: Cgroup | null | undefined;

  constructor(ownsOrphan: (pid: number) => boolean) {
    this.ownsOrphan = ownsOrphan;
  }

  /** It was started by somebody else, in a session that is its own or that of a holder who is gone. */
  adopt(main: number): void {
    this.#isAdopted = true;
    const session = readStat(main)?.session ?? null;
    this.#session = session === readStat('self')?.session ? null : session;
  }

  /** It was started by us, just now. `isToHold`: nobody may get away, so it gets a cgroup where one is ours to make. */
  started(main: number, isToHold: boolean): void {
    this.#isAdopted = false;
    this.#session = null;
    if (!isToHold) return;
    if (this.#cgroup === undefined) this.#cgroup = Cgroup.create(`tsdaemon-${process.pid}-${main}`);
    this.#cgroup?.add(main);
  }

  /** Whether its main process was started by somebody else, and so may have orphans that are not ours. */
  get isAdopted(): boolean {
    return this.#isAdopted;
  }

  /** The cgroup by which a successor finds it again; null: it has none. */
  get cgroup(): string | null {
    return this.#cgroup?.path ?? null;
  }

  set cgroup(path: string | null) {
    this.#cgroup = path === null ? undefined : (Cgroup.open(path) ?? undefined);
  }

  /** All at once, those included that are being forked right now; nothing without a cgroup. */
  kill(): void {
    this.#cgroup?.kill();
  }

  [Symbol.dispose](): void {
    this.#cgroup?.remove();
  }

  /** Whom a signal reaches, the main process left out. */
  membersOf(main: number, reach: Reach): Set<number> {
    const members = new Set<number>();
    if (reach === 'process') return members;
    // One look for all: on a machine with thousands of processes each takes its time.
    const all = allProcesses();
    for (const member of groupMembers(main, all)) members.add(member);
    if (reach === 'tree') {
      const session = this.#session;
      const companions =
        session === null ? [] : all.filter((stat) => stat.session === session && !isZombie(stat));
      const orphans = childrenOf(process.pid, all).filter((child) => this.ownsOrphan(child));
      for (const root of [main, ...orphans, ...companions.map(({ pid }) => pid)]) {
        members.add(root);
        for (const member of descendantsOf(root, all)) members.add(member);
      }
      for (const member of this.#cgroup?.members() ?? []) members.add(member);
    }
    members.delete(main);
    return members;
  }

  /** The living, the main process among them. */
  living(main: number): TreeMember[] {
    return [main, ...this.membersOf(main, 'tree')]
      .map((pid) => readStat(pid))
      .filter((stat) => stat !== null && !isZombie(stat))
      .map((stat) => stat!);
  }

  /** By its ancestors alone. One that has ended and been reaped cannot be told from a stranger, and counts as its own. */
  owns(pid: number, main: number | null): boolean {
    let current = readStat(pid);
    if (current === null) return true;
    for (let depth = 0; current !== null && depth < 1000; depth += 1) {
      if (current.pid === main) return true;
      if (this.#session !== null && current.session === this.#session) return true;
      if (current.parent === process.pid) return this.ownsOrphan(current.pid);
      current = readStat(current.parent);
    }
    return false;
  }
}
