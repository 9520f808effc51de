// Joins the machine and the os for one service: takes an event, lets the machine decide, stores the state, performs
// the effects, tells who listens. Dull on purpose; failed effects come back as events.

import type { Ending } from '../core/restart-policy.js';
import {
  decide,
  type Effect,
  type ServiceEvent,
  type ServiceState,
  stopped,
  wakeAtOf,
} from '../core/service-machine.js';
import { reasonOf } from '../errors.js';
import type { Reach, ServiceSpec, SignalName } from '../spec/service-spec.js';
import type { Millis } from '../spec/time.js';

/** What the runner needs of the world. */
export interface ServiceWorld {
  now(): Millis;
  /** 0 to 1. */
  random(): number;
  /** Starts the program and returns its pid; throws what went wrong. */
  spawn(): number;
  signal(pid: number, signal: SignalName, reach: Reach): void;
  /** Called for every single step from one state to another, effects not yet performed. */
  moved(before: ServiceState, event: ServiceEvent, after: ServiceState): void;
  /** Called once when something has changed and all that follows from it has been done. */
  changed(state: ServiceState, pid: number | null): void;
}

/** Only the deadline is another one: a heartbeat, which is no news. */
const isSameRun = (before: ServiceState, after: ServiceState): boolean =>
  before.name === 'RUNNING' && after.name === 'RUNNING' && before.tally === after.tally;

/** setTimeout takes no more than this. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

type Asked = 'start' | 'stop' | 'restart' | 'changed' | 'ready' | 'heartbeat' | 'stopping';

export class ServiceRunner {
  #spec: ServiceSpec;
  readonly #world: ServiceWorld;
  #state: ServiceState = stopped;
  #pid: number | null = null;
  #timer: NodeJS.Timeout | undefined;
  readonly #queue: ServiceEvent[] = [];

  constructor(spec: ServiceSpec, world: ServiceWorld) {
    this.#spec = spec;
    this.#world = world;
  }

  get state(): ServiceState {
    return this.#state;
  }

  get pid(): number | null {
    return this.#pid;
  }

  /** Other rules for the stop that is asked for next. */
  stopBy(stop: ServiceSpec['stop']): void {
    this.#spec = { ...this.#spec, stop };
  }

  /** The program has another main process, or its main process has told itself. */
  mainIs(pid: number): void {
    this.#pid = pid;
  }

  /** Other rules for the heartbeat, from now on; null: none is expected. */
  heartbeatEvery(everyMs: number | null): void {
    this.#spec = { ...this.#spec, heartbeat: everyMs === null ? null : { everyMs } };
    this.tell('heartbeat');
  }

  /** Takes over where somebody else left off; the process, if there is one, runs already. */
  adopt(pid: number | null, state: ServiceState): void {
    this.#pid = pid;
    this.#store(state);
  }

  /** A request, or a fact that needs no more than its name. */
  tell(name: Asked): void {
    this.handle({ name, at: this.#world.now() });
  }

  ended(ending: Ending): void {
    this.#pid = null;
    this.handle({ name: 'exited', at: this.#world.now(), ending, random: this.#world.random() });
  }

  /** Events that an effect brings along wait their turn: a spawn that fails at once must not nest for ever. */
  handle(event: ServiceEvent): void {
    this.#queue.push(event);
    if (this.#queue.length > 1) return;
    const before = this.#state;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const { state, effects } = decide(this.#state, next, this.#spec);
      const earlier = this.#state;
      if (state !== earlier) {
        this.#store(state);
        this.#world.moved(earlier, next, state);
      }
      for (const effect of effects) this.#perform(effect);
      this.#queue.shift();
    }
    if (this.#state !== before && !isSameRun(before, this.#state))
      this.#world.changed(this.#state, this.#pid);
  }

  #store(state: ServiceState): void {
    this.#state = state;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const wakeAt = wakeAtOf(state);
    if (wakeAt === null) return;
    const waitMs = Math.max(0, Math.ceil(wakeAt - this.#world.now()));
    // A longer wait is cut, and the machine finds that it is not due yet.
    this.#timer = setTimeout(() => this.#woke(), Math.min(waitMs, LONGEST_TIMER_MS));
  }

  #woke(): void {
    const before = this.#state;
    this.handle({ name: 'woke', at: this.#world.now() });
    if (this.#state === before) this.#store(before);
  }

  #perform(effect: Effect): void {
    if (effect.name === 'signal') {
      if (this.#pid !== null) this.#world.signal(this.#pid, effect.signal, effect.reach);
      return;
    }
    try {
      this.#pid = this.#world.spawn();
    } catch (error) {
      const reason = reasonOf(error);
      this.handle({ name: 'spawn-failed', at: this.#world.now(), reason, random: this.#world.random() });
      return;
    }
    if (this.#spec.start.readiness === 'exec') this.tell('ready');
  }
}
