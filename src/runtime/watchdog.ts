// A watchdog: one held program, written down at every turn, so that `status` can tell and another watchdog can go on
// after this one was killed.

import { writeSync } from 'node:fs';
import { describeExit } from '../core/exit-text.js';
import type { Ending } from '../core/restart-policy.js';
import { adopted, type ServiceState } from '../core/service-machine.js';
import { errnoNameOf, reasonOf, SpawnError } from '../errors.js';
import { becomeSubreaper, onChildEnd } from '../os/children.js';
import { now } from '../os/clock.js';
import { giveBackMemory } from '../os/memory.js';
import { removePidfile } from '../os/pidfile.js';
import type { ProcessHandle } from '../os/process-handle.js';
import { signalNumber } from '../os/signals.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceLife } from '../spec/service-life.js';
import { HeldProgram } from './held-program.js';
import { LastWords } from './last-words.js';
import { ProgramLogs } from './program-logs.js';
import type { WatchdogMemory } from './start-request.js';
import type { Streams } from './start-run.js';

/** How the first start came out, told once. */
export type FirstStart =
  /** pid null: it waits for its schedule. */
  | { readonly ready: true; readonly pid: number | null; readonly outputs: readonly string[] }
  | {
      readonly ready: false;
      readonly exitCode: number;
      readonly reason: string;
      /** The end of what the program itself wrote to standard error. */
      readonly lastWords: string;
    };

export interface WatchdogEvents {
  /** The program is ready, or will not be. */
  firstStart(outcome: FirstStart): void;
  /** Nothing is left to watch: it was stopped, or its policy does not bring it back. */
  over(): void;
}

export class Watchdog {
  readonly #state: StateDirectory;
  readonly #events: WatchdogEvents;
  readonly #record: DaemonRecord;
  readonly #program: HeldProgram;
  readonly #logs: ProgramLogs;
  #upgrades = 0;
  #reopens = 0;
  #reopenFailure: string | null = null;
  /** The process that was the program before this watchdog was there, or had exchanged its code. */
  #takenOver: number | null = null;
  #isFirstStartTold = false;
  #lastWords: LastWords | null = null;
  #isToEnd = false;
  #isEnding = false;
  #tidying: NodeJS.Timeout | null = null;

