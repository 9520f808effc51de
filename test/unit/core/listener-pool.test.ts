import assert from 'node:assert/strict';
import test from 'node:test';
import { EventDistributor } from '../../../src/core/event-distributor.js';
import { ListenerPool, type PoolEffect } from '../../../src/core/listener-pool.js';
import type { SupervisorEvent } from '../../../src/spec/supervisor-event.js';
import type { Millis } from '../../../src/spec/time.js';
import { millis } from '../../support/any-service.js';
import { makeRandom } from '../random.js';

const tick = (when: number): SupervisorEvent => ({ type: 'TICK_5', when });
const bytes = (text: string): Uint8Array => Buffer.from(text);
const now = millis(0);

/** What is sent, as `listener<-when`, and the lines that are not for debugging. */
const told = (effects: readonly PoolEffect[]): string[] =>
  effects.flatMap((effect) => {
    if (effect.name === 'send')
      return [
        `${effect.listener}<-${effect.event.type === 'TICK_5' ? effect.event.when : effect.event.type}`,
      ];
    return effect.line.level === 'DEBG' ? [] : [`${effect.line.level} ${effect.line.text}`];
  });

function makePool({ listeners = ['a'], bufferSize = 10 } = {}): ListenerPool {
  return new ListenerPool({ name: 'pool', types: ['TICK'], bufferSize, listeners });
}

/** A process that was started, is RUNNING, and has asked for an event. */
function makeReady(pool: ListenerPool, listener: string, at: Millis = now): readonly PoolEffect[] {
  pool.started(listener);
  pool.running(listener, at);
  return pool.heard(listener, bytes('READY\n'), at);
}

test('an event waits until a listener is both RUNNING and ready', () => {
  const pool = makePool();
  assert.deepEqual(told(pool.accept(tick(1), 0, now)), []);
  pool.started('a');
  assert.deepEqual(told(pool.heard('a', bytes('READY\n'), now)), []);
  assert.deepEqual(told(pool.running('a', now)), ['a<-1']);
});

test('the first ready listener in their order gets the event, and each gets one at a time', () => {
  const pool = makePool({ listeners: ['a', 'b'] });
  makeReady(pool, 'b');
  makeReady(pool, 'a');
  assert.deepEqual(told(pool.accept(tick(1), 0, now)), ['a<-1']);
  assert.deepEqual(told(pool.accept(tick(2), 1, now)), ['b<-2']);
  assert.deepEqual(told(pool.accept(tick(3), 2, now)), []);
  assert.deepEqual(told(pool.heard('b', bytes('RESULT 2\nOKREADY\n'), now)), ['b<-3']);
});

test('a full buffer gives up its oldest event, and says so', () => {
  const pool = makePool({ bufferSize: 2 });
  for (const serial of [0, 1]) assert.deepEqual(told(pool.accept(tick(serial), serial, now)), []);
  assert.deepEqual(told(pool.accept(tick(2), 2, now)), [
    'ERRO pool pool event buffer overflowed, discarding event 0',
  ]);
  assert.deepEqual(told(makeReady(pool, 'a')), ['a<-1']);
});

test('a rejected event comes before those that wait, with the numbers that it had', () => {
  const pool = makePool();
  for (const serial of [4, 5]) pool.accept(tick(serial), serial, now);
  const [first] = makeReady(pool, 'a').filter((effect) => effect.name === 'send');
  const again = pool.heard('a', bytes('RESULT 4\nFAILREADY\n'), now);
  assert.deepEqual(told(again), ['WARN a: event was rejected', 'a<-4']);
  assert.deepEqual(
    again.find((effect) => effect.name === 'send'),
    first,
  );
});

test('a rejected event takes a place in the buffer, so a full one gives up its oldest', () => {
  const pool = makePool({ bufferSize: 1 });
  makeReady(pool, 'a');
  for (const serial of [0, 1]) pool.accept(tick(serial), serial, now);
  assert.deepEqual(told(pool.heard('a', bytes('RESULT 4\nFAIL'), now)), [
    'WARN a: event was rejected',
    'ERRO pool pool event buffer overflowed, discarding event 1',
  ]);
});

test('an event that is rejected again and again waits longer and longer, and keeps those behind it in order', () => {
  const pool = makePool();
  makeReady(pool, 'a');
  pool.accept(tick(1), 0, now);
  pool.accept(tick(2), 1, now);
  let at = now;
  const waits: number[] = [];
  for (let round = 0; round < 12; round += 1) {
    const effects = pool.heard('a', bytes('RESULT 4\nFAILREADY\n'), at);
    const due = pool.wakeAt;
    waits.push(due === null ? 0 : due - at);
    if (due === null) assert.equal(told(effects).at(-1), 'a<-1');
    else {
      assert.deepEqual(told(pool.woke(millis(due - 1))), []);
      assert.deepEqual(told(pool.woke(due)), ['a<-1']);
      at = due;
    }
  }
  assert.deepEqual(waits, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000, 10_000]);
  assert.deepEqual(told(pool.heard('a', bytes('RESULT 2\nOKREADY\n'), at)), ['a<-2']);
});

test('nobody is woken for an event that nobody could be given', () => {
  const pool = makePool();
  makeReady(pool, 'a');
  pool.accept(tick(1), 0, now);
  for (const said of ['RESULT 4\nFAILREADY\n', 'RESULT 4\nFAIL']) pool.heard('a', bytes(said), now);
  assert.equal(pool.wakeAt, null);
  pool.heard('a', bytes('READY\n'), now);
  assert.equal(pool.wakeAt, 100);
});

