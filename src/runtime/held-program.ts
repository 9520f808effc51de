// One program, held: started, followed, signalled and judged when it ends, for a watchdog, which holds one, or a
// supervisor, which holds many. Who holds it hands on the ends of children, and is told of every change.
import { describeEndIn, describeExit } from '../core/exit-text.js';
import { type Ending, kindOf } from '../core/restart-policy.js';
import type { ServiceState } from '../core/service-machine.js';
import { now } from '../os/clock.js';
import { identityOf } from '../os/identity.js';
import { endingOf, type ProcessEnd } from '../os/invoke.js';
import { writeOptionalPidfile } from '../os/pidfile.js';
import { ProcessHandle } from '../os/process-handle.js';
import { readStat, unreapedChildren } from '../os/processes.js';
import { groupExists, signalNumber } from '../os/signals.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { Reach, ServiceSpec, SignalName } from '../spec/service-spec.js';
import { deliverSignal, groupTargets } from './deliver-signal.js';
import { ForeignMain } from './foreign-main.js';
import { MainFollower, whyNotMain } from './main-follower.js';
import type { ProgramHost } from './program-host.js';
import type { ProgramLife, ProgramMemory } from './program-memory.js';
import { ProgramTree } from './program-tree.js';
import { type HandedOver, isWatchAsked, ProgramWatch } from './program-watch.js';
import { ServiceRunner } from './service-runner.js';
import { startRun } from './start-run.js';
import { Triggers } from './triggers.js';

export class HeldProgram {
  readonly #host: ProgramHost;
  readonly #inherited: DaemonRecord['inherited'];
  readonly #runner: ServiceRunner;
  /** null: nothing is asked of it beside its end. A supervisor holds a thousand of these. */
  readonly #watch: ProgramWatch | null;
  readonly #tree: ProgramTree;
  readonly #triggers = new Triggers();
  /** null: its main process is the one that was started. */
  readonly #follower: MainFollower | null;
  #spec: ServiceSpec;
  #restarts = -1;
  #firstFailure: unknown = null;
  /** Wall time since which it is in its state: whoever held it before us counts, too. */
  #since: Pick<ProgramLife, 'state' | 'changedAt'> = { state: 'STOPPED', changedAt: Date.now() };
  /** How the last run ended, in words. */
  #lastExit: string | null = null;
  #outputs: readonly string[] = [];
  /** How the main process ended, while what it left behind is still being stopped. */
  #mainEnding: Ending | null = null;
  /** Whom the pidfile names, and whose process group the leftovers are in. */
  #lastPid: number | null = null;
  /** Set while the main process is not our child, but was started by somebody else: held by its pidfd. */
  #adopted: ForeignMain | null = null;
  /** Ready by what it reported, though it may not be known yet which process it is. */
  #hasReported = false;

