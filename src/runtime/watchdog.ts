// One program, held: started again as its restart policy says, stopped properly, and written down at every turn, so
// that `status` can tell and another watchdog can go on after this one was killed.
import { writeSync } from 'node:fs';
import type { Ending, Exit } from '../core/restart-policy.js';
import { adopted, type ServiceState } from '../core/service-machine.js';
import { errnoNameOf, SpawnError } from '../errors.js';
import { becomeSubreaper, onChildEnd } from '../os/children.js';
import { monotonicMs } from '../os/clock.js';
import { actAs, findAccount } from '../os/credentials.js';
import { closeOnExecAboveTwo } from '../os/descriptors.js';
import { identityOf } from '../os/identity.js';
import type { ProcessEnd } from '../os/invoke.js';
import { closeOutput, openOutput, truncateOutput } from '../os/outputs.js';
import { removePidfile, writePidfile } from '../os/pidfile.js';
import { ProcessHandle } from '../os/process-handle.js';
import { descendantsOf, groupMembers, readStat, unreapedChildren } from '../os/processes.js';
import { groupExists, signalName, signalNumber } from '../os/signals.js';
import type { StateDirectory } from '../os/state-directory.js';
import { enterDirectory } from '../os/working-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceLife } from '../spec/service-life.js';
import type { Reach, SignalName } from '../spec/service-spec.js';
import type { Millis } from '../spec/time.js';
import { ServiceRunner } from './service-runner.js';
import { spawnProgram } from './spawn-program.js';
import type { WatchdogMemory } from './start-request.js';

/** How the first start came out, told once. */
export type FirstStart =
  | { readonly ready: true; readonly pid: number; readonly outputs: readonly string[] }
  | { readonly ready: false; readonly exitCode: number; readonly reason: string };

export interface WatchdogEvents {
  /** The program is ready, or will not be. */
  firstStart(outcome: FirstStart): void;
  /** Nothing is left to watch: it was stopped, or its policy does not bring it back. */
  over(): void;
}

export class Watchdog {
  readonly #state: StateDirectory;
  readonly #events: WatchdogEvents;
  readonly #runner: ServiceRunner;
  #record: DaemonRecord;
  #restarts = -1;
  #upgrades = 0;
  /** How the last run ended, in words. */
  #lastExit: string | null = null;
  #outputs: readonly string[] = [];
  #isFirstStartTold = false;
  /** Why the very first start could not even be made. */
  #failedStart: unknown = null;
  /** How the main process ended, while what it left behind is still being stopped. */
  #mainEnding: Ending | null = null;
  /** Whom the pidfile names. */
  #lastPid: number | null = null;
  /** Set while the program is one that a killed watchdog left: not our child, so held by its pidfd. */
  #adopted: ProcessHandle | null = null;

