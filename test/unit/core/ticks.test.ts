import assert from 'node:assert/strict';
import test from 'node:test';
import { nextTickAfter, ticksBetween } from '../../../src/core/ticks.js';

test('a tick comes when the clock passes a multiple of its period, and names that multiple', () => {
  assert.deepEqual(ticksBetween(61, 64.9), []);
  assert.deepEqual(ticksBetween(64.9, 65), [{ type: 'TICK_5', when: 65 }]);
  assert.deepEqual(ticksBetween(3599, 3601), [
    { type: 'TICK_5', when: 3600 },
    { type: 'TICK_60', when: 3600 },
    { type: 'TICK_3600', when: 3600 },
  ]);
});

test('a clock that jumps, forth or back, makes one tick of each type', () => {
  assert.deepEqual(ticksBetween(0, 59), [{ type: 'TICK_5', when: 55 }]);
  assert.deepEqual(ticksBetween(7203, 7199).length, 3);
});

test('only for the ticks that somebody asked for there is a next one', () => {
  assert.equal(nextTickAfter(61, ['TICK']), 65);
  assert.equal(nextTickAfter(65, ['EVENT']), 70);
  assert.equal(nextTickAfter(61, ['TICK_3600', 'TICK_60']), 120);
  assert.equal(nextTickAfter(61, ['PROCESS_STATE']), null);
});
