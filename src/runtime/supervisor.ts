// Many services under one roof: groups that come and go, who starts after whom, who stops before whom. Each service
// is a SupervisedProcess; here is only what concerns several of them.
import type { News } from '../core/process-news.js';
import type { ServiceState } from '../core/service-machine.js';
import { inStartOrder, stopWaves } from '../core/start-order.js';
import type { ProcessEnd } from '../os/invoke.js';
import type { ProcessHandle } from '../os/process-handle.js';
import { environmentOf } from '../os/processes.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import { type Dependency, idOf, type SupervisedGroup, type SupervisedService } from '../spec/supervision.js';
import type { Streams } from './start-run.js';
import { type SupervisedHost, type SupervisedMemory, SupervisedProcess } from './supervised-process.js';

/** What the supervisor needs, and whom it tells. */
export interface SupervisorHost {
  readonly folder: string;
  openStreams(process: SupervisedProcess): Streams;
  spawned(process: SupervisedProcess, pid: number): void;
  signalling: SupervisedHost['signalling'];
  moved(process: SupervisedProcess, after: ServiceState, news: News): void;
  changed(process: SupervisedProcess): void;
  groupAdded(group: SupervisedGroup): void;
  groupRemoved(group: SupervisedGroup): void;
  /** A child that is none of ours: an orphan of a program's, or anybody's where we are PID 1. */
  reapedStranger(pid: number, end: ProcessEnd): void;
  complain(attempt: string, error: unknown): void;
}

interface HeldGroup {
  readonly plan: SupervisedGroup;
  readonly processes: readonly SupervisedProcess[];
}

export class Supervisor {
  readonly #host: SupervisorHost;
  readonly #inherited: DaemonRecord['inherited'];
  readonly #groups = new Map<string, HeldGroup>();
  readonly #byId = new Map<string, SupervisedProcess>();
  readonly #byPid = new Map<number, SupervisedProcess>();
  /** Asked to start, and waiting for what they depend on. */
  readonly #waiting = new Map<SupervisedProcess, () => void>();
  #isEnding = false;

  /** One for all: there may be thousands. */
  readonly #processHost: SupervisedHost;