  constructor(spec: ServiceSpec, inherited: DaemonRecord['inherited'], host: ProgramHost) {
    this.#spec = spec;
    this.#inherited = inherited;
    this.#host = host;
    this.#runner = new ServiceRunner(spec, {
      now,
      random: Math.random,
      spawn: () => this.#spawn(),
      signal: (pid, signal, reach) => this.#deliver(pid, signal, reach),
      moved: (before, event, after) => host.moved?.(before, event, after),
      changed: (after) => {
        if (after.name !== this.#since.state) this.#since = { state: after.name, changedAt: Date.now() };
        if ('exit' in after) this.#lastExit = describeExit(after.exit);
        this.#watch?.stateIs(after);
        // Who is told to stop is not waited for: what there is of it, is ended.
        if (after.name === 'STOPPING') this.#follower?.giveUp();
        this.#host.changed(this.state);
      },
    });
    this.#tree = new ProgramTree((pid) => this.#watch?.isErrand(pid) !== true && host.ownsOrphan(pid));
    this.#watch = this.#makeWatch();
    this.#follower = this.#makeFollower();
  }

  #makeWatch(): ProgramWatch | null {
    if (!isWatchAsked(this.#spec)) return null;
    return new ProgramWatch({
      spec: this.#spec,
      inherited: this.#inherited,
      folder: this.#host.folder,
      mayNotify: (pid) => this.#tree.owns(pid, this.pid),
      members: () => this.#membersOf(this.#lastPid!, 'tree'),
      ready: () => this.#reported(),
      heartbeat: () => this.#runner.tell('heartbeat'),
      stopping: () => this.#runner.tell('stopping'),
      unhealthy: (cause) => this.#runner.handle({ name: 'unhealthy', at: now(), cause }),
      extendTimeout: (byMs) => this.#runner.handle({ name: 'extend-timeout', at: now(), byMs }),
      heartbeatEvery: (everyMs) => this.#runner.heartbeatEvery(everyMs),
      mainIs: (pid) => this.#followWord(pid),
      said: () => this.#host.changed(this.state),
      complain: (attempt, error) => this.#host.complain(attempt, error),
    });
  }

  #makeFollower(): MainFollower | null {
    const { daemonizes } = this.#spec.watch;
    if (daemonizes === null) return null;
    return new MainFollower(daemonizes.pidfile, {
      living: () => this.#tree.living(this.#lastPid!),
      isAdopted: () => this.#tree.isAdopted,
      isClean: (ending) => kindOf(ending, this.#spec.restart) === 'clean',
      mainIs: ({ pid }) => this.#follow(pid),
      over: (ending) => this.#ended(ending),
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

  /** Starts it, now or when its schedule says. */
  begin(): void {
    const isDue = this.#spec.watch.cron === null;
    this.#arm().then(
      () => (isDue ? this.start() : this.#host.changed(this.state)),
      (error) => {
        // What cannot be watched is a mistake of the caller's.
        this.#firstFailure = error;
        this.#host.changed(this.state);
      },
    );
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

  /** To the main process alone. Returns false if there is none. Throws where we may not. */
  signal(signal: SignalName | 0): boolean {
    const { pid } = this.#runner;
    if (pid === null || !this.#isMainAlive()) return false;
    if (this.#adopted !== null && signal !== 0) return this.#adopted.handle.signal(signal);
    return process.kill(pid, signal === 0 ? 0 : signalNumber(signal));
  }

  /** What waits for it, or could start it again, is taken down; the program itself is left alone. */
  [Symbol.dispose](): void {
    this.#letGo();
    this.#watch?.[Symbol.dispose]();
    this.#triggers[Symbol.dispose]();
    this.#tree[Symbol.dispose]();
  }

  /** Takes over a program that runs already, and what is known of it. `isMain`: it has gone into the background. */
  adopt(life: ProgramLife, left: ProcessHandle, state: ServiceState, isMain = true): void {
    this.#follower?.reset(isMain);
    this.#takeOver(life, left, state, null);
  }

  #takeOver(life: ProgramLife, left: ProcessHandle, state: ServiceState, handed: HandedOver | null): void {
    this.#remember(life);
    this.#tree.adopt(left.pid);
    this.#lastPid = left.pid;
    // Its old watchdog may have been killed before it came to that.
    this.#writePidfile(left.pid);
    this.#runner.adopt(left.pid, state);
    this.#adopted = new ForeignMain(left, (ending) => this.#mainEnded(ending));
    this.#goOn(life, state, handed);
  }

  #goOn(life: ProgramLife, state: ServiceState, handed: HandedOver | null): void {
    this.#since = { state: state.name, changedAt: state.name === life.state ? life.changedAt : Date.now() };
    this.#arm().catch((error) => this.#host.complain('cannot watch for changes', error));
    this.#watch?.goOn(life, state, handed);
    this.#host.changed(state);
  }

  #letGo(): void {
    this.#adopted?.[Symbol.dispose]();
    this.#adopted = null;
  }

  /** Another process is the main one from now on. */
  #follow(pid: number): void {
    this.#letGo();
    this.#lastPid = pid;
    this.#runner.mainIs(pid);
    this.#writePidfile(pid);
    const stat = readStat(pid);
    const held = stat?.parent === process.pid ? null : ProcessHandle.open(pid, stat?.startTime ?? null);
    if (held !== null) this.#adopted = new ForeignMain(held, (ending) => this.#mainEnded(ending));
    if (this.#spec.watch.report === null || this.#hasReported) this.#tellReady();
    this.#host.changed(this.state);
  }

  /** It says that this is its main process. */
  #followWord(pid: number): void {
    if (pid === this.pid || this.pid === null || this.#mainEnding !== null) return;
    const refusal = whyNotMain(pid, this.#tree.living(this.pid));
    if (refusal !== null) return this.#host.complain('cannot follow MAINPID=', new Error(refusal));
    this.#follower?.settle();
    this.#follow(pid);
  }

  #reported(): void {
    this.#hasReported = true;
    if (this.#follower?.isSettled !== false) this.#tellReady();
  }

  #tellReady(): void {
    if (this.#spec.start.readiness === 'report') this.#runner.tell('ready');
  }

  #arm(): Promise<void> {
    return this.#triggers.arm(this.#spec.watch, {
      ignores: (path) => this.#outputs.includes(path) || path === this.#spec.detach.pidfile,
      changed: () => this.#runner.tell('changed'),
      isDue: () => {
        this.start();
        // The next time is another one, also where it runs still.
        this.#host.changed(this.state);
      },
    });
  }

  /** Goes on where our former self in this very process left off. */
  resume({ state, process: held, isChild, life, watch, following }: ProgramMemory): void {
    const left = held === null || isChild ? null : ProcessHandle.open(held.pid, held.startTime);
    if (left !== null) this.#takeOver(life, left, state, watch);
    else {
      this.#remember(life);
      this.#runner.adopt(held?.pid ?? null, state);
      this.#goOn(life, state, watch);
      if (held !== null && !isChild) this.#mainEnded({ how: 'unseen' });
    }
    if (following !== null) this.#follower?.resume(following);
  }

  memory(): ProgramMemory {
    const life = this.describe();
    return {
      state: this.state,
      process: life.process,
      isChild: this.#adopted === null,
      life,
      watch: this.#watch?.handOver() ?? { socket: null, pipe: null },
      following: this.#follower?.memory() ?? null,
    };
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
      cgroup: this.#tree.cgroup,
      notify: this.#watch?.describe() ?? null,
      changedAt: this.#since.changedAt,
      nextStartAt: wakeAt === null ? this.#triggers.nextStartAt() : Math.round(Date.now() + (wakeAt - now())),
    };
  }

  /** A child of this process has ended: the program, one of its leftovers, or somebody else's. */
  childEnded(pid: number, end: ProcessEnd): void {
    if (this.#watch?.childEnded(pid, end) === true) return;
    if (pid === this.#runner.pid && this.#isMainAlive()) this.#mainEnded(endingOf(end));
    else if (this.#follower?.isWaiting === true) this.#follower.look();
    else if (this.#mainEnding !== null) this.#lookForLeftovers();
  }

  /** Of a program that went into the background by itself another process may go on. */
  #mainEnded(ending: Ending): void {
    const { pid } = this;
    this.#letGo();
    this.#watch?.hearLastWords();
    // Its last word may have been who follows it.
    if (pid !== this.pid) return;
    const mayGoOn = this.state.name === 'STARTING' || this.state.name === 'RUNNING';
    if (this.#follower !== null && mayGoOn) this.#follower.ended(pid!, ending);
    else this.#ended(ending);
  }

  #remember(life: ProgramLife): void {
    this.#restarts = life.restarts;
    this.#lastPid = life.lastPid;
    this.#outputs = life.outputs;
    this.#lastExit = life.lastExit;
    this.#tree.cgroup = life.cgroup;
  }

  /** The main process has ended. What it leaves within the reach of `stop` is ended too before anything else happens. */
  #ended(ending: Ending): void {
    this.#lastExit = describeEndIn(this.state, ending);
    if (this.#spec.stop.leftovers !== 'stop' || this.#leftovers().size === 0) return this.#runEnded(ending);
    this.#mainEnding = ending;
    this.#runner.handle({ name: 'main-exited', at: now(), ending });
    this.#lookForLeftovers();
  }

  #runEnded(ending: Ending): void {
    this.#mainEnding = null;
    this.#watch?.runIsOver();
    this.#runner.ended(ending);
  }

  #leftovers(): Set<number> {
    const { killReach } = this.#spec.stop;
    const lastPid = this.#lastPid!;
    // The usual case, for the price of one system call instead of a look at every process.
    if (killReach === 'group' && !groupExists(lastPid)) return new Set();
    // A child that has ended and is not reaped yet still answers `kill -0`: its SIGCHLD is on its way here.
    const ending = unreapedChildren().filter(
      ({ pid, processGroup }) => processGroup === lastPid || this.#tree.ownsOrphan(pid),
    );
    return new Set([...this.#membersOf(lastPid, killReach), ...ending.map(({ pid }) => pid)]);
  }

  /** They are our children by now, so their ends bring us here again; those of an adopted program are held one by one. */
  #lookForLeftovers(): void {
    const ending = this.#mainEnding;
    if (ending === null) return;
    const left = [...this.#leftovers()];
    if (left.length === 0) return this.#runEnded(ending);
    const stranger = left.find((pid) => readStat(pid)?.parent !== process.pid);
    const handle = stranger === undefined ? null : ProcessHandle.open(stranger, null);
    void handle?.ended(Number.POSITIVE_INFINITY).then(() => {
      handle[Symbol.dispose]();
      this.#lookForLeftovers();
    });
  }

  #spawn(): number {
    const isFirst = this.#restarts < 0;
    try {
      this.#follower?.reset(false);
      this.#hasReported = false;
      const { pid, outputs } = startRun(this.#spec, this.#inherited, this.#watch, {
        opensAs: this.#host.opensAs,
        openStreams: () => this.#host.openStreams(isFirst),
      });
      this.#restarts += 1;
      this.#tree.started(pid, this.#spec.stop.killReach === 'tree');
      this.#lastPid = pid;
      this.#outputs = outputs;
      this.#writePidfile(pid);
      this.#host.spawned?.(pid);
      this.#watch?.started();
      return pid;
    } catch (error) {
      this.#watch?.runIsOver();
      if (isFirst) this.#firstFailure = error;
      throw error;
    }
  }

  #writePidfile(pid: number): void {
    writeOptionalPidfile(this.#spec.detach.pidfile, pid, this.#host);
  }

  #deliver(pid: number, signal: SignalName, reach: Reach): void {
    this.#host.signalling?.(pid, signal, reach);
    if (signal === 'SIGKILL' && reach === 'tree') this.#tree.kill();
    const targets = reach === 'group' ? groupTargets(pid, this.#isMainAlive()) : this.#membersOf(pid, reach);
    deliverSignal(signal, targets, this.#adopted?.handle ?? null, this.#host);
  }

  #membersOf(pid: number, reach: Reach): Set<number> {
    return new Set([...(this.#isMainAlive() ? [pid] : []), ...this.#tree.membersOf(pid, reach)]);
  }

  #isMainAlive(): boolean {
    return this.#mainEnding === null && this.#follower?.isWaiting !== true;
  }
}
