// One program, held: started, followed, signalled and judged when it ends, for a watchdog, which holds one, or a
// supervisor, which holds many. Who holds it hands on the ends of children, and is told of every change.
import { describeEnding, describeExit } from '../core/exit-text.js';
import type { Ending } from '../core/restart-policy.js';
import type { ServiceState } from '../core/service-machine.js';
import { errnoNameOf } from '../errors.js';
import { monotonicMs } from '../os/clock.js';
import { actAs, findAccount } from '../os/credentials.js';
import { closeOnExecAboveTwo } from '../os/descriptors.js';
import { identityOf } from '../os/identity.js';
import type { DescriptorMap, ProcessEnd } from '../os/invoke.js';
import { writePidfile } from '../os/pidfile.js';
import { ProcessHandle } from '../os/process-handle.js';
import { childrenOf, descendantsOf, groupMembers, readStat, unreapedChildren } from '../os/processes.js';
import { groupExists, signalName } from '../os/signals.js';
import { enterDirectory } from '../os/working-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { Reach, ServiceSpec, SignalName } from '../spec/service-spec.js';
import type { Millis } from '../spec/time.js';
import type { ProgramLife, ProgramMemory } from './program-memory.js';
import { ServiceRunner } from './service-runner.js';
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

/** What is asked of whoever holds the program. */
export interface ProgramHost {
  /** Called as the program's user, with the umask that the files are to be made with. */
  openStreams(isFirst: boolean): Streams;
  /** Whether a process that lost its parent, and so became ours, is one of this program's. */
  ownsOrphan(pid: number): boolean;
  /** Something has changed, and all that follows from it has been done. */
  changed(state: ServiceState): void;
  /** What went wrong and does not change what becomes of the program. */
  complain(attempt: string, error: unknown): void;
}

export class HeldProgram {
  readonly #host: ProgramHost;
  readonly #inherited: DaemonRecord['inherited'];
  readonly #runner: ServiceRunner;
  #spec: ServiceSpec;
  #restarts = -1;
  #firstFailure: unknown = null;
  /** How the last run ended, in words. */
  #lastExit: string | null = null;
  #outputs: readonly string[] = [];
  /** How the main process ended, while what it left behind is still being stopped. */
  #mainEnding: Ending | null = null;
  /** Whom the pidfile names, and whose process group the leftovers are in. */
  #lastPid: number | null = null;
  /** Set while the program is one that somebody else started: not our child, so held by its pidfd. */
  #adopted: ProcessHandle | null = null;

