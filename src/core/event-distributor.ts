// Gives each event to every pool that wants it, once, under a number that all pools share.
import type { SupervisorEvent } from '../spec/supervisor-event.js';
import type { Millis } from '../spec/time.js';
import type { ListenerPool, PoolEffect } from './listener-pool.js';

export class EventDistributor {
  readonly #pools = new Map<string, ListenerPool>();
  #nextSerial = 0;

  get nextSerial(): number {
    return this.#nextSerial;
  }

  /** No number is given twice, also not by a successor. */
  countFrom(serial: number): void {
    this.#nextSerial = Math.max(this.#nextSerial, serial);
  }

  add(pool: ListenerPool): void {
    this.#pools.set(pool.name, pool);
  }

  remove(pool: string): void {
    this.#pools.delete(pool);
  }

  /** An event that no pool wants gets no number. */
  publish(event: SupervisorEvent, at: Millis): readonly PoolEffect[] {
    const takers = [...this.#pools.values()].filter((pool) => pool.wants(event));
    if (takers.length === 0) return [];
    const serial = this.#nextSerial;
    this.#nextSerial += 1;
    return takers.flatMap((pool) => pool.accept(event, serial, at));
  }
}
