// Programs that daemonize themselves: the process that was started exits, and one of its descendants is the
// program from then on. Which one is decided here, by the rules of systemd's Type=forking, from the program's
// own pidfile and from who is left. The watchdog is a subreaper, so an orphan of the program is a child of
// the watchdog.
import type { PidfileContent } from '../spec/daemon-record.js';

/** A living process (no zombie) of the program. */
export interface TreeMember {
  readonly pid: number;
  readonly parent: number;
  readonly startTime: number;
}

export interface DaemonizedFacts {
  readonly watchdog: number;
  /** All that live of the program, wherever they stand in its tree. */
  readonly members: readonly TreeMember[];
  /** What stands in the pidfile that the program itself writes; null: none is known. */
  readonly pidfile: PidfileContent | null;
}

/** A process that has ended, and whether its exit counts as clean. */
export interface Ended {
  readonly pid: number;
  readonly isClean: boolean;
}

export type MainChoice =
  | { readonly is: 'main'; readonly member: TreeMember; readonly by: 'pidfile' | 'last-one' }
  /** Ask again when the pidfile or the tree has changed. Who waits sets the limit. */
  | { readonly is: 'awaited'; readonly reason: string }
  /**
   * It runs, and nobody can tell which one it is: ask again when one has ended. It lives while anybody does.
   */
  | { readonly is: 'unclear'; readonly reason: string }
  /** The program is over. Whoever is left is left over. */
  | { readonly is: 'gone'; readonly reason: string };

/** The program's main process, once the process that was started has ended. */
export function findMain(launched: Ended, facts: DaemonizedFacts): MainChoice {
  if (!launched.isClean)
    return gone(`process ${launched.pid} failed before the program was in the background`);
  if (facts.pidfile === null) return lastOne(facts);
  const named = namedInPidfile(facts.pidfile, facts, launched.pid);
  if (typeof named !== 'string') return { is: 'main', member: named, by: 'pidfile' };
  return facts.members.length === 0
    ? gone(`no process is left, and its pidfile ${named}`)
    : { is: 'awaited', reason: `its pidfile ${named}` };
}

/**
 * Who takes over from a main process that has ended. A pidfile that names another living one is a hand-over
 * (nginx after USR2 and QUIT) whatever the exit was. Without a pidfile only a clean exit can be one: of a
 * crashed program whoever is left is a worker without a master.
 */
export function followMain(ended: Ended, facts: DaemonizedFacts): MainChoice {
  if (facts.pidfile === null) {
    const survivor = ended.isClean ? lastOne(facts) : null;
    return survivor?.is === 'main' ? survivor : gone(`its main process ${ended.pid} has ended`);
  }
  const named = namedInPidfile(facts.pidfile, facts, ended.pid);
  if (typeof named !== 'string') return { is: 'main', member: named, by: 'pidfile' };
  return gone(`its main process ${ended.pid} has ended, and its pidfile ${named}`);
}

/** Why this pid cannot be the main process, whoever says so; null if it can. */
export function refusalOfMain(
  pid: number,
  facts: Pick<DaemonizedFacts, 'watchdog' | 'members'>,
): string | null {
  if (pid === facts.watchdog) return `process ${pid} is its watchdog`;
  if (pid <= 1) return `process ${pid} is not a program's`;
  return facts.members.some((member) => member.pid === pid)
    ? null
    : `process ${pid} is not a living process of the program`;
}

/** The member that the pidfile names, or in words why it names none. */
function namedInPidfile(pidfile: PidfileContent, facts: DaemonizedFacts, ended: number): TreeMember | string {
  switch (pidfile.kind) {
    case 'absent':
      return 'is not there';
    case 'empty':
      return 'is empty';
    case 'unusable':
      return pidfile.reason;
    case 'pid': {
      if (pidfile.pid === ended) return `names process ${ended}, which has ended`;
      const refusal = refusalOfMain(pidfile.pid, facts);
      if (refusal !== null) return `is refused: ${refusal}`;
      return facts.members.find((member) => member.pid === pidfile.pid)!;
    }
  }
}

/** Without a pidfile: the one whose descendants all the others are. */
function lastOne({ members }: DaemonizedFacts): MainChoice {
  if (members.length === 0) return gone('no process is left');
  const pids = new Set(members.map((member) => member.pid));
  const orphans = members.filter((member) => !pids.has(member.parent));
  if (orphans.length === 1) return { is: 'main', member: orphans[0]!, by: 'last-one' };
  const candidates = orphans.map((member) => member.pid).join(', ');
  return { is: 'unclear', reason: `each of these could be its main process: ${candidates}` };
}

const gone = (reason: string): MainChoice => ({ is: 'gone', reason });
