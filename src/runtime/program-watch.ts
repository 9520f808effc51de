// What is looked at of a held program beside its end: whether it is ready, whether it is healthy, and what it says of
// itself. Where nothing is asked, nothing is made here, and nothing wakes up.

import type { ServiceState } from '../core/service-machine.js';
import { reasonOf } from '../errors.js';
import { actAs, findAccount } from '../os/credentials.js';
import { closeOnExecAboveTwo } from '../os/descriptors.js';
import type { DescriptorMap, ProcessEnd } from '../os/invoke.js';
import { killGroup, type ProbeOutcome, probe } from '../os/probes.js';
import { readStat, sharedOutBytes } from '../os/processes.js';
import { enterDirectory } from '../os/working-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceLife } from '../spec/service-life.js';
import type { ProbeTarget, ServiceSpec } from '../spec/service-spec.js';
import type { ProgramLife, ProgramMemory } from './program-memory.js';
import { ProgramVoice, type VoiceListener } from './program-voice.js';
import { ReadinessWatch } from './readiness-watch.js';
import { RegularCheck } from './regular-check.js';

/** What the watch needs of whoever holds the program, and what it tells. */
export interface WatchedProgram extends Omit<VoiceListener, 'hung'> {
  readonly spec: ServiceSpec;
  readonly inherited: DaemonRecord['inherited'];
  /** Where a socket for the program may lie. */
  readonly folder: string;
  /** All its processes. */
  members(): ReadonlySet<number>;
  unhealthy(cause: 'heartbeat-lost' | 'over-memory'): void;
}

/** Descriptors that outlive an exec. */
export type HandedOver = ProgramMemory['watch'];

/** Whether there is anything to look at. */
export const isWatchAsked = ({ watch, heartbeat }: ServiceSpec): boolean =>
  heartbeat !== null || watch.report !== null || watch.liveness !== null || watch.memory !== null;

export class ProgramWatch {
  readonly #program: WatchedProgram;
  readonly #checks: readonly RegularCheck[];
  /** Commands of our own, children beside the program, and who waits for their end. */
  readonly #errands = new Map<number, (end: ProcessEnd) => void>();
  #voice: ProgramVoice | null = null;
  #readiness: ReadinessWatch | null = null;
  #isChecking = false;

  constructor(program: WatchedProgram) {
    this.#program = program;
    this.#checks = [...this.#livenessCheck(), ...this.#memoryCheck()];
  }

  /** Before a start: what the program gets for it. */
  prepare(): { readonly env: readonly string[]; readonly descriptors: DescriptorMap } {
    const { env } = this.#program.spec.command;
    this.#openVoice(null, null);
    this.#voice?.beginRun();
    this.#openReadiness(null);
    return {
      env: this.#voice?.addTo(env) ?? env,
      descriptors: this.#readiness?.descriptors ?? new Map(),
    };
  }

  /** The program is about to write to these files. */
  listen(outputs: readonly string[]): void {
    this.#readiness?.listen(outputs);
  }

  /** The program runs. */
  started(): void {
    this.#readiness?.begin((target) => this.#ask(target, PROBE_TIMEOUT_MS));
  }

  /** Goes on with a program that runs already, by what was told of it, and by what our former self handed over. */
  goOn({ notify: told, outputs }: ProgramLife, state: ServiceState, handed: HandedOver | null): void {
    this.#openVoice(told?.address ?? null, handed?.socket ?? null);
    if (told !== null) this.#voice?.remember(told);
    const isPipeLeft = handed !== null && handed.pipe !== null;
    if (state.name === 'STARTING' || isPipeLeft) {
      this.#openReadiness(handed?.pipe ?? null);
      if (state.name === 'STARTING') this.listen(outputs);
      this.started();
    }
    this.stateIs(state);
  }

