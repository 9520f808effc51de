// One service under a supervisor: a held program, and what clients and listeners are told about its runs.
import { type LastRun, type News, newsOf, noLastRun } from '../core/process-news.js';
import type { ServiceEvent, ServiceState } from '../core/service-machine.js';
import type { ProcessEnd } from '../os/invoke.js';
import { readPidfile } from '../os/pidfile.js';
import type { ProcessHandle } from '../os/process-handle.js';
import { readStat } from '../os/processes.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { Reach, SignalName } from '../spec/service-spec.js';
import { idOf, namespecOf, type SupervisedService } from '../spec/supervision.js';
import type { EpochMs } from '../spec/time.js';
import { HeldProgram } from './held-program.js';
import type { ProgramMemory } from './program-memory.js';
import type { Streams } from './start-run.js';

/** What is asked of whoever holds it. */
export interface SupervisedHost {
  /** Where sockets of programs may lie. */
  readonly folder: string;
  openStreams(process: SupervisedProcess): Streams;
  ownsOrphan(process: SupervisedProcess, pid: number): boolean;
  spawned(process: SupervisedProcess, pid: number): void;
  /** A signal is about to be sent that is to end it. */
  signalling(process: SupervisedProcess, pid: number, signal: SignalName, reach: Reach): void;
  /** One step, told before what it brings about is done. */
  moved(process: SupervisedProcess, after: ServiceState, news: News): void;
  /** All that follows from an event has been done. */
  changed(process: SupervisedProcess): void;
  complain(attempt: string, error: unknown): void;
}

/** Wall times are only shown; null: never. */
export interface RunFacts extends LastRun {
  readonly startedAt: EpochMs | null;
  readonly endedAt: EpochMs | null;
}

/** What a successor has to know; plain data. */
export interface SupervisedMemory {
  readonly program: ProgramMemory;
  readonly facts: RunFacts;
}

export class SupervisedProcess {
  readonly service: SupervisedService;
  readonly #host: SupervisedHost;
  readonly #program: HeldProgram;
  /** Made when somebody waits. */
  #waiting: Set<() => void> | null = null;
  #facts: RunFacts = { startedAt: null, endedAt: null, ...noLastRun };

  constructor(service: SupervisedService, inherited: DaemonRecord['inherited'], host: SupervisedHost) {
    this.service = service;
    this.#host = host;
    this.#program = new HeldProgram(service.spec, inherited, {
      opensAs: 'holder',
      folder: host.folder,
      openStreams: () => host.openStreams(this),
      ownsOrphan: (pid) => host.ownsOrphan(this, pid) || this.#isNamedInPidfile(pid),
      spawned: (pid) => host.spawned(this, pid),
      signalling: (pid, signal, reach) => host.signalling(this, pid, signal, reach),
      moved: (before, event, after) => this.#moved(before, event, after),
      changed: () => this.#changed(),
      complain: (attempt, error) => host.complain(`${namespecOf(service)}: ${attempt}`, error),
    });
  }

  get id(): string {
    return idOf(this.service);
  }

  get state(): ServiceState {
    return this.#program.state;
  }

  /** null: there is no process. */
  get pid(): number | null {
    return this.#program.pid;
  }

  /** Of the last run, also when it is over. */
  get lastPid(): number | null {
    return this.#program.lastPid;
  }

  get facts(): RunFacts {
    return this.#facts;
  }

  /** Starts it, now or when its schedule says. */
  begin(): void {
    if (this.service.spec.watch.cron === null) this.#program.start();
    else this.#program.begin();
  }

  start(): void {
    this.#program.start();
  }

  stop(): void {
    this.#program.stop();
  }

  /** Returns false if it has ended. Throws where we may not. */
  signal(signal: SignalName | 0): boolean {
    return this.#program.signal(signal);
  }

  childEnded(pid: number, end: ProcessEnd): void {
    this.#program.childEnded(pid, end);
  }

  /** Nothing of it starts, or is waited for, any more. */
  [Symbol.dispose](): void {
    this.#program[Symbol.dispose]();
  }

  memory(): SupervisedMemory {
    return { program: this.#program.memory(), facts: this.#facts };
  }

  /** Goes on where a former supervisor left off: this very process before an exec, or one that was killed. */
  resume({ program, facts }: SupervisedMemory, left: ProcessHandle | null): void {
    this.#facts = facts;
    if (left === null) this.#program.resume(program);
    else this.#program.adopt(program.life, left, program.state, program.following?.isSettled);
  }

  /** Resolves when it is so; at once if it is so already. */
  when(isSo: (process: SupervisedProcess) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!isSo(this)) return;
        this.#waiting?.delete(look);
        resolve();
      };
      this.#waiting ??= new Set();
      this.#waiting.add(look);
      look();
    });
  }

  /** Asks those who wait to look again, when what they wait for has changed elsewhere. */
  nudge(): void {
    for (const look of [...(this.#waiting ?? [])]) look();
  }

  /**
   * What writes its title over its environment, as redis and nginx do, bears no mark any more. But a pidfile that the
   * program writes can name none of the other programs: what we start leads a process group, and so cannot leave our session.
   */
  #isNamedInPidfile(pid: number): boolean {
    const { daemonizes } = this.service.spec.watch;
    if (daemonizes === null || daemonizes.pidfile === null) return false;
    const content = readPidfile(daemonizes.pidfile);
    return (
      content.kind === 'pid' && content.pid === pid && readStat(pid)?.session !== readStat('self')?.session
    );
  }

  #moved(before: ServiceState, event: ServiceEvent, after: ServiceState): void {
    const { spec, name, group } = this.service;
    const hasEnded = event.name === 'exited' || event.name === 'spawn-failed';
    const pid = (event.name === 'exited' ? this.#program.lastPid : this.#program.pid) ?? 0;
    const news = newsOf(before, after, { event, spec, name, group, pid }, this.#facts);
    const at = Date.now() as EpochMs;
    this.#facts = {
      startedAt: after.name === 'STARTING' ? at : this.#facts.startedAt,
      endedAt: hasEnded ? at : this.#facts.endedAt,
      exitStatus: news.lastRun.exitStatus,
      spawnError: news.lastRun.spawnError,
    };
    this.#host.moved(this, after, news);
  }

  #changed(): void {
    this.#host.changed(this);
    this.nudge();
  }
}
