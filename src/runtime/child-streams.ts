// The standard streams of one supervised service. It writes straight to its log where nobody else needs to see it;
// what has to be seen (events, capture mode, syslog, the protocol of a listener) goes through a FIFO of its own. All
// of them survive the supervisor: no stream ends, and none is lost, when it is killed.
import { join } from 'node:path';
import { closeDescriptor } from '../os/descriptors.js';
import { makeFifo, openBothWays } from '../os/fifo.js';
import { removeIfThere } from '../os/log-backups.js';
import { openLogOf, truncateIfThere } from '../os/outputs.js';
import { RotatingLog } from '../os/rotating-log.js';
import { type Listening, type Making, StreamPump } from '../os/stream-pump.js';
import { FifoWriter, StreamReader } from '../os/stream-reader.js';
import { idOf, type StreamPlan, type SupervisedService } from '../spec/supervision.js';
import type { Channel } from '../spec/supervisor-event.js';
import type { LogKeepers } from './log-keepers.js';
import type { OutputTaps, TapMemory } from './output-taps.js';
import type { SharedLogs } from './shared-logs.js';
import type { Streams } from './start-run.js';
import type { SupervisedProcess } from './supervised-process.js';

const channels = ['stdout', 'stderr'] as const;

/** By which names a configuration means the standard streams of the supervisor. */
const ownNames: ReadonlyMap<string, number> = new Map(
  [1, 2].flatMap((descriptor) => [
    [descriptor === 1 ? '/dev/stdout' : '/dev/stderr', descriptor] as const,
    [`/dev/fd/${descriptor}`, descriptor] as const,
    [`/proc/self/fd/${descriptor}`, descriptor] as const,
  ]),
);

const nobody = new Map<Channel, never>();

/** The same for all services of a supervisor. */
export interface ChildStreamsHost {
  /** Where the FIFOs are: ours alone. */
  readonly folder: string;
  /** What is made of what a program says that has to be seen. */
  readonly taps: OutputTaps;
  readonly find: (service: SupervisedService) => SupervisedProcess;
  readonly keepers: LogKeepers;
  readonly shared: SharedLogs;
  /** The listening socket that the programs of a FastCGI group get as their standard input; null: a pipe. */
  readonly socketOf: (group: string) => number | null;
  readonly complain: (attempt: string, error: unknown) => void;
}

/** A stream that passes through us. */
interface Seen extends Disposable {
  readonly log: RotatingLog | null;
  /** The run is over: what it wrote is to be in its log. */
  end(): void;
}

export class ChildStreams {
  readonly #service: SupervisedService;
  readonly #host: ChildStreamsHost;
  /** Of the streams that are seen; most services have none. */
  #seen: ReadonlyMap<Channel, Seen> = nobody;

  /** Made when somebody writes. */
  #stdin: FifoWriter | null = null;

  constructor(service: SupervisedService, host: ChildStreamsHost) {
    this.#service = service;
    this.#host = host;
  }

  /** null: the stream goes nowhere. With stderr on stdout's way that is where it goes, and this is null too. */
  path(channel: Channel): string | null {
    const plan = this.#service[channel];
    return plan === 'as-stdout' ? null : plan.path;
  }