test('an event whose listener dies is given to another one', () => {
  const pool = makePool({ listeners: ['a', 'b'] });
  makeReady(pool, 'a');
  pool.accept(tick(1), 0, now);
  makeReady(pool, 'b');
  assert.deepEqual(told(pool.ended('a', now)), ['b<-1']);
});

test('an event that was accepted before the listener died is not given out again', () => {
  const pool = makePool({ listeners: ['a', 'b'] });
  makeReady(pool, 'a');
  pool.accept(tick(1), 0, now);
  makeReady(pool, 'b');
  pool.stopping('a');
  pool.heard('a', bytes('RESULT 2\nOK'), now);
  assert.deepEqual(told(pool.ended('a', now)), []);
});

test('an event that was accepted is not given out again when its listener then breaks the protocol', () => {
  const pool = makePool({ listeners: ['a', 'b'] });
  makeReady(pool, 'a');
  pool.accept(tick(1), 0, now);
  makeReady(pool, 'b');
  assert.deepEqual(
    told(pool.heard('a', bytes('RESULT 2\nOKnonsense'), now)).filter((line) => line.includes('<-')),
    [],
  );
});

test('who breaks the protocol gets nothing more until it is another process, and its event goes to another', () => {
  const pool = makePool({ listeners: ['a', 'b'] });
  makeReady(pool, 'a');
  makeReady(pool, 'b');
  pool.accept(tick(1), 0, now);
  assert.equal(told(pool.heard('a', bytes('nonsense\n'), now)).at(-1), 'b<-1');
  assert.deepEqual(told(pool.accept(tick(2), 1, now)), []);
  pool.ended('a', now);
  assert.deepEqual(told(makeReady(pool, 'a')), ['a<-2']);
});

test('an event that could not be written goes to another at once, and the deaf one is left alone', () => {
  const pool = makePool({ listeners: ['a', 'b'] });
  makeReady(pool, 'a');
  makeReady(pool, 'b');
  pool.accept(tick(1), 0, now);
  assert.deepEqual(told(pool.unwritable('a', now)), ['b<-1']);
  assert.deepEqual(told(pool.accept(tick(2), 1, now)), []);
  assert.equal(pool.wakeAt, null);
});

test('a listener that is stopping is given nothing', () => {
  const pool = makePool();
  makeReady(pool, 'a');
  pool.stopping('a');
  assert.deepEqual(told(pool.accept(tick(1), 0, now)), []);
});

test('pools share the serials, each counts its own, and what nobody wants uses up none', () => {
  const distributor = new EventDistributor();
  const all = new ListenerPool({ name: 'all', types: ['EVENT'], bufferSize: 10, listeners: ['x'] });
  distributor.add(makePool());
  assert.deepEqual(distributor.publish({ type: 'SUPERVISOR_STATE_CHANGE_RUNNING' }, now), []);
  distributor.publish(tick(1), now);
  distributor.add(all);
  distributor.publish({ type: 'SUPERVISOR_STATE_CHANGE_STOPPING' }, now);
  distributor.publish(tick(2), now);
  const sent = [];
  for (let effects = makeReady(all, 'x'); effects.length > 0; ) {
    sent.push(
      ...effects.flatMap((effect) => (effect.name === 'send' ? [[effect.serial, effect.poolSerial]] : [])),
    );
    if (sent.length === 2) break;
    effects = all.heard('x', bytes('RESULT 2\nOKREADY\n'), now);
  }
  assert.deepEqual(sent, [
    [1, 0],
    [2, 1],
  ]);
  distributor.remove('all');
  distributor.remove('pool');
  assert.deepEqual(distributor.publish(tick(3), now), []);
});

test('whatever listeners do, each event is accepted once and in order, is waiting, or was discarded aloud', () => {
  const random = makeRandom(7);
  const pool = makePool({ listeners: ['a', 'b', 'c'], bufferSize: 5 });
  const held = new Map<string, number>();
  const done: number[] = [];
  let at = now;
  let discarded = 0;
  let next = 0;
  const perform = (effects: readonly PoolEffect[]): void => {
    for (const effect of effects) {
      if (effect.name === 'log') discarded += effect.line.level === 'ERRO' ? 1 : 0;
      else {
        assert.ok(!held.has(effect.listener), 'it has one already');
        assert.ok(![...held.values(), ...done].includes(effect.serial), 'somebody has it already');
        held.set(effect.listener, effect.serial);
      }
    }
  };
  const answer = (listener: string, said: string): void => {
    const serial = held.get(listener);
    held.delete(listener);
    if (said.includes('OK') && serial !== undefined) done.push(serial);
    perform(pool.heard(listener, bytes(said), at));
  };
  const end = (listener: string): void => {
    held.delete(listener);
    perform(pool.ended(listener, at));
    perform(makeReady(pool, listener, at));
  };
  for (const listener of ['a', 'b', 'c']) perform(makeReady(pool, listener));
  for (let round = 0; round < 5000; round += 1) {
    at = millis(at + random.below(50));
    perform(pool.woke(at));
    const listener = random.pick(['a', 'b', 'c']);
    if (random.oneIn(2)) {
      perform(pool.accept(tick(next), next, at));
      next += 1;
    } else if (!held.has(listener)) end(listener);
    else if (random.oneIn(3)) answer(listener, 'RESULT 4\nFAILREADY\n');
    else if (random.oneIn(8)) end(listener);
    else answer(listener, 'RESULT 2\nOKREADY\n');
  }
  for (let round = 0; round < 20; round += 1) {
    for (const listener of [...held.keys()]) answer(listener, 'RESULT 2\nOKREADY\n');
    at = millis(at + 20_000);
    perform(pool.woke(at));
  }
  assert.equal(done.length + discarded, next);
});
