// A supervisor as supervisord's users know it: a Supervisor with a configuration that can be read again, logs, events,
// a journal that outlives it, and an end. The methods that clients call are made of this; so are the signals.
import * as messages from '../core/main-log.js';
import type { News } from '../core/process-news.js';
import { ConfigError, reasonOf } from '../errors.js';
import type { GroupConfig, ProcessConfig, SupervisordConfig } from '../formats/supervisord/config.js';
import { planUpdate, type UpdatePlan } from '../formats/supervisord/plan-update.js';
import type { SpecContext } from '../formats/supervisord/to-service-spec.js';
import { toSupervisedGroup } from '../formats/supervisord/to-supervision.js';
import { identityOf } from '../os/identity.js';
import { endingOf, type ProcessEnd } from '../os/invoke.js';
import { GarbageWatch } from '../os/memory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { MainLogLine } from '../spec/main-log-line.js';
import { idOf, type SupervisedGroup } from '../spec/supervision.js';
import { type AutoLogs, makeAutoLogs } from './auto-logs.js';
import { commandProblem } from './command-problem.js';
import { EventBus } from './event-bus.js';
import { GroupSockets } from './group-sockets.js';
import type { MainLog } from './main-log.js';
import { Notebook } from './notebook.js';
import { sendReloadSignals } from './reload-signals.js';
import { ServiceStreams } from './service-streams.js';
import { restartSilentListeners } from './silent-listeners.js';
import type { Streams } from './start-run.js';
import type { SupervisedProcess } from './supervised-process.js';
import { isAtRest, Supervisor } from './supervisor.js';
import type { AboutSupervisor, ProcessRecord } from './supervisor-journal.js';
import { adoptable, type SupervisorMemory } from './supervisor-memory.js';
import { SupervisorUpdates } from './supervisor-updates.js';

/** How often the log names what the end waits for. */
const LEFT_REPORT_MS = 3000;

export interface SupervisorDaemonOptions {
  readonly config: SupervisordConfig;
  /** Reads the configuration again. Throws ConfigError. */
  readonly reload: () => SupervisordConfig;
  readonly about: AboutSupervisor;
  readonly inherited: DaemonRecord['inherited'];
  /** Where its journal and the streams of its programs are: ours alone. */
  readonly folder: string;
  readonly mainLog: MainLog;
  /** Goes on as the code and the configuration that are installed now, with this to know. Returns if it cannot. */
  readonly exchange: (memory: SupervisorMemory) => void;
  readonly over: (exitCode: number) => void;
}

export class SupervisorDaemon {
  readonly supervisor: Supervisor;
  readonly pid = process.pid;
  readonly identifier: string;
  readonly #options: SupervisorDaemonOptions;
  readonly #bus: EventBus;
  readonly outputs: ServiceStreams;
  readonly #autoLogs = new Map<string, AutoLogs>();
  readonly sockets = new GroupSockets();
  /** What the groups that are there were made of. */
  readonly #active = new Map<string, GroupConfig>();
  /** What was read last. */
  #config: SupervisordConfig;
  readonly #notebook: Notebook;
  readonly #updates: SupervisorUpdates;
  readonly #garbage = new GarbageWatch();

