import assert from 'node:assert/strict';
import test from 'node:test';
import { eventTypes, isSubscribed, parseEventTypes } from '../../../src/spec/event-types.js';

test('who asks for a type gets it and all that descend from it, and nothing else', () => {
  assert.ok(eventTypes.every((type) => isSubscribed(['EVENT'], type)));
  assert.ok(isSubscribed(['TICK_60', 'PROCESS_STATE'], 'PROCESS_STATE_FATAL'));
  assert.ok(isSubscribed(['PROCESS_LOG_STDOUT'], 'PROCESS_LOG_STDOUT'));
  assert.equal(isSubscribed(['PROCESS_STATE_EXITED'], 'PROCESS_STATE'), false);
  assert.equal(isSubscribed(['PROCESS_LOG'], 'PROCESS_COMMUNICATION_STDOUT'), false);
  assert.equal(isSubscribed([], 'TICK_5'), false);
});

test('a list of types is read in either case, with blanks, each type once', () => {
  assert.deepEqual(parseEventTypes(' tick_60,PROCESS_STATE , Tick_60'), {
    types: ['PROCESS_STATE', 'TICK_60'],
    unknown: [],
  });
  assert.deepEqual(parseEventTypes(''), { types: [], unknown: [] });
});

test('what is no type is told apart, a name between two commas and one that every object has too', () => {
  assert.deepEqual(parseEventTypes('TICK,,PROCES_STATE,constructor'), {
    types: ['TICK'],
    unknown: ['', 'PROCES_STATE', 'CONSTRUCTOR'],
  });
});
