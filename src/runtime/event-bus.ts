// Brings events to listeners: the pure pools say who gets what and when, here it is written and waited for.

import { EventDistributor } from '../core/event-distributor.js';
import { ListenerPool, type PoolEffect, type PoolMemory } from '../core/listener-pool.js';
import { nextTickAfter, ticksBetween } from '../core/ticks.js';
import { eventMessage } from '../formats/supervisord/event-text.js';
import { now } from '../os/clock.js';
import { type EventType, isSubscribed, parseEventTypes } from '../spec/event-types.js';
import type { MainLogLine } from '../spec/main-log-line.js';
import { fromPlain, toPlain } from '../spec/plain-data.js';
import type { SupervisedGroup } from '../spec/supervision.js';
import type { ProcessStateEvent, SupervisorEvent } from '../spec/supervisor-event.js';

export interface EventBusHost {
  readonly identifier: string;
  /** Writes to a listener's standard input; false: it does not read any more. */
  send(pool: string, listener: string, bytes: Uint8Array): boolean;
  log(line: MainLogLine): void;
  /** A listener of the pool has been given something, or has said something. */
  changed(pool: string): void;
}

/** Plain data. */
export interface BusMemory {
  readonly nextSerial: number;
  readonly pool: unknown;
}

export class EventBus {
  readonly #host: EventBusHost;
  readonly #distributor = new EventDistributor();
  readonly #pools = new Map<string, ListenerPool>();
  readonly #wanted = new Map<string, readonly EventType[]>();
  readonly #wakeTimers = new Map<string, NodeJS.Timeout>();
  #tickTimer: NodeJS.Timeout | undefined;
  #ticked = epochSeconds();

  constructor(host: EventBusHost) {
    this.#host = host;
  }

  addPool({ name, pool, services }: SupervisedGroup): void {
    if (pool === null) return;
    const { types } = parseEventTypes(pool.events.join(','));
    const listeners = services.map((service) => service.name);
    const held = new ListenerPool({ name, types, bufferSize: pool.bufferSize, listeners });
    this.#pools.set(name, held);
    this.#wanted.set(name, types);
    this.#distributor.add(held);
    this.#armTick();
  }

  removePool(name: string): void {
    this.#pools.delete(name);
    this.#wanted.delete(name);
    this.#distributor.remove(name);
    clearTimeout(this.#wakeTimers.get(name));
    this.#wakeTimers.delete(name);
    this.#armTick();
  }

  /** What a successor has to know of the pool; null: there is none of the name. Events that wait are many, and may be left out. */
  memory(name: string, withWaiting: boolean): BusMemory | null {
    const memory = this.#pools.get(name)?.memory();
    if (memory === undefined) return null;
    const pool = toPlain(withWaiting ? memory : { ...memory, waiting: [] });
    return { nextSerial: this.#distributor.nextSerial, pool };
  }

  resume(name: string, { nextSerial, pool }: BusMemory): void {
    this.#distributor.countFrom(nextSerial);
    this.#pools.get(name)?.resume(fromPlain(pool) as PoolMemory);
  }

  memories(withWaiting: boolean): Record<string, BusMemory> {
    return Object.fromEntries(
      [...this.#pools.keys()].map((name) => [name, this.memory(name, withWaiting)!] as const),
    );
  }

  /** Whose answer is waited for, and to which event. */
  inFlight(): readonly { readonly pool: string; readonly listener: string; readonly serial: number }[] {
    return [...this.#pools.values()].flatMap((pool) =>
      pool.inFlight().map((each) => ({ pool: pool.name, ...each })),
    );
  }

  /** Other events may be asked for, with listeners that go on. */
  replacePool(group: SupervisedGroup): void {
    const memory = this.memory(group.name, true);
    this.removePool(group.name);
    this.addPool(group);
    if (memory !== null) this.resume(group.name, memory);
  }

  /** Whether somebody has asked for events of this type. */
  isWanted(type: EventType): boolean {
    for (const types of this.#wanted.values()) if (isSubscribed(types, type)) return true;
    return false;
  }

  publish(event: SupervisorEvent): void {
    this.#perform(this.#distributor.publish(event, now()));
    for (const pool of this.#pools.values()) this.#armWake(pool);
  }

  /** News of a listener's process. */
  tell(poolName: string, listener: string, { type }: ProcessStateEvent): void {
    const pool = this.#pools.get(poolName);
    if (pool === undefined) return;
    if (type === 'PROCESS_STATE_STARTING') pool.started(listener);
    else if (type === 'PROCESS_STATE_STOPPING') pool.stopping(listener);
    else if (type === 'PROCESS_STATE_RUNNING') this.#perform(pool.running(listener, now()));
    else this.#perform(pool.ended(listener, now()));
    this.#host.changed(poolName);
    this.#armWake(pool);
  }

  heard(poolName: string, listener: string, bytes: Uint8Array): void {
    const pool = this.#pools.get(poolName);
    if (pool === undefined) return;
    this.#perform(pool.heard(listener, bytes, now()));
    this.#host.changed(poolName);
    this.#armWake(pool);
  }

  #perform(effects: readonly PoolEffect[]): void {
    for (const effect of effects) {
      if (effect.name === 'log') this.#host.log(effect.line);
      else {
        this.#host.changed(effect.pool);
        this.#send(effect);
      }
    }
  }

  #send({ pool, listener, event, serial, poolSerial }: Send): void {
    const message = eventMessage(event, { server: this.#host.identifier, pool, serial, poolSerial });
    if (this.#host.send(pool, listener, message)) return;
    const held = this.#pools.get(pool);
    if (held !== undefined) this.#perform(held.unwritable(listener, now()));
  }

  #armWake(pool: ListenerPool): void {
    clearTimeout(this.#wakeTimers.get(pool.name));
    this.#wakeTimers.delete(pool.name);
    if (pool.wakeAt === null) return;
    const wake = (): void => {
      this.#perform(pool.woke(now()));
      this.#armWake(pool);
    };
    this.#wakeTimers.set(pool.name, setTimeout(wake, Math.max(0, Math.ceil(pool.wakeAt - now()))));
  }

  /** Without a listener for ticks nobody is woken for them. */
  #armTick(): void {
    clearTimeout(this.#tickTimer);
    this.#ticked = epochSeconds();
    const next = nextTickAfter(this.#ticked, [...this.#wanted.values()].flat());
    if (next === null) return;
    // A clock that was set meanwhile is noticed at the latest when a tick would have been due by the old one.
    this.#tickTimer = setTimeout(() => this.#tick(), Math.max(0, next * 1000 - Date.now()));
  }

  #tick(): void {
    const second = epochSeconds();
    for (const event of ticksBetween(this.#ticked, second)) this.publish(event);
    this.#ticked = second;
    this.#armTick();
  }
}

type Send = Extract<PoolEffect, { readonly name: 'send' }>;

const epochSeconds = (): number => Math.floor(Date.now() / 1000);