  constructor(options: SupervisorDaemonOptions) {
    this.#options = options;
    this.#config = options.config;
    this.identifier = options.config.supervisord.identifier;
    this.#bus = new EventBus({
      identifier: this.identifier,
      send: (pool, listener, bytes) =>
        this.outputs.of(idOf({ group: pool, name: listener })).writeStdin(bytes),
      log: (line) => this.log(line),
      changed: (pool) => {
        this.#garbage.made(CHANGE_BYTES);
        this.#notebook.note(`pool ${pool}`, this.#bus.memory(pool, false));
      },
    });
    this.#notebook = new Notebook({
      entries: () => this.#entries(),
      entryOf: (process) => this.#entryOf(process),
      complain: (attempt, error) => this.complain(attempt, error),
    });
    this.outputs = new ServiceStreams(options.folder, {
      find: (id) => this.supervisor.process(id),
      socketOf: (group) => this.sockets.of(group),
      publish: (event) => this.#bus.publish(event),
      isWanted: (type) => this.#bus.isWanted(type),
      protocol: (pool, listener, bytes) => {
        if (options.mainLog.has('DEBG')) this.log(messages.listenerOutput(listener, bytes));
        this.#bus.heard(pool, listener, bytes);
      },
      log: (line) => this.log(line),
      complain: (attempt, error) => this.complain(attempt, error),
    });
    this.supervisor = new Supervisor(options.inherited, {
      folder: options.folder,
      openStreams: (process) => this.#openStreams(process),
      spawned: (process, pid) => {
        this.log(messages.spawned(process.service.name, pid));
        this.outputs.of(process.id).started();
      },
      signalling: ({ service }, pid, signal, reach) =>
        this.log(messages.killing(service.name, pid, signal, reach)),
      moved: (process, _after, news) => this.#moved(process, news),
      changed: (process) => this.#changed(process),
      groupAdded: ({ name }) => this.#bus.publish({ type: 'PROCESS_GROUP_ADDED', group: name }),
      groupRemoved: ({ name }) => this.#bus.publish({ type: 'PROCESS_GROUP_REMOVED', group: name }),
      // Every orphan of a program's comes to us; supervisord meets them, and tells of them, as PID 1 only.
      reapedStranger: (pid, end) => {
        const { level, text } = messages.reapedUnknown(pid, messages.endingText(endingOf(end)));
        this.log({ level: this.pid === 1 ? level : 'DEBG', text });
      },
      complain: (attempt, error) => this.complain(attempt, error),
    });
    this.#updates = new SupervisorUpdates(this.supervisor, {
      configured: () => this.#config.groups,
      isActive: (group) => this.#active.has(group),
      planOf: (config) => this.#planOf(config),
      add: (config) => this.#addGroup(config),
      remove: (group) => this.removeGroup(group),
      replaced: (config, plan) => this.#replaced(config, plan),
      gone: (id) => this.#forgetProcess(id),
    });
  }

  get isEnding(): boolean {
    return this.supervisor.isEnding;
  }

  get mainLogFile(): string | null {
    return this.#options.mainLog.path;
  }

  /** Takes over what was left and brings it to the configuration that is read now; starts what starts unasked. */
  async begin(left: SupervisorMemory | null, how: 'start' | 'reload' | 'upgrade'): Promise<void> {
    if (left !== null) this.#takeOver(left);
    if (left === null) for (const group of this.#config.groups) this.#addGroup(group);
    // Before anything is started: who finds strays has to know whose they are.
    this.#notebook.open(this.#options.folder);
    this.#bus.publish({ type: 'SUPERVISOR_STATE_CHANGE_RUNNING' });
    if (left !== null) {
      const plan = planUpdate({ groups: left.groups }, this.#config);
      if (how === 'reload') sendReloadSignals(this.supervisor, plan, this);
      if (how === 'start') restartSilentListeners(this.supervisor, this.#bus, this);
      await this.update(() => plan);
    }
    this.supervisor.startUnasked();
    this.#garbage.made(START_BYTES);
  }

  memory(): SupervisorMemory {
    this.#notebook.settle();
    return {
      config: this.#config,
      groups: [...this.#active.values()],
      pools: this.#bus.memories(true),
      processes: Object.fromEntries(
        [...this.supervisor.processes].map((each) => [each.id, this.#record(each)]),
      ),
      sockets: this.sockets.descriptors(),
    };
  }

  childEnded(pid: number, end: ProcessEnd): void {
    this.supervisor.childEnded(pid, end);
  }

  log(line: MainLogLine): void {
    this.#options.mainLog.write(line);
  }

  complain(attempt: string, error: unknown): void {
    const reason = reasonOf(error);
    this.log({ level: 'ERRO', text: `${attempt}: ${reason}` });
  }

  /** Stops everything, then it is over. A second wish changes nothing. */
  shutDown(exitCode = 0): void {
    if (this.isEnding) return;
    this.#bus.publish({ type: 'SUPERVISOR_STATE_CHANGE_STOPPING' });
    const over = this.supervisor.end();
    this.#reportLeft();
    const reports = setInterval(() => this.#reportLeft(), LEFT_REPORT_MS);
    void over.then(() => {
      clearInterval(reports);
      this.#forget();
      this.#options.over(exitCode);
    });
  }

  #reportLeft(): void {
    const left = [...this.supervisor.processes].filter((process) => !isAtRest(process));
    if (left.length > 0) this.log(messages.waitingToDie(left.map(({ service }) => service.name)));
  }

  /** Exchanges code and configuration in place. Returns why that cannot be; null: it happens. */
  restart(): string | null {
    const config = this.#reload();
    if (typeof config === 'string') return config;
    // After the answer to whoever asked for it.
    setImmediate(() => this.#options.exchange(this.memory()));
    return null;
  }

  /** Reads the configuration again and says what is different; a text says why it cannot be used. */
  reread(): UpdatePlan | string {
    const config = this.#reload();
    if (typeof config === 'string') return config;
    this.#config = config;
    const groups = this.supervisor.groups.map(({ plan }) => this.#active.get(plan.name)!);
    return planUpdate({ groups }, config);
  }

  #reload(): SupervisordConfig | string {
    try {
      return this.#options.reload();
    } catch (error) {
      if (error instanceof ConfigError) return error.message;
      throw error;
    }
  }

  addGroup(name: string): 'done' | 'BAD_NAME' | 'ALREADY_ADDED' {
    const config = this.#config.groups.find((group) => group.name === name);
    if (config === undefined) return 'BAD_NAME';
    if (this.#active.has(name)) return 'ALREADY_ADDED';
    this.#addGroup(config);
    this.supervisor.startUnasked();
    return 'done';
  }

  /** The group must be at rest. */
  removeGroup(name: string): void {
    const { processes } = this.supervisor.group(name)!;
    this.supervisor.removeGroup(name);
    this.#bus.removePool(name);
    this.sockets.close(name);
    this.#active.delete(name);
    this.#notebook.note(`pool ${name}`, null);
    for (const { id } of processes) this.#forgetProcess(id);
    this.#notebook.note(`group ${name}`, null);
  }

  /** What was read last, and whether it is in use; AUTO logs have names as long as nothing was read since the start. */
  *configured(): Iterable<{
    readonly group: GroupConfig;
    readonly process: ProcessConfig;
    readonly isActive: boolean;
    readonly autoLogs: AutoLogs | null;
  }> {
    const isAsStarted = this.#config === this.#options.config;
    for (const group of this.#config.groups) {
      const isActive = this.#active.has(group.name);
      for (const process of group.processes) {
        const autoLogs = isAsStarted ? (this.#autoLogs.get(idOf(process)) ?? null) : null;
        yield { group, process, isActive, autoLogs };
      }
    }
  }

  clearMainLog(): void {
    this.#options.mainLog.clear();
    this.log({ level: 'INFO', text: 'reopening log file' });
  }

  /** After somebody has renamed the files. */
  reopenLogs(): void {
    this.#options.mainLog.reopen();
    this.outputs.reopen();
    this.log(messages.logReopened());
  }

  publishRemote(kind: string, data: string): void {
    this.#bus.publish({ type: 'REMOTE_COMMUNICATION', kind, data });
  }

  #addGroup(config: GroupConfig, known: SupervisorMemory['processes'] = {}): void {
    if (config.kind === 'fcgi')
      this.sockets.add(config, (id) => known[id]?.memory.program.process?.pid ?? null);
    const plan = this.#planOf(config, known);
    this.#active.set(config.name, config);
    this.#notebook.note(`group ${config.name}`, config);
    this.#bus.addPool(plan);
    this.supervisor.addGroup(plan);
    this.#notebook.areThere(this.supervisor.group(plan.name)!.processes);
  }

  #planOf(config: GroupConfig, known: SupervisorMemory['processes'] = {}): SupervisedGroup {
    return toSupervisedGroup(config, this.#config, (process) => this.#contextOf(process, known));
  }

  #contextOf(process: ProcessConfig, known: SupervisorMemory['processes']): SpecContext {
    const id = idOf(process);
    const autoLogs =
      known[id]?.autoLogs ?? this.#autoLogs.get(id) ?? makeAutoLogs(process, this.#config.supervisord);
    this.#autoLogs.set(id, autoLogs);
    return {
      cwd: this.#options.inherited.cwd ?? '/',
      environment: this.#options.about.place.environment,
      serverUrl: this.#config.serverUrl,
      autoLogs,
    };
  }

  #takeOver(left: SupervisorMemory): void {
    this.sockets.remember(left.sockets);
    for (const group of left.groups) {
      this.#addGroup(group, left.processes);
      const pool = left.pools[group.name];
      if (pool !== undefined) this.#bus.resume(group.name, pool);
      for (const process of this.supervisor.group(group.name)!.processes) {
        const record = left.processes[process.id];
        if (record === undefined) continue;
        this.outputs.of(process.id).resume(record.memory.program.process !== null);
        this.supervisor.resume(process, record.memory, adoptable(record.memory));
      }
    }
  }

  /** As a plan says that is made when it is its turn. */
  update(makePlan: () => UpdatePlan): Promise<void> {
    return this.#updates.make(makePlan);
  }

  #replaced(config: GroupConfig, plan: SupervisedGroup): void {
    this.#active.set(config.name, config);
    this.#notebook.note(`group ${config.name}`, config);
    this.#notebook.areThere(this.supervisor.group(config.name)!.processes);
    this.#bus.replacePool(plan);
  }

  #openStreams(process: SupervisedProcess): Streams {
    const problem = commandProblem(process.service);
    if (problem !== null) throw new Error(problem.text);
    this.sockets.ensure(process.service.group);
    return this.outputs.of(process.id).open();
  }

  #moved(process: SupervisedProcess, news: News): void {
    const { isListener, group, name } = process.service;
    // Its last words come before the news of its end.
    if (process.pid === null) this.outputs.ended(process.id);
    for (const line of news.lines) this.log(line);
    for (const event of news.events) {
      if (isListener) this.#bus.tell(group, name, event);
      this.#bus.publish(event);
    }
  }

  #changed(process: SupervisedProcess): void {
    this.#garbage.made(CHANGE_BYTES);
    this.#notebook.changed(process);
    const { exitOn } = process.service;
    const { name } = process.state;
    const isTheEnd = (name === 'FATAL' && exitOn !== 'never') || (name === 'EXITED' && exitOn === 'exited');
    if (!isTheEnd || this.isEnding) return;
    const { exitStatus } = process.facts;
    this.log(messages.exitsWith(process.service.name));
    this.shutDown(exitStatus > 0 ? exitStatus : name === 'FATAL' || exitStatus < 0 ? 1 : 0);
  }

  #record(process: SupervisedProcess): ProcessRecord {
    return {
      memory: process.memory(),
      autoLogs: this.#autoLogs.get(process.id) ?? { stdout: null, stderr: null },
    };
  }

  #entryOf(process: SupervisedProcess): readonly (readonly [string, unknown])[] {
    if (this.supervisor.process(process.id) !== process) return [];
    return [[`process ${process.id}`, this.#record(process)]];
  }

  *#entries(): Iterable<readonly [string, unknown]> {
    yield ['supervisor', identityOf(this.pid)];
    yield ['about', this.#options.about];
    for (const group of this.#active.values()) yield [`group ${group.name}`, group];
    for (const [name, pool] of Object.entries(this.#bus.memories(false))) yield [`pool ${name}`, pool];
    for (const each of this.supervisor.processes) yield [`process ${each.id}`, this.#record(each)];
  }

  #forgetProcess(id: string): void {
    this.outputs.forget(id);
    this.#autoLogs.delete(id);
    this.#notebook.note(`process ${id}`, null);
  }

  /** At a regular end nothing is left to be taken over. */
  #forget(): void {
    this.sockets.closeAll();
    for (const { id } of this.supervisor.processes) this.outputs.forget(id);
    this.#notebook.remove();
  }
}

/** What a change leaves behind, by a rough guess, and what the beginning does: enough to be collected. */
const [CHANGE_BYTES, START_BYTES] = [10_000, 10_000_000];
