// What is made of a program's output on its way to its log: escape sequences taken out, messages in capture mode,
// events, the protocol of a listener.
import { Capture, type Captured, type CaptureMemory } from '../core/capture.js';
import * as messages from '../core/main-log.js';
import { AnsiStripper } from '../core/strip-ansi.js';
import { sendToSyslog } from '../os/syslog.js';
import { joinBytes } from '../spec/byte-text.js';
import type { EventType } from '../spec/event-types.js';
import type { MainLogLine } from '../spec/main-log-line.js';
import type { StreamPlan } from '../spec/supervision.js';
import type { Channel, SupervisorEvent } from '../spec/supervisor-event.js';
import type { SupervisedProcess } from './supervised-process.js';

export interface OutputTapsHost {
  publish(event: SupervisorEvent): void;
  /** Whether an event of this type would be told to anybody. */
  isWanted(type: EventType): boolean;
  /** A listener has said something. */
  protocol(pool: string, listener: string, bytes: Uint8Array): void;
  log(line: MainLogLine): void;
}

interface Tap {
  readonly plan: StreamPlan;
  readonly capture: Capture | null;
  readonly ansi: AnsiStripper | null;
}

/** Plain data. */
export interface TapMemory {
  readonly capture: CaptureMemory | null;
  readonly ansi: AnsiStripper['at'] | null;
}

export class OutputTaps {
  readonly #host: OutputTapsHost;
  readonly #taps = new Map<string, Tap>();

  constructor(host: OutputTapsHost) {
    this.#host = host;
  }

  /** Whether anybody hears of a stream that goes to its log as it is. */
  isHeard(channel: Channel, plan: StreamPlan): boolean {
    return plan.toSyslog || this.#isPublished(channel, plan);
  }

  /** Returns what is to be logged. */
  hear(process: SupervisedProcess, channel: Channel, bytes: Uint8Array): Uint8Array {
    const { group, name, isListener } = process.service;
    const plan = process.service[channel];
    if (plan === 'as-stdout') return bytes;
    if (isListener && channel === 'stdout') {
      this.#host.protocol(group, name, bytes);
      return bytes;
    }
    const tap = this.#tapOf(process.id, channel, plan);
    return this.#make(process, channel, tap, tap.capture?.push(bytes) ?? [{ kind: 'log', bytes }]);
  }

  /** The run is over and all of it has been heard. Returns what was held back, as it might have been a beginning. */
  ended(process: SupervisedProcess, channel: Channel): Uint8Array {
    const tap = this.#taps.get(keyOf(process.id, channel));
    if (tap === undefined) return new Uint8Array();
    const rest = this.#make(process, channel, tap, tap.capture?.end() ?? []);
    return joinBytes([rest, tap.ansi?.end() ?? new Uint8Array()]);
  }

  /** What a successor has to know to go on in the middle of a run, and how many of the newest bytes it needs again. */
  memory(process: SupervisedProcess, channel: Channel): { state: TapMemory | null; needs: number } {
    const tap = this.#taps.get(keyOf(process.id, channel));
    if (tap === undefined) return { state: null, needs: 0 };
    const state = { capture: tap.capture?.memory() ?? null, ansi: tap.ansi?.at ?? null };
    return { state, needs: tap.capture?.needs ?? 0 };
  }

  resume(
    { id, service }: SupervisedProcess,
    channel: Channel,
    state: TapMemory | null,
    needed: Uint8Array,
  ): void {
    const plan = service[channel];
    if (state === null || plan === 'as-stdout') return;
    const { capture, ansi } = this.#tapOf(id, channel, plan);
    if (state.capture !== null) capture?.resume(state.capture, needed);
    if (state.ansi !== null) ansi?.resume(state.ansi);
  }

  /** Whether the log gets these bytes as they are. */
  passes({ id, service }: SupervisedProcess, channel: Channel, bytes: Uint8Array): boolean {
    const plan = service[channel];
    if (plan === 'as-stdout') return true;
    const { capture, ansi } = this.#tapOf(id, channel, plan);
    return capture?.passes(bytes) !== false && ansi?.passes(bytes) !== false;
  }

  #isPublished(channel: Channel, plan: StreamPlan): boolean {
    return plan.publishes && this.#host.isWanted(`PROCESS_LOG_${upper(channel)}`);
  }

  #make(
    process: SupervisedProcess,
    channel: Channel,
    { plan, ansi }: Tap,
    parts: readonly Captured[],
  ): Uint8Array {
    const { group, name } = process.service;
    const pid = process.pid ?? process.lastPid ?? 0;
    const logged: Uint8Array[] = [];
    const isPublished = this.#isPublished(channel, plan);
    for (const { kind, bytes } of parts) {
      if (kind === 'message') {
        this.#host.publish({
          type: `PROCESS_COMMUNICATION_${upper(channel)}`,
          name,
          group,
          pid,
          data: bytes,
        });
        this.#host.log(messages.emittedCommunication(name, channel));
        continue;
      }
      // What stands between the marks is no part of the log, but is output all the same.
      if (kind !== 'within') logged.push(bytes);
      if (isPublished && kind !== 'unfinished' && bytes.length > 0)
        this.#host.publish({
          type: `PROCESS_LOG_${upper(channel)}`,
          name,
          group,
          pid,
          data: new Uint8Array(bytes),
        });
    }
    const all = joinBytes(logged.length === 0 ? [new Uint8Array()] : logged);
    const clean = ansi?.strip(all) ?? all;
    if (plan.toSyslog && clean.length > 0) toSyslog(name, clean);
    return clean;
  }

  forget(id: string): void {
    for (const channel of ['stdout', 'stderr'] as const) this.#taps.delete(keyOf(id, channel));
  }

  #tapOf(id: string, channel: Channel, plan: StreamPlan): Tap {
    const key = keyOf(id, channel);
    const known = this.#taps.get(key);
    if (known !== undefined) return known;
    const tap = {
      plan,
      capture: plan.captureMaxBytes > 0 ? new Capture(plan.captureMaxBytes) : null,
      ansi: plan.stripsAnsi ? new AnsiStripper() : null,
    };
    this.#taps.set(key, tap);
    return tap;
  }
}

/** Each line by itself, as supervisord does it. */
function toSyslog(name: string, bytes: Uint8Array): void {
  const text = Buffer.from(bytes).toString().replace(/\n+$/, '');
  for (const line of text.split('\n')) sendToSyslog('supervisord', `${name} ${line}`, new Date());
}

const keyOf = (id: string, channel: Channel): string => `${id} ${channel}`;

const upper = (channel: Channel): 'STDOUT' | 'STDERR' => (channel === 'stdout' ? 'STDOUT' : 'STDERR');
