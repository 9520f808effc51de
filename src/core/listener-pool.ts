// A pool of listeners: which events wait for it, and which of its listeners gets the next one. Each event that it took
// is given to one listener. What a listener rejects, or held when it died, goes back to the head and is given out again,
// so that the order holds. Nothing here acts: what is to be done comes back as effects.
import { type EventType, isSubscribed } from '../spec/event-types.js';
import type { MainLogLine } from '../spec/main-log-line.js';
import type { SupervisorEvent } from '../spec/supervisor-event.js';
import { after, type Millis } from '../spec/time.js';
import { hear, type ListenerState, listenerBusy, listenerStarted } from './listener-protocol.js';
import * as messages from './main-log.js';

export interface PoolOptions {
  readonly name: string;
  readonly types: readonly EventType[];
  /** How many events may wait; the oldest makes room. */
  readonly bufferSize: number;
  /** The processes of the pool. The first that is ready is given the next event. */
  readonly listeners: readonly string[];
}

export type PoolEffect =
  /** To be written to the listener's stdin. Where that fails, `unwritable` is to be called. */
  | {
      readonly name: 'send';
      readonly pool: string;
      readonly listener: string;
      readonly event: SupervisorEvent;
      readonly serial: number;
      readonly poolSerial: number;
    }
  | { readonly name: 'log'; readonly line: MainLogLine };

interface Queued {
  readonly event: SupervisorEvent;
  readonly serial: number;
  readonly poolSerial: number;
  /** How often it came back. */
  readonly returns: number;
  /** Not to be given out before; null: at once. */
  readonly notBefore: Millis | null;
}

interface Listener {
  readonly protocol: ListenerState;
  /** Only a process in the state RUNNING is given events, ready or not. */
  readonly isRunning: boolean;
  /** Its stdin took no more; nothing is given to it until it is another process. */
  readonly isDeaf: boolean;
  readonly event: Queued | null;
}

/** What a successor has to know to go on with the same listeners. */
export interface PoolMemory {
  readonly nextSerial: number;
  readonly waiting: readonly Queued[];
  readonly listeners: readonly (readonly [name: string, listener: Listener])[];
}

const notStarted: Listener = { protocol: listenerStarted, isRunning: false, isDeaf: false, event: null };

export class ListenerPool {
  readonly name: string;
  readonly #types: readonly EventType[];
  readonly #bufferSize: number;
  /** In their order. */
  readonly #listeners: Map<string, Listener>;
  readonly #buffer: Queued[] = [];
  #nextSerial = 0;

  constructor({ name, types, bufferSize, listeners }: PoolOptions) {
    this.name = name;
    this.#types = types;
    this.#bufferSize = bufferSize;
    this.#listeners = new Map(listeners.map((listener) => [listener, notStarted]));
  }

