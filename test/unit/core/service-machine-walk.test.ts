// Random walks: a service, a simulated process and a runtime that is sometimes late. Nothing is decided here; what the
// machine orders is done to the process, and after every event the promises are checked that hold whatever happens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ending } from '../../../src/core/restart-policy.js';
import {
  type Decision,
  decide,
  type Effect,
  type ServiceEvent,
  type ServiceState,
  stopped,
  wakeAtOf,
} from '../../../src/core/service-machine.js';
import { type ExitKind, exitKinds, type Reach, type ServiceSpec } from '../../../src/spec/service-spec.js';
import { anyService, millis } from '../../support/any-service.js';

const WALKS = 60;
const STEPS = 5000;

test(`${WALKS} walks of ${STEPS} events break no promise`, () => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= WALKS; seed += 1) {
    const world = new World(seed);
    try {
      for (let step = 0; step < STEPS; step += 1) world.step();
      world.comeToRest();
    } catch (error) {
      const trail = world.trail.map((line) => `  ${line}`).join('\n');
      throw new Error(`seed ${seed} breaks a promise, after\n${trail}`, { cause: error });
    }
    for (const cell of world.seen) seen.add(cell);
  }
  // A walk that never gets somewhere proves nothing about it. Where a process is owned, all its news must have come;
  // elsewhere only requests, deadlines, and news of a process that is not there.
  assert.equal(seen.size, 7 * 13, `cells never walked: only ${seen.size} of ${7 * 13} were`);
});

/** mulberry32: small, and good enough to wander about. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a spawn has led to, from the order until `exited` or `spawn-failed` has been delivered. */
interface Process {
  /** null: it runs. Else how it ended, or failed to begin, and the news is on its way. */
  ending: Ending | null;
  /** Ignores every signal but SIGKILL. */
  readonly isStubborn: boolean;
}

const OWNS_A_PROCESS: readonly string[] = ['STARTING', 'RUNNING', 'STOPPING'];
const endings: readonly Ending[] = [
  { how: 'exited', code: 0 },
  { how: 'exited', code: 1 },
  { how: 'exited', code: 2 },
  { how: 'killed', signal: 'SIGSEGV' },
  { how: 'unseen' },
];