  /** For our next self, across an exec. */
  handOver(): HandedOver {
    // Nobody would know of them any more.
    this.#endErrands();
    return { socket: this.#voice?.handOver() ?? null, pipe: this.#readiness?.handOver() ?? null };
  }

  stateIs({ name }: ServiceState): void {
    const isChecking = name === 'RUNNING';
    if (isChecking === this.#isChecking) return;
    this.#isChecking = isChecking;
    for (const check of this.#checks) isChecking ? check.begin() : check.end();
  }

  /** The program's end is about to be judged: what it has said before comes first. */
  hearLastWords(): void {
    this.#voice?.drain();
    this.#readiness?.look();
  }

  /** The run is over, and so is all that waits for it. */
  runIsOver(): void {
    this.#readiness?.[Symbol.dispose]();
    this.#readiness = null;
  }

  /** Whether this child of ours is a command that was started here, or one of its group. */
  isErrand(pid: number): boolean {
    return (
      this.#errands.size > 0 &&
      (this.#errands.has(pid) || this.#errands.has(readStat(pid)?.processGroup ?? 0))
    );
  }

  /** false: this child was none of ours. */
  childEnded(pid: number, end: ProcessEnd): boolean {
    const tell = this.#errands.get(pid);
    this.#errands.delete(pid);
    tell?.(end);
    return tell !== undefined;
  }

  describe(): ServiceLife['notify'] {
    return this.#voice?.describe() ?? null;
  }

  [Symbol.dispose](): void {
    this.#endErrands();
    this.runIsOver();
    for (const check of this.#checks) check.end();
    this.#voice?.[Symbol.dispose]();
    this.#voice = null;
  }

  /** With all that they have started: they lead groups of their own. */
  #endErrands(): void {
    for (const pid of this.#errands.keys()) killGroup(pid);
  }

  #openReadiness(pipe: number | null): void {
    const { report } = this.#program.spec.watch;
    this.#readiness?.[Symbol.dispose]();
    this.#readiness = report === null ? null : new ReadinessWatch(report, pipe, () => this.#program.ready());
  }

  #openVoice(address: string | null, socket: number | null): void {
    const { spec, folder } = this.#program;
    const isAsked = spec.watch.report?.kind === 'notify' || spec.heartbeat !== null;
    if (!isAsked || this.#voice !== null) return;
    const uid = spec.user === null ? null : findAccount(spec.user).uid;
    this.#voice = new ProgramVoice({ folder, address, socket, uid }, spec.heartbeat?.everyMs ?? null, {
      mayNotify: (pid) => this.#program.mayNotify(pid),
      ready: () => (spec.watch.report?.kind === 'notify' ? this.#program.ready() : undefined),
      heartbeat: () => this.#program.heartbeat(),
      hung: () => this.#program.unhealthy('heartbeat-lost'),
      stopping: () => this.#program.stopping(),
      extendTimeout: (byMs) => this.#program.extendTimeout(byMs),
      heartbeatEvery: (everyMs) => this.#program.heartbeatEvery(everyMs),
      mainIs: (pid) => this.#program.mainIs(pid),
      said: () => this.#program.said(),
      complain: (attempt, error) => this.#program.complain(attempt, error),
    });
  }

  #livenessCheck(): RegularCheck[] {
    const { liveness } = this.#program.spec.watch;
    if (liveness === null) return [];
    const ask = async (): Promise<string | null> => {
      const outcome = await this.#ask(liveness.probe, liveness.timeoutMs);
      return outcome.isReady ? null : outcome.reason;
    };
    return [new RegularCheck(liveness, ask, (reason) => this.#fail('heartbeat-lost', reason))];
  }

  #memoryCheck(): RegularCheck[] {
    const { memory } = this.#program.spec.watch;
    if (memory === null) return [];
    const look = async (): Promise<string | null> => {
      const bytes = [...this.#program.members()].reduce((sum, pid) => sum + (sharedOutBytes(pid) ?? 0), 0);
      return bytes <= memory.maxBytes ? null : `it holds ${bytes} bytes of memory`;
    };
    const rule = { everyMs: memory.everyMs, failures: 1 };
    return [new RegularCheck(rule, look, (reason) => this.#fail('over-memory', reason))];
  }

  #fail(cause: 'heartbeat-lost' | 'over-memory', reason: string): void {
    this.#program.complain('program is not healthy', new Error(reason));
    this.#program.unhealthy(cause);
  }

  /** A command is run as the program is: same user, directory and environment. */
  #ask(target: ProbeTarget, timeoutMs: number): Promise<ProbeOutcome> {
    const { spec, inherited } = this.#program;
    const setting = {
      env: spec.command.env,
      output: null,
      whenEnded: (pid: number) =>
        new Promise<ProcessEnd>((resolve) => {
          this.#errands.set(pid, resolve);
        }),
    };
    if (target.kind !== 'command') return probe(target, timeoutMs, setting);
    let leaveUser = (): void => undefined;
    try {
      if (spec.user !== null) leaveUser = actAs(findAccount(spec.user));
      const cwd = spec.command.cwd ?? inherited.cwd;
      if (cwd !== null) enterDirectory(cwd);
      closeOnExecAboveTwo();
      return probe(target, timeoutMs, setting);
    } catch (error) {
      // The directory or the user is gone: the command cannot say that all is well.
      return Promise.resolve({
        isReady: false,
        reason: reasonOf(error),
      });
    } finally {
      // The command has been started by now, though its answer is still to come.
      leaveUser();
      process.chdir('/');
    }
  }
}

/** One attempt of many to find out whether it is ready. */
const PROBE_TIMEOUT_MS = 5000;