  wants(event: SupervisorEvent): boolean {
    return isSubscribed(this.#types, event.type);
  }

  /** When `woke` must be called; null: not at all. */
  get wakeAt(): Millis | null {
    return this.#idle() === null ? null : (this.#buffer[0]?.notBefore ?? null);
  }

  memory(): PoolMemory {
    return { nextSerial: this.#nextSerial, waiting: [...this.#buffer], listeners: [...this.#listeners] };
  }

  /** Whose answer is waited for, and to which event. */
  inFlight(): readonly { readonly listener: string; readonly serial: number }[] {
    return [...this.#listeners].flatMap(([listener, { event }]) =>
      event === null ? [] : [{ listener, serial: event.serial }],
    );
  }

  /** Goes on where another pool left off; listeners that are not of this one are nobody's any more. */
  resume({ nextSerial, waiting, listeners }: PoolMemory): void {
    this.#nextSerial = nextSerial;
    this.#buffer.unshift(...waiting);
    for (const [name, listener] of listeners)
      if (this.#listeners.has(name)) this.#listeners.set(name, listener);
  }

  accept(event: SupervisorEvent, serial: number, at: Millis): readonly PoolEffect[] {
    const overflow = this.#makeRoom();
    this.#buffer.push({ event, serial, poolSerial: this.#nextSerial, returns: 0, notBefore: null });
    this.#nextSerial += 1;
    return [...overflow, ...this.#giveOut(at)];
  }

  /** A new process has been started for the listener: what it says is heard from the beginning. */
  started(listener: string): void {
    this.#change(listener, { ...notStarted });
  }

  /** The listener's process has come to the state RUNNING. */
  running(listener: string, at: Millis): readonly PoolEffect[] {
    this.#change(listener, { isRunning: true });
    return this.#giveOut(at);
  }

  /** It is to end, and gets no more. What it still says counts. */
  stopping(listener: string): void {
    this.#change(listener, { isRunning: false });
  }

  /** It has ended, and all that it said has been heard. */
  ended(listener: string, at: Millis): readonly PoolEffect[] {
    const { event } = this.#listener(listener);
    this.#change(listener, notStarted);
    return [...this.#takeBack(event, at), ...this.#giveOut(at)];
  }

  /** The listener has said something on its stdout. */
  heard(listener: string, bytes: Uint8Array, at: Millis): readonly PoolEffect[] {
    const { protocol, event } = this.#listener(listener);
    let held = event;
    const turn = hear(protocol, bytes, listener);
    const result: PoolEffect[] = [];
    for (const effect of turn.effects) {
      if (effect.name === 'log') result.push(effect);
      else if (effect.name !== 'ready') {
        if (effect.name === 'violation' || !effect.accepted) result.push(...this.#takeBack(held, at));
        held = null;
      }
    }
    this.#change(listener, { protocol: turn.state, event: held });
    return [...result, ...this.#giveOut(at)];
  }

  /** The event could not be written to the listener, who has closed its stdin. Another may have it at once. */
  unwritable(listener: string, at: Millis): readonly PoolEffect[] {
    const { event } = this.#listener(listener);
    this.#change(listener, { protocol: { name: 'READY' }, isDeaf: true, event: null });
    if (event === null) return [];
    const line = messages.eventNotSent(event.serial, listener);
    return [{ name: 'log', line }, ...this.#putBack(event), ...this.#giveOut(at)];
  }

  woke(at: Millis): readonly PoolEffect[] {
    return this.#giveOut(at);
  }

  #giveOut(at: Millis): PoolEffect[] {
    const effects: PoolEffect[] = [];
    for (;;) {
      const next = this.#buffer[0];
      const listener = this.#idle();
      if (next === undefined || listener === null) return effects;
      if (next.notBefore !== null && next.notBefore > at) return effects;
      this.#buffer.shift();
      this.#change(listener, { protocol: listenerBusy, event: next });
      const { event, serial, poolSerial } = next;
      effects.push(
        { name: 'send', pool: this.name, listener, event, serial, poolSerial },
        { name: 'log', line: messages.eventSent(serial, listener) },
      );
    }
  }

  /** To the head of the buffer. The first time it is given out again at once, then after longer and longer waits. */
  #takeBack(event: Queued | null, at: Millis): PoolEffect[] {
    if (event === null) return [];
    const returns = event.returns + 1;
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (returns - 2), LONGEST_WAIT_MS);
    return this.#putBack({ ...event, returns, notBefore: returns === 1 ? null : after(at, waitMs) });
  }

  #putBack(event: Queued): PoolEffect[] {
    const line = messages.eventRebuffered(event.serial, this.name, this.#buffer.length, this.#bufferSize);
    const overflow = this.#makeRoom();
    this.#buffer.unshift(event);
    return [{ name: 'log', line }, ...overflow];
  }

  #makeRoom(): PoolEffect[] {
    if (this.#buffer.length < this.#bufferSize) return [];
    const oldest = this.#buffer.shift();
    if (oldest === undefined) return [];
    return [{ name: 'log', line: messages.eventDiscarded(this.name, oldest.serial) }];
  }

  /** The first listener that may be given an event; null: none. */
  #idle(): string | null {
    for (const [name, { protocol, isRunning, isDeaf }] of this.#listeners)
      if (isRunning && !isDeaf && protocol.name === 'READY') return name;
    return null;
  }

  #listener(name: string): Listener {
    return this.#listeners.get(name) ?? notStarted;
  }

  #change(name: string, change: Partial<Listener>): void {
    this.#listeners.set(name, { ...this.#listener(name), ...change });
  }
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 10_000;
