// The streams of all services of a supervisor, by `group:name`, and what is made of what they say.
import { heldFile, nameOfHeld } from '../os/log-file.js';
import type { EventType } from '../spec/event-types.js';
import type { MainLogLine } from '../spec/main-log-line.js';
import { idOf } from '../spec/supervision.js';
import type { SupervisorEvent } from '../spec/supervisor-event.js';
import { ChildStreams, type ChildStreamsHost, removeFifos } from './child-streams.js';
import { LogKeepers } from './log-keepers.js';
import { OutputTaps } from './output-taps.js';
import type { SupervisedProcess } from './supervised-process.js';

export interface ServiceStreamsHost {
  find(id: string): SupervisedProcess;
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

export class ServiceStreams {
  readonly #host: ServiceStreamsHost;
  readonly #childHost: ChildStreamsHost;
  readonly #taps: OutputTaps;
  readonly #keepers: LogKeepers;
  readonly #streams = new Map<string, ChildStreams>();

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
      find: (service) => host.find(idOf(service)),
      keepers: this.#keepers,
      complain: (attempt, error) => host.complain(attempt, error),
    };
  }

  of(id: string): ChildStreams {
    const known = this.#streams.get(id);
    if (known !== undefined) return known;
    const { service } = this.#host.find(id);
    const streams = new ChildStreams(service, this.#host.socketOf(service.group), this.#childHost);
    this.#streams.set(id, streams);
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
    for (const [id, streams] of this.#streams) {
      const { pid } = this.#host.find(id);
      if (pid !== null && streams.path('stdout') === path) return heldFile(pid, 1);
      if (pid !== null && streams.path('stderr') === path) return heldFile(pid, 2);
    }
    return null;
  }

  #isLog(name: string): boolean {
    for (const streams of this.#streams.values())
      if (streams.path('stdout') === name || streams.path('stderr') === name) return true;
    return false;
  }

  /** It is at rest, and will not be started again. */
  forget(id: string): void {
    this.#streams.get(id)?.[Symbol.dispose]();
    this.#streams.delete(id);
    this.#taps.forget(id);
    removeFifos(this.#childHost.folder, id);
  }
}