class World {
  readonly trail: string[] = [];
  readonly seen = new Set<string>();
  readonly #random: () => number;
  readonly #spec: ServiceSpec;
  #state: ServiceState = stopped;
  #now = 0;
  #process: Process | null = null;
  /** The last word of the operator that has not been carried out. */
  #wish: 'rest' | 'start' | null = 'rest';
  /** Before this SIGKILL must not come. */
  #graceUntil = Number.POSITIVE_INFINITY;
  /** Restarts that nobody asked for, since somebody last asked for one. */
  #restarts = 0;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
    this.#spec = this.#anySpec();
  }

  step(): void {
    if (this.#chance(0.7)) this.#now += this.#upTo(this.#chance(0.1) ? 100_000 : 1500);
    this.#deliver(this.#anyEvent());
  }

  /** Whatever happened before: a stop that is followed by nothing but time and the news of the end brings rest. */
  comeToRest(): void {
    this.#deliver({ name: 'stop', at: millis(this.#now) });
    for (let turn = 0; turn < 5 && this.#state.name !== 'STOPPED'; turn += 1) {
      if (this.#process?.ending) this.#deliver(this.#newsOfEnd(this.#process.ending));
      else this.#deliver({ name: 'woke', at: millis(this.#deadline()) });
    }
    assert.equal(this.#state.name, 'STOPPED', 'it comes to rest');
  }

  #deadline(): number {
    const wakeAt = wakeAtOf(this.#state);
    // Without a deadline it waits for ever for a stubborn process, as its spec says; this one gives in.
    if (wakeAt === null) this.#end({ how: 'killed', signal: 'SIGTERM' });
    else this.#now = Math.max(this.#now, wakeAt);
    return this.#now;
  }

  #deliver(event: ServiceEvent): void {
    const before = this.#state;
    if (event.name === 'exited' || event.name === 'spawn-failed') this.#process = null;
    const decision = decide(before, event, this.#spec);
    this.#state = decision.state;
    this.trail.push(`${JSON.stringify(before)} + ${JSON.stringify(event)}`);
    if (this.trail.length > 20) this.trail.shift();
    this.seen.add(`${before.name} ${event.name}`);

    this.#checkTime(before, event, decision);
    this.#noteGrace(before, event, decision);
    this.#noteWish(before, event);
    for (const effect of decision.effects) this.#perform(effect, event);
    this.#checkWish(event, decision);
    assert.equal(
      this.#process !== null,
      OWNS_A_PROCESS.includes(this.#state.name),
      'a process where one is owned',
    );
  }

  #checkTime(before: ServiceState, event: ServiceEvent, { state, effects }: Decision): void {
    const wakeAt = wakeAtOf(state);
    if (state === before) assert.equal(effects.length, 0, 'effects come with transitions only');
    // One that is overdue already may stay as it is, though the wish beside it changes.
    const due = wakeAtOf(before);
    if (wakeAt !== null && wakeAt !== due) assert.ok(wakeAt >= event.at, 'no deadline lies before its event');
    if (event.name !== 'woke') return;
    assert.equal(
      state !== before,
      due !== null && due <= event.at,
      'a deadline that has come moves it on, no other',
    );
  }

  #noteGrace(before: ServiceState, event: ServiceEvent, { state, effects }: Decision): void {
    const asks = effects.find((effect) => effect.name === 'signal' && effect.signal !== 'SIGKILL');
    if (asks !== undefined || (event.name === 'stopping' && state !== before)) {
      const isAbort = asks?.name === 'signal' && asks.signal === 'SIGABRT';
      const { graceMs } = isAbort ? this.#spec.abort : this.#spec.stop;
      this.#graceUntil = graceMs === null ? Number.POSITIVE_INFINITY : event.at + graceMs;
    }
    if (event.name === 'extend-timeout' && before.name === 'STOPPING')
      this.#graceUntil = Math.max(this.#graceUntil, event.at + event.byMs);
  }

  #noteWish(before: ServiceState, event: ServiceEvent): void {
    if (event.name === 'stop') this.#wish = 'rest';
    // A start is granted already while the process runs; a change is no wish of anybody who wanted rest.
    if (event.name === 'start' && !['STARTING', 'RUNNING'].includes(before.name)) this.#wish = 'start';
    if (event.name === 'restart' || (event.name === 'changed' && this.#wish !== 'rest')) this.#wish = 'start';
  }

  #perform(effect: Effect, event: ServiceEvent): void {
    if (effect.name === 'spawn') {
      assert.equal(this.#process, null, 'never two processes for one service');
      assert.notEqual(this.#wish, 'rest', 'no start between a stop and the next request');
      this.#countRestarts(event);
      this.#wish = null;
      this.#graceUntil = Number.POSITIVE_INFINITY;
      const ending: Ending | null = this.#chance(0.1)
        ? { how: 'not-spawned', reason: 'too many processes' }
        : null;
      this.#process = { ending, isStubborn: this.#chance(0.3) };
      return;
    }
    assert.ok(this.#process !== null, 'signals go to a process');
    if (effect.signal === 'SIGKILL') {
      assert.ok(
        event.at >= this.#graceUntil,
        `SIGKILL at ${event.at}, in the grace until ${this.#graceUntil}`,
      );
      if (this.#chance(0.9)) this.#end({ how: 'killed', signal: 'SIGKILL' });
    } else if (!this.#process.isStubborn && this.#chance(0.8)) {
      this.#end(this.#chance(0.5) ? { how: 'exited', code: 0 } : { how: 'killed', signal: effect.signal });
    }
  }

  #countRestarts(event: ServiceEvent): void {
    const { retries, resetAfterMs, withinMs } = this.#spec.restart;
    const isAsked = this.#wish === 'start' || event.name === 'start';
    const isForgiven = this.trail.at(-1)?.startsWith('{"name":"FATAL"') === true;
    this.#restarts = isAsked || isForgiven ? 0 : this.#restarts + 1;
    if (retries !== null && resetAfterMs === null && withinMs === null)
      assert.ok(
        this.#restarts <= retries,
        `${this.#restarts} restarts in a row, where ${retries} are allowed`,
      );
  }

  #checkWish(event: ServiceEvent, { state, effects }: Decision): void {
    const isOver = event.name === 'exited' || event.name === 'spawn-failed';
    if (isOver && this.#wish === 'rest') assert.equal(state.name, 'STOPPED', 'a wish for rest is granted');
    if (this.#wish === 'start')
      assert.equal(state.name, 'STOPPING', 'a wish to start waits for nothing but the end');
    if (effects.some(({ name }) => name === 'spawn'))
      assert.equal(state.name, 'STARTING', 'a spawn is a start');
  }

  #end(ending: Ending): void {
    if (this.#process !== null) this.#process.ending ??= ending;
  }

  #newsOfEnd(ending: Ending): ServiceEvent {
    const at = millis(this.#now);
    const random = this.#random();
    if (ending.how === 'not-spawned') return { name: 'spawn-failed', at, reason: ending.reason, random };
    return { name: 'exited', at, ending, random };
  }

  #anyEvent(): ServiceEvent {
    const at = millis(this.#now);
    if (this.#chance(0.04)) return { name: this.#oneOf(['start', 'stop', 'restart', 'changed']), at };
    if (this.#chance(0.3)) return { name: 'woke', at };
    if (this.#process?.ending && this.#chance(0.5)) return this.#newsOfEnd(this.#process.ending);
    if (this.#process !== null && this.#chance(0.15)) this.#end(this.#oneOf(endings));
    // An end can be overtaken by what was said before it, and news of a former process can come late.
    if (this.#process === null && this.#chance(0.1)) return this.#newsOfEnd(this.#oneOf(endings));
    if (this.#process === null && this.#chance(0.1))
      return this.#newsOfEnd({ how: 'not-spawned', reason: 'late' });
    return this.#oneOf<ServiceEvent>([
      { name: 'ready', at },
      { name: 'heartbeat', at },
      { name: 'extend-timeout', at, byMs: this.#upTo(20_000) },
      { name: 'unhealthy', at, cause: 'heartbeat-lost' },
      { name: 'unhealthy', at, cause: 'over-memory' },
      { name: 'stopping', at },
      { name: 'main-exited', at, ending: this.#oneOf(endings) },
    ]);
  }

  #anySpec(): ServiceSpec {
    const kinds = (): readonly ExitKind[] => exitKinds.filter(() => this.#chance(0.8));
    const reach = (): Reach => this.#oneOf(['process', 'group', 'tree']);
    const ms = (most: number): number => this.#oneOf([0, this.#upTo(most)]);
    const msOrNever = (most: number): number | null => this.#oneOf([null, ms(most)]);
    return anyService({
      start: {
        readiness: this.#oneOf(['exec', 'stay-up', 'report']),
        stayUpMs: ms(5000),
        timeoutMs: msOrNever(10_000),
      },
      restart: {
        on: kinds(),
        onFailedStart: kinds(),
        okExits: [0, 'SIGTERM'],
        neverAfter: this.#oneOf([[], [2]]),
        alwaysAfter: this.#oneOf([[], [0]]),
        delayMs: ms(1000),
        backoffMs: ms(1000),
        backoffFactor: this.#oneOf([1, 2]),
        backoffMaxMs: msOrNever(60_000),
        jitter: this.#oneOf([0, 0.5, 1]),
        resetAfterMs: msOrNever(10_000),
        retries: this.#oneOf([null, 0, 3, 10]),
        withinMs: msOrNever(60_000),
        fatalRetryAfterMs: msOrNever(60_000),
      },
      stop: { graceMs: msOrNever(10_000), reach: reach(), killReach: reach() },
      abort: { graceMs: msOrNever(5000) },
      heartbeat: this.#chance(0.5) ? { everyMs: this.#upTo(10_000) } : null,
    });
  }

  readonly #chance = (share: number): boolean => this.#random() < share;
  readonly #upTo = (most: number): number => this.#random() * most;
  readonly #oneOf = <T>(choices: readonly T[]): T => choices[Math.floor(this.#random() * choices.length)]!;
}