  constructor(record: DaemonRecord, state: StateDirectory, events: WatchdogEvents) {
    this.#record = record;
    this.#state = state;
    this.#events = events;
    this.#logs = new ProgramLogs(record.spec, state.folderOf(record.spec.name), say);
    this.#program = new HeldProgram(record.spec, record.inherited, {
      opensAs: 'user',
      openStreams: (isFirst) => this.#openStreams(isFirst),
      folder: state.folderOf(record.spec.name),
      // It holds this one program, so whatever becomes its child is what that has left behind.
      ownsOrphan: () => true,
      changed: (after) => this.#changed(after),
      complain,
    });
  }

  /** Starts the program, or takes over the one that a killed watchdog left. */
  begin(life: ServiceLife | null, left: ProcessHandle | null): void {
    this.#listen();
    if (left === null) return this.#program.begin();
    this.#upgrades = life!.upgrades;
    this.#reopens = life!.reopens;
    this.#takenOver = left.pid;
    const wasReady = life!.state !== 'STARTING';
    this.#program.adopt(life!, left, adopted(now(), this.#record.spec, wasReady));
  }

  /** Goes on where this watchdog's former self exchanged its code. */
  resume(memory: WatchdogMemory): void {
    this.#upgrades = memory.upgrades + 1;
    this.#reopens = memory.reopens;
    this.#isFirstStartTold = true;
    this.#takenOver = memory.process?.pid ?? null;
    this.#program.resume(memory);
    this.#listen();
    // What ended between the two selves is still to be reaped.
    process.emit('SIGCHLD', 'SIGCHLD');
  }

  /** What the next self has to know. */
  memory(): WatchdogMemory {
    return { ...this.#program.memory(), upgrades: this.#upgrades, reopens: this.#reopens };
  }

  /** Resolves when nothing is on its way that only this process knows of. */
  async settle(): Promise<void> {
    await this.#logs.drain();
  }

  /** Somebody else has renamed the logs. */
  async reopen(): Promise<void> {
    try {
      await this.#logs.reopen(this.#program.pid);
      this.#reopenFailure = null;
    } catch (error) {
      this.#reopenFailure = reasonOf(error);
      say(this.#reopenFailure);
    }
    this.#reopens += 1;
    this.#write();
  }

  /** By the program's own rules, but for what `tsdaemon stop` was told otherwise. */
  stop(): void {
    this.#isToEnd = true;
    const before = this.#program.state;
    this.#program.stop(this.#state.takeStopWish(this.#record.spec.name) ?? {});
    // STOPPED as it was: nobody has been told that there is nothing to wait for.
    if (this.#program.state === before && this.#program.pid === null) this.#changed(before);
  }

  restart(): void {
    this.#program.restart();
  }

  #listen(): void {
    becomeSubreaper();
    onChildEnd((pid, end) => {
      const isMain = pid === this.#program.pid;
      this.#program.childEnded(pid, end);
      // A last line without its newline is not to wait for the first of the next run.
      if (isMain) void this.#logs.drain();
    });
  }

  #changed(after: ServiceState): void {
    this.#write();
    this.#tidyLater();
    const { pid } = this.#program;
    if (pid !== null) this.#logs.keep(pid, pid === this.#takenOver);
    if (!this.#isOver(after)) this.#tellFirstStart(after);
    else void this.#end(after);
  }

  /** A heap with room never collects what each run leaves: without this a program that crashes all day makes it grow. */
  #tidyLater(): void {
    this.#tidying ??= setTimeout(() => {
      this.#tidying = null;
      giveBackMemory();
    }, TIDY_AFTER_MS);
  }

  /** Told last: whoever waits for it finds everything as it is to stay. */
  async #end(after: ServiceState): Promise<void> {
    if (this.#isEnding) return;
    this.#program[Symbol.dispose]();
    this.#isEnding = true;
    await this.#logs.close();
    this.#writeEnd();
    this.#tellFirstStart(after);
    this.#events.over();
  }

  #isOver(after: ServiceState): boolean {
    if (this.#program.firstFailure !== null && !this.#isFirstStartTold) return true;
    const rests =
      after.name === 'STOPPED' ||
      after.name === 'EXITED' ||
      (after.name === 'FATAL' && after.wakeAt === null);
    // Its schedule brings it back from everything but a stop.
    return rests && (this.#isToEnd || this.#record.spec.watch.cron === null);
  }

  #writeEnd(): void {
    const { name, detach } = this.#record.spec;
    const { lastPid } = this.#program;
    try {
      if (detach.pidfile !== null && lastPid !== null) removePidfile(detach.pidfile, lastPid);
      if (detach.watchdogPidfile !== null) removePidfile(detach.watchdogPidfile, process.pid);
      this.#state.write({ ...this.#record, ...this.#state.read(name), phase: 'stopped' });
    } catch (error) {
      complain('cannot write down the end', error);
    }
  }

  #write(): void {
    try {
      const [upgrades, reopens, reopenFailure] = [this.#upgrades, this.#reopens, this.#reopenFailure];
      const life = { ...this.#program.describe(), upgrades, reopens, reopenFailure };
      this.#state.writeLife(this.#record.spec.name, life);
    } catch (error) {
      // A full disk must not end the watch; what is written there is for reading, the program is what counts.
      complain('cannot write down the state', error);
    }
  }

  #tellFirstStart(after: ServiceState): void {
    if (this.#isFirstStartTold) return;
    const outcome = this.#outcome(after);
    if (outcome === null) return;
    this.#isFirstStartTold = true;
    this.#lastWords?.[Symbol.dispose]();
    this.#lastWords = null;
    this.#events.firstStart(outcome);
  }

  /** null: not known yet. */
  #outcome(after: ServiceState): FirstStart | null {
    const { firstFailure: failed, pid, outputs } = this.#program;
    if (failed !== null) {
      const exitCode = failed instanceof SpawnError ? failed.exitCode : LAUNCHER_FAILED;
      const reason = reasonOf(failed);
      return { ready: false, exitCode, reason, lastWords: '' };
    }
    if (after.name === 'RUNNING') return { ready: true, pid: pid!, outputs };
    const lastWords = (): string => this.#lastWords?.read() ?? '';
    if (after.name === 'STOPPED' && !this.#isToEnd) return { ready: true, pid: null, outputs };
    if (after.name === 'STOPPED') {
      const reason = 'it was stopped before it was ready';
      return { ready: false, exitCode: LAUNCHER_FAILED, reason, lastWords: lastWords() };
    }
    if (after.name !== 'EXITED' && after.name !== 'FATAL') return null;
    const { kind, ending } = after.exit;
    // As the launcher says it where it loses patience first.
    if (kind === 'timeout') {
      const reason = `not ready within ${this.#record.spec.start.timeoutMs! / 1000} s, so it was stopped`;
      return { ready: false, exitCode: LAUNCHER_FAILED, reason, lastWords: lastWords() };
    }
    const reason = `${describeExit(after.exit)} before it was ready`;
    // A start that did not come about must not look like one, even where the program found nothing wrong.
    const exitCode = exitCodeOfEnding(ending) || 1;
    return { ready: false, exitCode, reason, lastWords: lastWords() };
  }

  #openStreams(isFirst: boolean): Streams {
    const streams = this.#logs.openStreams(isFirst);
    if (!isFirst) return streams;
    const whenInvokable = (): void => {
      streams.whenInvokable();
      this.#lastWords = LastWords.listen(streams.paths.at(-1)!);
    };
    return { ...streams, whenInvokable };
  }
}

/** Rare enough to cost nothing beside a crash loop. */
const TIDY_AFTER_MS = 3000;

/** As nohup says "not the program, but us". */
const LAUNCHER_FAILED = 125;

/** As a shell says it; 127 for what could not be started is only the usual case. */
function exitCodeOfEnding(ending: Ending): number {
  if (ending.how === 'exited') return ending.code;
  if (ending.how === 'killed') return 128 + signalNumber(ending.signal);
  return ending.how === 'not-spawned' ? 127 : 1;
}

function complain(attempt: string, error: unknown): void {
  say(`${attempt}: ${reasonOf(error)}`);
}

/** Into watchdog.log, which is our standard error. */
function say(line: string): void {
  try {
    writeSync(2, `${new Date().toISOString()} ${line}\n`);
  } catch (error) {
    // The disk that it would tell about may be its own.
    if (errnoNameOf(error) !== 'ENOSPC' && errnoNameOf(error) !== 'EDQUOT') throw error;
  }
}
