// The streams of all services of a supervisor, by `group:name`, and what is made of what they say.
import { heldFile, nameOfHeld } from '../os/log-file.js';
import type { EventType } from '../spec/event-types.js';
import type { MainLogLine } from '../spec/main-log-line.js';
import { idOf } from '../spec/supervision.js';
import type { SupervisorEvent } from '../spec/supervisor-event.js';
import { ChildStreams, type ChildStreamsHost, removeFifos } from './child-streams.js';
import { LogKeepers } from './log-keepers.js';
import { OutputTaps } from './output-taps.js';
import { SharedLogs } from './shared-logs.js';
import type { SupervisedProcess } from './supervised-process.js';

export interface ServiceStreamsHost {
  /** null: it is gone already. */
  find(id: string): SupervisedProcess | null;
  /** The listening socket of a FastCGI group; null: it is none. */
  socketOf(group: string): number | null;
  publish(event: SupervisorEvent): void;
  /** Whether an event of this type would be told to anybody. */
  isWanted(type: EventType): boolean;
  /** A listener has said something. */
  protocol(pool: string, listener: string, bytes: Uint8Array): void;
  log(line: MainLogLine): void;
  complain(attempt: string, error: unknown): void;
}

interface Writer {
  readonly id: string;
  readonly descriptor: number;
}

export class ServiceStreams {
  readonly #host: ServiceStreamsHost;
  readonly #childHost: ChildStreamsHost;
  readonly #taps: OutputTaps;
  readonly #keepers: LogKeepers;
  readonly #streams = new Map<string, ChildStreams>();
  /** By the path of the log. */
  #writers: ReadonlyMap<string, Writer> | null = null;

  /** `folder` is ours alone. */
  constructor(folder: string, host: ServiceStreamsHost) {
    this.#host = host;
    this.#taps = new OutputTaps(host);
    this.#keepers = new LogKeepers({
      say: (text) => host.log({ level: 'ERRO', text }),
      held: (path) => this.#heldAs(path),
    });
    this.#childHost = {
      folder,
      taps: this.#taps,
      find: (service) => host.find(idOf(service))!,
      keepers: this.#keepers,
      shared: new SharedLogs(),
      socketOf: (group) => host.socketOf(group),
      complain: (attempt, error) => host.complain(attempt, error),
    };
  }

  of(id: string): ChildStreams {
    const known = this.#streams.get(id);
    if (known !== undefined) return known;
    const streams = new ChildStreams(this.#host.find(id)!.service, this.#childHost);
    this.#streams.set(id, streams);
    this.#writers = null;
    return streams;
  }

  /** Its run is over. */
  ended(id: string): void {
    this.#streams.get(id)?.ended();
  }

  /** After somebody has renamed the files. Throws SystemError. */
  reopen(): void {
    for (const streams of this.#streams.values()) streams.reopen();
    this.#keepers.reopen();
  }

  /**
   * The file that a program writes to as this log, whatever its name is by now; null: none. A shell may have put
   * another log in its place, as it does for the moment of `echo >&2`.
   */
  #heldAs(path: string): string | null {
    const held = this.#heldBy(path);
    if (held === null) return null;
    const name = nameOfHeld(held);
    return name !== path && this.#isLog(name) ? null : held;
  }

  #heldBy(path: string): string | null {
    const writer = this.#writersNow().get(path);
    const pid = writer === undefined ? null : (this.#host.find(writer.id)?.pid ?? null);
    return pid === null ? null : heldFile(pid, writer!.descriptor);
  }

  #isLog(name: string): boolean {
    return this.#writersNow().has(name);
  }

  /** For the rest of this turn: after a reopen a thousand logs are asked about at once. */
  #writersNow(): ReadonlyMap<string, Writer> {
    if (this.#writers !== null) return this.#writers;
    const writers = new Map<string, Writer>();
    for (const [id, streams] of this.#streams) {
      const isRunning = (this.#host.find(id)?.pid ?? null) !== null;
      for (const [channel, descriptor] of [
        ['stderr', 2],
        ['stdout', 1],
      ] as const) {
        const path = streams.path(channel);
        // Of several that write to one log, one that runs.
        if (path !== null && (isRunning || !writers.has(path))) writers.set(path, { id, descriptor });
      }
    }
    this.#writers = writers;
    setImmediate(() => {
      this.#writers = null;
    });
    return writers;
  }

  /** It is at rest, and will not be started again. */
  forget(id: string): void {
    this.#streams.get(id)?.[Symbol.dispose]();
    this.#streams.delete(id);
    this.#taps.forget(id);
    removeFifos(this.#childHost.folder, id);
  }
}