  constructor(record: DaemonRecord, state: StateDirectory, events: WatchdogEvents) {
    this.#record = record;
    this.#state = state;
    this.#events = events;
    this.#runner = new ServiceRunner(record.spec, {
      now,
      random: Math.random,
      spawn: () => this.#spawn(),
      signal: (pid, signal, reach) => this.#deliver(pid, signal, reach),
      changed: (after, pid) => this.#changed(after, pid),
    });
  }

  /** Starts the program, or takes over the one that a killed watchdog left. */
  begin(life: ServiceLife | null, left: ProcessHandle | null): void {
    this.#listen();
    if (left === null) this.#runner.tell('start');
    else this.#adopt(life!, left, adopted(now(), this.#record.spec));
  }

  /** Goes on where this watchdog's former self exchanged its code. */
  resume({ state, process: held, isChild, life }: WatchdogMemory): void {
    this.#restarts = life.restarts;
    this.#lastPid = life.lastPid;
    this.#upgrades = life.upgrades + 1;
    this.#lastExit = life.lastExit;
    this.#outputs = life.outputs;
    this.#isFirstStartTold = true;
    const left = held === null || isChild ? null : ProcessHandle.open(held.pid, held.startTime);
    if (left !== null) this.#adopt(life, left, state);
    else {
      this.#runner.adopt(held?.pid ?? null, state);
      this.#write(state, held?.pid ?? null);
      if (held !== null && !isChild) this.#ended({ how: 'unseen' });
    }
    this.#listen();
    // What ended between the two selves is still to be reaped.
    process.emit('SIGCHLD', 'SIGCHLD');
  }

  /** What the next self has to know. */
  memory(): WatchdogMemory {
    const { state, pid } = this.#runner;
    const held = pid === null ? null : identityOf(pid);
    return { state, process: held, isChild: this.#adopted === null, life: this.#describe(state, pid) };
  }

  #listen(): void {
    becomeSubreaper();
    onChildEnd((pid, end) => {
      if (pid === this.#runner.pid && this.#isMainAlive()) this.#ended(endingOf(end));
      else if (!this.#isMainAlive()) this.#lookForLeftovers();
    });
  }

  /** By the program's own rules, but for what `tsdaemon stop` was told otherwise. */
  stop(): void {
    const wish = this.#state.takeStopWish(this.#record.spec.name);
    if (wish !== null) this.#runner.stopBy({ ...this.#record.spec.stop, ...wish });
    this.#runner.tell('stop');
    // A program that was not running has nothing to wait for.
    if (this.#runner.pid === null) this.#changed(this.#runner.state, null);
  }

  restart(): void {
    this.#runner.tell('restart');
  }

  #adopt(life: ServiceLife, left: ProcessHandle, state: ServiceState): void {
    this.#restarts = life.restarts;
    this.#upgrades = Math.max(this.#upgrades, life.upgrades);
    this.#outputs = life.outputs;
    this.#lastExit = life.lastExit;
    this.#adopted = left;
    this.#lastPid = left.pid;
    // Its old watchdog may have been killed before it came to that.
    const { pidfile } = this.#record.spec.detach;
    if (pidfile !== null) writePidfile(pidfile, left.pid);
    this.#runner.adopt(left.pid, state);
    this.#changed(this.#runner.state, left.pid);
    // It is not our child: its pidfd tells when it ends, and waitpid cannot tell how.
    void left.ended(Number.POSITIVE_INFINITY).then(() => {
      left[Symbol.dispose]();
      this.#adopted = null;
      this.#ended({ how: 'unseen' });
    });
  }

  /** The main process has ended. What it leaves within the reach of `stop` is ended too before anything else happens. */
  #ended(ending: Ending): void {
    this.#lastExit = describeEnding(ending);
    this.#mainEnding = ending;
    const { stop } = this.#record.spec;
    if (stop.leftovers === 'stop' && this.#leftovers().size > 0)
      this.#runner.handle({ name: 'main-exited', at: now(), ending });
    this.#lookForLeftovers();
  }

  #leftovers(): Set<number> {
    const { killReach } = this.#record.spec.stop;
    // The usual case, for the price of one system call instead of a look at every process.
    if (killReach === 'group' && !groupExists(this.#lastPid!)) return new Set();
    // A child that has ended and is not reaped yet still answers `kill -0`: its SIGCHLD is on its way here.
    return new Set([...this.#membersOf(this.#lastPid!, killReach), ...unreapedChildren()]);
  }

  /** They are our children by now, so their ends bring us here again; those of an adopted program are held one by one. */
  #lookForLeftovers(): void {
    const ending = this.#mainEnding;
    if (ending === null) return;
    const left = this.#record.spec.stop.leftovers === 'stop' ? [...this.#leftovers()] : [];
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
    const { spec, inherited } = this.#record;
    const leaveUser = spec.user === null ? () => undefined : actAs(findAccount(spec.user));
    const opened: ReturnType<typeof openOutput>[] = [];
    const ours = process.umask(inherited.umask);
    try {
      opened.push(openOutput(spec.stdio.stdout));
      if (spec.stdio.stderr !== 'as-stdout') opened.push(openOutput(spec.stdio.stderr));
      process.umask(ours);
      const [stdout, stderr = stdout] = opened.map(({ descriptor }) => descriptor);
      const cwd = spec.command.cwd ?? inherited.cwd;
      if (cwd !== null) enterDirectory(cwd);
      closeOnExecAboveTwo();
      const pid = spawnProgram({
        spec,
        cwd: inherited.cwd,
        umask: inherited.umask,
        softOpenFiles: inherited.openFiles,
        stdout: stdout!,
        stderr: stderr!,
        extra: new Map(),
        ownGroup: true,
        nice: spec.command.nice,
        leaveUser,
        // At the first start alone: what a crashed run wrote is what one wants to read.
        whenInvokable: () => (this.#restarts < 0 ? opened.forEach(truncateOutput) : undefined),
      });
      this.#restarts += 1;
      this.#lastPid = pid;
      this.#outputs = [...new Set(opened.map(({ path }) => path))];
      if (spec.detach.pidfile !== null) writePidfile(spec.detach.pidfile, pid);
      return pid;
    } catch (error) {
      // What cannot be exec'ed the first time is a mistake of the caller's, whatever the policy for later says.
      if (this.#restarts < 0) this.#failedStart = error;
      throw error;
    } finally {
      process.umask(ours);
      leaveUser();
      // Not to pin the program's file system for longer than the moment of its start.
      process.chdir('/');
      for (const output of opened) closeOutput(output, true);
    }
  }

  #changed(after: ServiceState, pid: number | null): void {
    if ('exit' in after) this.#lastExit = describeExit(after.exit);
    this.#write(after, pid);
    const isOver =
      this.#failedStart !== null ||
      after.name === 'STOPPED' ||
      after.name === 'EXITED' ||
      (after.name === 'FATAL' && after.wakeAt === null);
    if (isOver) this.#writeEnd();
    this.#tellFirstStart(after, pid);
    if (isOver) this.#events.over();
  }

  #writeEnd(): void {
    const { name, detach } = this.#record.spec;
    try {
      if (detach.pidfile !== null && this.#lastPid !== null) removePidfile(detach.pidfile, this.#lastPid);
      if (detach.watchdogPidfile !== null) removePidfile(detach.watchdogPidfile, process.pid);
      this.#state.write({ ...this.#record, ...this.#state.read(name), phase: 'stopped' });
    } catch (error) {
      complain('cannot write down the end', error);
    }
  }

  /** Once to each: many programs take a second SIGTERM for "now really". A stopped process hears nothing before SIGCONT. */
  #deliver(pid: number, signal: SignalName, reach: Reach): void {
    const members = this.#membersOf(pid, reach);
    for (const each of signal === 'SIGKILL' ? [signal] : [signal, 'SIGCONT' as const]) {
      for (const member of members) {
        try {
          if (member === pid && this.#adopted !== null) this.#adopted.signal(each);
          else process.kill(member, each);
        } catch (error) {
          // ESRCH: gone meanwhile. EPERM: a set-uid program; what comes of it shows when the grace is over.
          if (errnoNameOf(error) !== 'ESRCH') complain(`cannot send ${each} to process ${member}`, error);
        }
      }
    }
  }

  /**
   * Whom a signal to the program reaches. The tree is all that lives below this watchdog: it holds one program, and
   * adopts whatever that leaves behind; an adopted program has a tree of its own.
   */
  #membersOf(pid: number, reach: Reach): Set<number> {
    const members = new Set(this.#isMainAlive() ? [pid] : []);
    if (reach === 'process') return members;
    for (const member of groupMembers(pid)) members.add(member);
    if (reach === 'tree')
      for (const member of [...descendantsOf(process.pid), ...descendantsOf(pid)]) members.add(member);
    return members;
  }

  #isMainAlive(): boolean {
    return this.#mainEnding === null;
  }

  #write(after: ServiceState, pid: number | null): void {
    try {
      this.#state.writeLife(this.#record.spec.name, this.#describe(after, pid));
    } catch (error) {
      // A full disk must not end the watch; what is written there is for reading, the program is what counts.
      complain('cannot write down the state', error);
    }
  }

  #describe(after: ServiceState, pid: number | null): ServiceLife {
    const wakeAt = after.name === 'BACKOFF' || after.name === 'FATAL' ? after.wakeAt : null;
    return {
      state: after.name,
      reason: after.name === 'FATAL' ? after.reason : null,
      process: pid === null ? null : identityOf(pid),
      lastPid: this.#lastPid,
      restarts: Math.max(0, this.#restarts),
      upgrades: this.#upgrades,
      lastExit: this.#lastExit,
      outputs: this.#outputs,
      changedAt: Date.now(),
      nextStartAt: wakeAt === null ? null : Math.round(Date.now() + (wakeAt - now())),
    };
  }

  #tellFirstStart(after: ServiceState, pid: number | null): void {
    if (this.#isFirstStartTold) return;
    const outcome = this.#outcome(after, pid);
    if (outcome === null) return;
    this.#isFirstStartTold = true;
    this.#events.firstStart(outcome);
  }

  /** null: not known yet. */
  #outcome(after: ServiceState, pid: number | null): FirstStart | null {
    const failed = this.#failedStart;
    if (failed !== null) {
      const exitCode = failed instanceof SpawnError ? failed.exitCode : LAUNCHER_FAILED;
      return { ready: false, exitCode, reason: failed instanceof Error ? failed.message : String(failed) };
    }
    if (after.name === 'RUNNING') return { ready: true, pid: pid!, outputs: this.#outputs };
    if (after.name === 'STOPPED')
      return { ready: false, exitCode: LAUNCHER_FAILED, reason: 'it was stopped before it was ready' };
    if (after.name !== 'EXITED' && after.name !== 'FATAL') return null;
    const reason = `${describeExit(after.exit)} before it was ready`;
    // A start that did not come about must not look like one, even where the program found nothing wrong.
    return { ready: false, exitCode: exitCodeOfEnding(after.exit.ending) || 1, reason };
  }
}

/** As nohup says "not the program, but us". */
const LAUNCHER_FAILED = 125;

/** Monotonic since boot, so that a successor's clock is the same. */
const now = (): Millis => monotonicMs() as Millis;

function endingOf(end: ProcessEnd): Ending {
  return end.signal === null
    ? { how: 'exited', code: end.code }
    : { how: 'killed', signal: signalName(end.signal) as SignalName };
}

function describeExit({ kind, ending }: Exit): string {
  const what = describeEnding(ending);
  return kind === 'timeout' || kind === 'heartbeat-lost' || kind === 'over-memory'
    ? `${kind}, ${what}`
    : what;
}

function describeEnding(ending: Ending): string {
  switch (ending.how) {
    case 'exited':
      return `exit code ${ending.code}`;
    case 'killed':
      return `killed by ${ending.signal}`;
    case 'not-spawned':
      return ending.reason;
    case 'unseen':
      return 'ended while nobody was watching';
  }
}

/** As a shell says it; 127 for what could not be started is only the usual case. */
function exitCodeOfEnding(ending: Ending): number {
  if (ending.how === 'exited') return ending.code;
  if (ending.how === 'killed') return 128 + signalNumber(ending.signal);
  return ending.how === 'not-spawned' ? 127 : 1;
}

/** Into watchdog.log, which is our standard error. */
function complain(attempt: string, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  writeSync(2, `${new Date().toISOString()} ${attempt}: ${reason}\n`);
}