  constructor(inherited: DaemonRecord['inherited'], host: SupervisorHost) {
    this.#inherited = inherited;
    this.#host = host;
    this.#processHost = {
      folder: host.folder,
      openStreams: (process) => host.openStreams(process),
      ownsOrphan: (process, pid) => !this.#byPid.has(pid) && isMarked(pid, process.service),
      spawned: (process, pid) => {
        this.#byPid.set(pid, process);
        host.spawned(process, pid);
      },
      signalling: (...facts) => host.signalling(...facts),
      moved: (process, after, news) => host.moved(process, after, news),
      changed: (process) => this.#changed(process),
      complain: (attempt, error) => host.complain(attempt, error),
    };
  }

  /** Sorted as Supervisor sorts them: by priority, then by name. */
  get groups(): readonly HeldGroup[] {
    return [...this.#groups.values()].sort(
      ({ plan: first }, { plan: second }) =>
        first.priority - second.priority || (first.name < second.name ? -1 : 1),
    );
  }

  /** From the first wish to end, nothing is started any more. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  get processes(): Iterable<SupervisedProcess> {
    return this.#byId.values();
  }

  group(name: string): HeldGroup | null {
    return this.#groups.get(name) ?? null;
  }

  /** Whose main process this is; null: nobody's. */
  processOf(pid: number): SupervisedProcess | null {
    const started = this.#byPid.get(pid);
    if (started !== undefined) return started;
    // A program that went into the background by itself has another main process than the one that we started.
    for (const each of this.#byId.values()) if (each.pid === pid) return each;
    return null;
  }

  process(id: string): SupervisedProcess | null {
    return this.#byId.get(id) ?? null;
  }

  /** Why it has not been started yet: what it waits for, as `group:name`. Empty: it does not wait. */
  waitsFor(process: SupervisedProcess): readonly Dependency[] {
    return this.#waiting.has(process) ? this.#unmet(process.service) : [];
  }

  /** Makes the group; its services that start unasked are started by startUnasked. */
  addGroup(plan: SupervisedGroup): void {
    const processes = plan.services.map((service) => this.#hold(service));
    this.#groups.set(plan.name, { plan, processes });
    this.#host.groupAdded(plan);
  }

  /** The group must be at rest. */
  removeGroup(name: string): void {
    const { plan, processes } = this.#groups.get(name)!;
    for (const process of processes) {
      process[Symbol.dispose]();
      this.#byId.delete(process.id);
    }
    this.#groups.delete(name);
    this.#host.groupRemoved(plan);
  }

  /** What starts with its supervisor and was never started, in order, each as soon as what it depends on allows. */
  startUnasked(): void {
    for (const service of inStartOrder(this.groups.map(({ plan }) => plan))) {
      const process = this.#byId.get(idOf(service))!;
      if (service.spec.start.auto && process.state.name === 'STOPPED' && process.facts.startedAt === null)
        this.#startWhenMet(process, () => process.begin());
    }
  }

  /** Now, or when what it depends on has come so far. */
  start(process: SupervisedProcess): void {
    this.#startWhenMet(process, () => process.start());
  }

  #startWhenMet(process: SupervisedProcess, start: () => void): void {
    if (this.#isEnding) return;
    if (this.#unmet(process.service).length > 0) {
      this.#waiting.set(process, start);
      return;
    }
    this.#waiting.delete(process);
    start();
  }

  stop(process: SupervisedProcess): void {
    const waited = this.#waiting.delete(process);
    process.stop();
    if (waited) process.nudge();
  }

  /** Resolves when nothing of the group runs any more. */
  stopGroup(name: string): Promise<void> {
    return this.#stopAll(this.#groups.get(name)!.processes);
  }

  async #stopAll(processes: readonly SupervisedProcess[]): Promise<void> {
    // Who was at rest may have been started again while the others took their time.
    do {
      for (const process of processes) this.stop(process);
      await Promise.all(processes.map((process) => process.when(isAtRest)));
    } while (!processes.every(isAtRest));
  }

  /** Goes on where a former supervisor left off; `left` is its process, where that is not our child. */
  resume(process: SupervisedProcess, memory: SupervisedMemory, left: ProcessHandle | null): void {
    process.resume(memory, left);
    if (process.pid !== null) this.#byPid.set(process.pid, process);
  }

  /**
   * Puts the group in the place of the one of its name. A member that has not changed goes on undisturbed; the others
   * are stopped, and resolved is when the new ones are in place. What starts unasked is started by startUnasked. False:
   * the group was removed or exchanged by somebody else before.
   */
  async replaceGroup(
    plan: SupervisedGroup,
    isSame: (process: SupervisedProcess) => boolean,
    gone: (id: string) => void,
  ): Promise<boolean> {
    const old = this.#groups.get(plan.name);
    const leaving = (old?.processes ?? []).filter((process) => !isSame(process));
    await this.#stopAll(leaving);
    if (old === undefined || this.#groups.get(plan.name) !== old) return false;
    for (const process of leaving) {
      process[Symbol.dispose]();
      this.#byId.delete(process.id);
      gone(process.id);
    }
    const processes = plan.services.map((service) => this.#byId.get(idOf(service)) ?? this.#hold(service));
    this.#groups.set(plan.name, { plan, processes });
    return true;
  }

  childEnded(pid: number, end: ProcessEnd): void {
    const process = this.processOf(pid);
    if (process === null) {
      this.#host.reapedStranger(pid, end);
      // It may have been the last one that a program left behind.
      for (const each of this.#byId.values()) each.childEnded(pid, end);
      return;
    }
    this.#byPid.delete(pid);
    process.childEnded(pid, end);
  }

  /** Stops everything in Supervisor's order; resolves when nothing runs any more. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#waiting.clear();
    for (const wave of stopWaves(this.groups.map(({ plan }) => plan))) {
      const processes = wave.map((service) => this.#byId.get(idOf(service))!);
      await this.#stopAll(processes);
    }
  }

  #hold(service: SupervisedService): SupervisedProcess {
    const process = new SupervisedProcess(service, this.#inherited, this.#processHost);
    this.#byId.set(process.id, process);
    return process;
  }

  #changed(process: SupervisedProcess): void {
    this.#host.changed(process);
    for (const [each, start] of [...this.#waiting])
      if (each.service.dependencies.some(({ on }) => on === process.id)) this.#startWhenMet(each, start);
  }

  #unmet({ dependencies }: SupervisedService): Dependency[] {
    return dependencies.filter((dependency) => {
      const process = this.#byId.get(dependency.on);
      return process === undefined || !isMet(dependency, process);
    });
  }
}

/** No process runs and none will be started by itself. */
export const isAtRest = ({ state }: SupervisedProcess): boolean =>
  state.name === 'STOPPED' || state.name === 'EXITED' || state.name === 'FATAL';

function isMet({ condition }: Dependency, { state }: SupervisedProcess): boolean {
  return state.name === 'RUNNING' || (condition === 'started' && state.name === 'STARTING');
}

/** Every child has its names in its environment, and what it starts inherits them. */
function isMarked(pid: number, { group, name }: SupervisedService): boolean {
  const environment = environmentOf(pid);
  return (
    environment.includes(`SUPERVISOR_PROCESS_NAME=${name}`) &&
    environment.includes(`SUPERVISOR_GROUP_NAME=${group}`)
  );
}