  constructor(spec: ServiceSpec, inherited: DaemonRecord['inherited'], host: ProgramHost) {
    this.#spec = spec;
    this.#inherited = inherited;
    this.#host = host;
    this.#runner = new ServiceRunner(spec, {
      now,
      random: Math.random,
      spawn: () => this.#spawn(),
      signal: (pid, signal, reach) => this.#deliver(pid, signal, reach),
      changed: (after) => {
        if ('exit' in after) this.#lastExit = describeExit(after.exit);
        this.#host.changed(after);
      },
    });
  }

  get state(): ServiceState {
    return this.#runner.state;
  }

  /** The main process; null between two runs, also while leftovers of the last one are being stopped. */
  get pid(): number | null {
    return this.#runner.pid;
  }

  get lastPid(): number | null {
    return this.#lastPid;
  }

  get outputs(): readonly string[] {
    return this.#outputs;
  }

  /** Why the very first start could not even be made: a mistake of the caller's, whatever the policy says. */
  get firstFailure(): unknown {
    return this.#firstFailure;
  }

  start(): void {
    this.#runner.tell('start');
  }

  restart(): void {
    this.#runner.tell('restart');
  }

  /** By the program's own rules, but for what is said otherwise. */
  stop(otherwise: Partial<ServiceSpec['stop']> = {}): void {
    this.#runner.stopBy({ ...this.#spec.stop, ...otherwise });
    this.#runner.tell('stop');
  }

  /** Takes over a program that runs already, and what is known of it. */
  adopt(life: ProgramLife, left: ProcessHandle, state: ServiceState): void {
    this.#remember(life);
    this.#adopted = left;
    this.#lastPid = left.pid;
    // Its old watchdog may have been killed before it came to that.
    this.#writePidfile(left.pid);
    this.#runner.adopt(left.pid, state);
    this.#host.changed(state);
    // It is not our child: its pidfd tells when it ends, and waitpid cannot tell how.
    void left.ended(Number.POSITIVE_INFINITY).then(() => {
      left[Symbol.dispose]();
      this.#adopted = null;
      this.#ended({ how: 'unseen' });
    });
  }

  /** Goes on where our former self in this very process left off. */
  resume({ state, process: held, isChild, life }: ProgramMemory): void {
    const left = held === null || isChild ? null : ProcessHandle.open(held.pid, held.startTime);
    if (left !== null) return this.adopt(life, left, state);
    this.#remember(life);
    this.#runner.adopt(held?.pid ?? null, state);
    this.#host.changed(state);
    if (held !== null && !isChild) this.#ended({ how: 'unseen' });
  }

  memory(): ProgramMemory {
    const { state, pid } = this.#runner;
    const held = pid === null ? null : identityOf(pid);
    return { state, process: held, isChild: this.#adopted === null, life: this.describe() };
  }

  describe(): ProgramLife {
    const { state, pid } = this.#runner;
    const wakeAt = state.name === 'BACKOFF' || state.name === 'FATAL' ? state.wakeAt : null;
    return {
      state: state.name,
      reason: state.name === 'FATAL' ? state.reason : null,
      process: pid === null ? null : identityOf(pid),
      lastPid: this.#lastPid,
      restarts: Math.max(0, this.#restarts),
      lastExit: this.#lastExit,
      outputs: this.#outputs,
      changedAt: Date.now(),
      nextStartAt: wakeAt === null ? null : Math.round(Date.now() + (wakeAt - now())),
    };
  }

  /** A child of this process has ended: the program, one of its leftovers, or somebody else's. */
  childEnded(pid: number, end: ProcessEnd): void {
    if (pid === this.#runner.pid && this.#isMainAlive()) this.#ended(endingOf(end));
    else if (!this.#isMainAlive()) this.#lookForLeftovers();
  }

  #remember(life: ProgramLife): void {
    this.#restarts = life.restarts;
    this.#lastPid = life.lastPid;
    this.#outputs = life.outputs;
    this.#lastExit = life.lastExit;
  }

  /** The main process has ended. What it leaves within the reach of `stop` is ended too before anything else happens. */
  #ended(ending: Ending): void {
    this.#lastExit = describeEnding(ending);
    this.#mainEnding = ending;
    if (this.#spec.stop.leftovers === 'stop' && this.#leftovers().size > 0)
      this.#runner.handle({ name: 'main-exited', at: now(), ending });
    this.#lookForLeftovers();
  }

  #leftovers(): Set<number> {
    const { killReach } = this.#spec.stop;
    const lastPid = this.#lastPid!;
    // The usual case, for the price of one system call instead of a look at every process.
    if (killReach === 'group' && !groupExists(lastPid)) return new Set();
    // A child that has ended and is not reaped yet still answers `kill -0`: its SIGCHLD is on its way here.
    const ending = unreapedChildren().filter(
      ({ pid, processGroup }) => processGroup === lastPid || this.#host.ownsOrphan(pid),
    );
    return new Set([...this.#membersOf(lastPid, killReach), ...ending.map(({ pid }) => pid)]);
  }

  /** They are our children by now, so their ends bring us here again; those of an adopted program are held one by one. */
  #lookForLeftovers(): void {
    const ending = this.#mainEnding;
    if (ending === null) return;
    const left = this.#spec.stop.leftovers === 'stop' ? [...this.#leftovers()] : [];
    if (left.length === 0) {
      this.#mainEnding = null;
      this.#runner.ended(ending);
      return;
    }
    const stranger = left.find((pid) => readStat(pid)?.parent !== process.pid);
    const handle = stranger === undefined ? null : ProcessHandle.open(stranger, null);
    void handle?.ended(Number.POSITIVE_INFINITY).then(() => {
      handle[Symbol.dispose]();
      this.#lookForLeftovers();
    });
  }

  #spawn(): number {
    const spec = this.#spec;
    const inherited = this.#inherited;
    const isFirst = this.#restarts < 0;
    const leaveUser = spec.user === null ? () => undefined : actAs(findAccount(spec.user));
    const ours = process.umask(inherited.umask);
    let streams: Streams | null = null;
    try {
      const opened = this.#host.openStreams(isFirst);
      streams = opened;
      process.umask(ours);
      const cwd = spec.command.cwd ?? inherited.cwd;
      if (cwd !== null) enterDirectory(cwd);
      closeOnExecAboveTwo();
      const pid = spawnProgram({
        spec,
        cwd: inherited.cwd,
        umask: inherited.umask,
        softOpenFiles: inherited.openFiles,
        descriptors: opened.descriptors,
        ownGroup: true,
        nice: spec.command.nice,
        leaveUser,
        whenInvokable: () => opened.whenInvokable(),
      });
      this.#restarts += 1;
      this.#lastPid = pid;
      this.#outputs = opened.paths;
      this.#writePidfile(pid);
      return pid;
    } catch (error) {
      if (isFirst) this.#firstFailure = error;
      throw error;
    } finally {
      process.umask(ours);
      leaveUser();
      // Not to pin the program's file system for longer than the moment of its start.
      process.chdir('/');
      streams?.close();
    }
  }

  #writePidfile(pid: number): void {
    const { pidfile } = this.#spec.detach;
    try {
      if (pidfile !== null) writePidfile(pidfile, pid);
    } catch (error) {
      // A full disk; the program runs all the same, and must not be lost for it.
      this.#host.complain(`cannot write pidfile ${pidfile}`, error);
    }
  }

  /** Once to each: many programs take a second SIGTERM for "now really". A stopped process hears nothing before SIGCONT. */
  #deliver(pid: number, signal: SignalName, reach: Reach): void {
    const targets = reach === 'group' ? this.#groupTargets(pid) : this.#membersOf(pid, reach);
    for (const each of signal === 'SIGKILL' ? [signal] : [signal, 'SIGCONT' as const]) {
      for (const target of targets) {
        try {
          if (target === pid && this.#adopted !== null) this.#adopted.signal(each);
          else process.kill(target, each);
        } catch (error) {
          // ESRCH: gone meanwhile. EPERM: a set-uid program; what comes of it shows when the grace is over.
          if (errnoNameOf(error) !== 'ESRCH')
            this.#host.complain(`cannot send ${each} to process ${target}`, error);
        }
      }
    }
  }

  /** As kill(2) takes them: one call for the group, and one for a main process that has left it. */
  #groupTargets(pid: number): number[] {
    const hasLeft = this.#isMainAlive() && readStat(pid)?.processGroup !== pid;
    return hasLeft ? [-pid, pid] : [-pid];
  }

  /**
   * Whom a signal to the program reaches. Its tree is what descends from it, and what has lost its parent and is
   * ours for that, a subreaper's, with all that descends from there.
   */
  #membersOf(pid: number, reach: Reach): Set<number> {
    const members = new Set(this.#isMainAlive() ? [pid] : []);
    if (reach === 'process') return members;
    for (const member of groupMembers(pid)) members.add(member);
    if (reach === 'group') return members;
    const orphans = childrenOf(process.pid).filter((child) => child !== pid && this.#host.ownsOrphan(child));
    for (const root of [pid, ...orphans]) {
      if (root !== pid) members.add(root);
      for (const member of descendantsOf(root)) members.add(member);
    }
    return members;
  }

  #isMainAlive(): boolean {
    return this.#mainEnding === null;
  }
}

/** Monotonic since boot, so that a successor's clock is the same. */
export const now = (): Millis => monotonicMs() as Millis;

function endingOf(end: ProcessEnd): Ending {
  return end.signal === null
    ? { how: 'exited', code: end.code }
    : { how: 'killed', signal: signalName(end.signal) as SignalName };
}
