// What is made of a program's output on its way to its log: escape sequences taken out, messages in capture mode,
// events, the protocol of a listener.
import { Capture, type Captured } from '../core/capture.js';
import * as messages from '../core/main-log.js';
import { AnsiStripper } from '../core/strip-ansi.js';
import { sendToSyslog } from '../os/syslog.js';
import { joinBytes } from '../spec/byte-text.js';
import type { MainLogLine } from '../spec/main-log-line.js';
import type { StreamPlan } from '../spec/supervision.js';
import type { Channel, SupervisorEvent } from '../spec/supervisor-event.js';
import type { SupervisedProcess } from './supervised-process.js';

export interface OutputTapsHost {
  publish(event: SupervisorEvent): void;
  /** A listener has said something. */
  protocol(pool: string, listener: string, bytes: Uint8Array): void;
  log(line: MainLogLine): void;
}

interface Tap {
  readonly plan: StreamPlan;
  readonly capture: Capture | null;
  readonly ansi: AnsiStripper | null;
}

export class OutputTaps {
  readonly #host: OutputTapsHost;
  readonly #taps = new Map<string, Tap>();

  constructor(host: OutputTapsHost) {
    this.#host = host;
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
    const tap = this.#taps.get(`${process.id} ${channel}`);
    if (tap === undefined) return new Uint8Array();
    const rest = this.#make(process, channel, tap, tap.capture?.end() ?? []);
    return joinBytes([rest, tap.ansi?.end() ?? new Uint8Array()]);
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
      if (plan.publishes && kind !== 'unfinished' && bytes.length > 0)
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
    for (const channel of ['stdout', 'stderr']) this.#taps.delete(`${id} ${channel}`);
  }

  #tapOf(id: string, channel: Channel, plan: StreamPlan): Tap {
    const key = `${id} ${channel}`;
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

const upper = (channel: Channel): 'STDOUT' | 'STDERR' => (channel === 'stdout' ? 'STDOUT' : 'STDERR');