  /** For the next run. Throws SystemError. */
  open(): Streams {
    const opened: number[] = [];
    const take = (descriptor: number): number => {
      opened.push(descriptor);
      return descriptor;
    };
    try {
      const stdin = this.#host.socketOf(this.#service.group) ?? take(this.#openStdin());
      const output = (channel: Channel, plan: StreamPlan): number =>
        this.#ownDescriptor(channel, plan) ?? take(this.#openOutput(channel, plan));
      const stdout = output('stdout', this.#service.stdout);
      const { stderr: plan } = this.#service;
      const stderr = plan === 'as-stdout' ? stdout : output('stderr', plan);
      return {
        descriptors: new Map([
          [0, stdin],
          [1, stdout],
          [2, stderr],
        ]),
        paths: [...new Set(channels.map((channel) => this.path(channel)).filter((path) => path !== null))],
        whenInvokable: () => undefined,
        close: () => opened.forEach(closeDescriptor),
      };
    } catch (error) {
      opened.forEach(closeDescriptor);
      throw error;
    }
  }

  /** The program has been started: what it writes to itself is rotated from now on. */
  started(): void {
    for (const channel of channels) {
      const plan = this.#service[channel];
      if (plan === 'as-stdout' || plan.path === null || this.#isSeen(channel, plan)) continue;
      this.#host.shared.writtenDirectly(plan.path);
      this.#host.keepers.keep(plan);
    }
  }

  /** Goes on where a former supervisor was, whose program runs still or has ended. */
  resume(isRunning: boolean): void {
    if (isRunning) this.started();
    for (const channel of channels) {
      const plan = this.#service[channel];
      const isLeft = isRunning || StreamPump.isLeft(this.#fifo(channel));
      if (plan !== 'as-stdout' && isLeft) this.#hearIfPossible(channel, plan);
    }
  }

  /** The run is over: everything that it wrote has been heard, and is in its log, when this returns. */
  ended(): void {
    for (const seen of this.#seen.values()) seen.end();
  }

  /** Returns false when the program does not read its standard input any more. */
  writeStdin(bytes: Uint8Array): boolean {
    this.#stdin ??= new FifoWriter(this.#fifo('stdin'));
    return this.#stdin.write(bytes);
  }

  /** Begins the logs anew; a program that writes to its log itself goes on at the new beginning. Throws SystemError. */
  clear(): void {
    for (const channel of channels) {
      const path = this.path(channel);
      const log = this.#seen.get(channel)?.log;
      if (log) log.clear();
      else if (path !== null) truncateIfThere(path);
    }
  }

  reopen(): void {
    for (const { log } of this.#seen.values()) log?.reopen();
    for (const channel of channels) {
      const plan = this.#service[channel];
      if (plan !== 'as-stdout' && !this.#isSeen(channel, plan)) this.#host.keepers.reopenUnrotated(plan);
    }
  }

  [Symbol.dispose](): void {
    this.#stdin?.reset();
    for (const seen of this.#seen.values()) {
      seen[Symbol.dispose]();
      if (seen.log === null) continue;
      this.#host.shared.delete(seen.log);
      seen.log[Symbol.dispose]();
    }
    this.#seen = nobody;
    for (const channel of channels) {
      const path = this.path(channel);
      if (path !== null) this.#host.keepers.forget(path);
    }
  }

  /** Open both ways: it blocks, as a pipe that nobody writes to does, also when there is no supervisor any more. */
  #openStdin(): number {
    this.#stdin?.reset();
    const path = this.#fifo('stdin');
    makeFifo(path);
    return openBothWays(path);
  }

  /** The supervisor's own stdout or stderr is passed on as it is: a socket, or a terminal of somebody else's, cannot be opened. */
  #ownDescriptor(channel: Channel, plan: StreamPlan): number | null {
    if (this.#isSeen(channel, plan)) return null;
    return ownNames.get(this.path(channel) ?? '') ?? null;
  }

  #openOutput(channel: Channel, plan: StreamPlan): number {
    const path = this.path(channel);
    if (!this.#isSeen(channel, plan)) {
      if (path === null) return openBothWays('/dev/null');
      return openLogOf(path);
    }
    this.#hear(channel, plan);
    return openBothWays(this.#fifo(channel));
  }

  #hearIfPossible(channel: Channel, plan: StreamPlan): void {
    try {
      this.#hear(channel, plan);
    } catch (error) {
      // The program goes on, and stands still when its FIFO is full.
      this.#host.complain(`cannot hear ${channel} of ${idOf(this.#service)}`, error);
    }
  }

  #hear(channel: Channel, plan: StreamPlan): void {
    if (!this.#isSeen(channel, plan) || this.#seen.has(channel)) return;
    makeFifo(this.#fifo(channel));
    const log = this.#openLog(plan, !this.#isProtocol(channel));
    try {
      const isFile = log !== null && log.file !== null;
      const seen = isFile ? this.#pump(channel, plan, log) : this.#readPlainly(channel, log);
      this.#seen = new Map([...this.#seen, [channel, seen]]);
      if (log !== null) this.#host.shared.add(log);
    } catch (error) {
      log?.[Symbol.dispose]();
      throw error;
    }
  }

  #openLog({ path, maxBytes, backups, compress }: StreamPlan, isMovedTo: boolean): RotatingLog | null {
    if (path === null) return null;
    const failed = (error: unknown): void => this.#host.complain(`cannot write log ${path}`, error);
    return new RotatingLog({ path, maxBytes, backups, compress, isMovedTo, failed });
  }

  #pump(channel: Channel, plan: StreamPlan, log: RotatingLog): Seen {
    const isMade = plan.captureMaxBytes > 0 || plan.stripsAnsi;
    const pump = new StreamPump({
      fifo: this.#fifo(channel),
      log,
      way: isMade ? this.#making(channel) : this.#listening(channel, plan),
      failed: (error) => this.#host.complain(`cannot take ${channel} of ${idOf(this.#service)}`, error),
    });
    return { log, end: () => pump.end(), [Symbol.dispose]: () => pump[Symbol.dispose]() };
  }

  /** What is no file, the protocol of a listener, and what is not logged at all. */
  #readPlainly(channel: Channel, log: RotatingLog | null): Seen {
    const { make, end } = this.#making(channel);
    const write = (logged: Uint8Array): void => {
      if (logged.length > 0) log?.write(logged);
    };
    const reader = new StreamReader(this.#fifo(channel), (bytes) => write(make(bytes)));
    return {
      log,
      end: () => {
        reader.drain();
        write(end());
      },
      [Symbol.dispose]: () => reader[Symbol.dispose](),
    };
  }

  #listening(channel: Channel, plan: StreamPlan): Listening {
    const { taps, find } = this.#host;
    return {
      isHeard: () => taps.isHeard(channel, plan),
      hear: (bytes) => void taps.hear(find(this.#service), channel, bytes),
    };
  }

  #making(channel: Channel): Making {
    const { taps, find } = this.#host;
    return {
      passes: (bytes) => taps.passes(find(this.#service), channel, bytes),
      make: (bytes) => taps.hear(find(this.#service), channel, bytes),
      end: () => taps.ended(find(this.#service), channel),
      memory: () => taps.memory(find(this.#service), channel),
      resume: (state, needed) => taps.resume(find(this.#service), channel, state as TapMemory | null, needed),
    };
  }

  #fifo(stream: string): string {
    return fifoOf(this.#host.folder, idOf(this.#service), stream);
  }

  #isProtocol(channel: Channel): boolean {
    return channel === 'stdout' && this.#service.isListener;
  }

  /** Whether the supervisor has to see the stream on its way. */
  #isSeen(channel: Channel, plan: StreamPlan): boolean {
    if (plan.captureMaxBytes > 0 || plan.publishes || plan.toSyslog || plan.stripsAnsi) return true;
    if (this.#isProtocol(channel)) return true;
    // Where the file system cannot take anything out of a file, we write the log, and so can begin another.
    return !this.#host.keepers.canKeep(plan);
  }
}

/** Of a service, by `group:name`, that is at rest. */
export function removeFifos(folder: string, id: string): void {
  for (const stream of ['stdin', ...channels]) removeIfThere(fifoOf(folder, id, stream));
}

const fifoOf = (folder: string, id: string, stream: string): string => join(folder, `${id}.${stream}`);

/** Whose standard input, as `group:name`, a file is under a supervisor that has this folder; null: nobody's. */
export function idOfStdin(folder: string, file: string): string | null {
  if (!file.startsWith(`${folder}/`) || !file.endsWith('.stdin')) return null;
  return file.slice(folder.length + 1, -'.stdin'.length);
}
