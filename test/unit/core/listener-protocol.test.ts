import assert from 'node:assert/strict';
import test from 'node:test';
import {
  hear,
  type ListenerEffect,
  type ListenerState,
  listenerBusy,
  listenerStarted,
} from '../../../src/core/listener-protocol.js';

/** The state it comes to, and what it makes happen; lines of the log that are for debugging left away. */
function listen(from: ListenerState, ...pieces: readonly (string | Uint8Array)[]): [string, ...string[]] {
  let state = from;
  const told: string[] = [];
  for (const piece of pieces) {
    const turn = hear(state, Buffer.from(piece), 'x');
    state = turn.state;
    told.push(...turn.effects.map(wordsOf).filter((words) => words !== ''));
  }
  return [state.name, ...told];
}

function wordsOf(effect: ListenerEffect): string {
  if (effect.name === 'result') return effect.accepted ? 'accepted' : 'rejected';
  if (effect.name !== 'log') return effect.name;
  const { level, text } = effect.line;
  return level === 'DEBG' ? '' : `${level} ${text}`;
}

const UNKNOWN =
  'WARN x: has entered the UNKNOWN state and will no longer receive events, this usually indicates the process ' +
  'violated the eventlistener protocol';

test('READY asks for an event, however its bytes come', () => {
  assert.deepEqual(listen(listenerStarted, 'READY\n'), ['READY', 'ready']);
  assert.deepEqual(listen(listenerStarted, 'RE', 'A', 'DY', '\n'), ['READY', 'ready']);
});

test('what is no READY is judged when it is long enough to be one', () => {
  assert.deepEqual(listen(listenerStarted, 'hello'), ['ACKNOWLEDGED']);
  assert.deepEqual(listen(listenerStarted, 'hello', '!'), ['UNKNOWN', UNKNOWN, 'violation']);
});

test('who speaks before the event has come breaks the protocol', () => {
  assert.deepEqual(listen(listenerStarted, 'READY\nR'), ['UNKNOWN', 'ready', UNKNOWN, 'violation']);
  assert.deepEqual(listen(listenerStarted, 'READY\n', '\n'), ['UNKNOWN', 'ready', UNKNOWN, 'violation']);
});

test('the result OK accepts the event, everything else rejects it', () => {
  const rejected = ['ACKNOWLEDGED', 'WARN x: event was rejected', 'rejected'];
  assert.deepEqual(listen(listenerBusy, 'RESULT 2\nOK'), ['ACKNOWLEDGED', 'accepted']);
  assert.deepEqual(listen(listenerBusy, 'RESULT 4\nFAIL'), rejected);
  assert.deepEqual(listen(listenerBusy, 'RESULT 2\nok'), rejected);
  assert.deepEqual(listen(listenerBusy, 'RESULT 3\nOK\n'), rejected);
  assert.deepEqual(listen(listenerBusy, 'RESULT 0\n'), rejected);
});

test('a result and the next READY may come at once, or byte by byte', () => {
  const said = 'RESULT 2\nOKREADY\n';
  assert.deepEqual(listen(listenerBusy, said), ['READY', 'accepted', 'ready']);
  assert.deepEqual(listen(listenerBusy, ...said), ['READY', 'accepted', 'ready']);
});

test('a result may hold what looks like another one', () => {
  assert.deepEqual(listen(listenerBusy, 'RESULT 9\nRESULT 2\nREADY\n'), [
    'READY',
    'WARN x: event was rejected',
    'rejected',
    'ready',
  ]);
});

test('of the result line only the number counts, which may look as Python lets it', () => {
  for (const line of [
    'RESULT 2',
    'result 2',
    '.......2',
    'RESULT   2 ',
    'RESULT +2',
    'RESULT 0_2',
    'RESULT 2\r',
  ])
    assert.deepEqual(listen(listenerBusy, `${line}\nOK`), ['ACKNOWLEDGED', 'accepted'], line);
});

test('a result line without a number that a result can have breaks the protocol', () => {
  for (const line of [
    'RESULT two',
    'RESULT',
    '',
    'RESULT 2 2',
    'RESULT -2',
    'RESULT 1e3',
    `RESULT ${'9'.repeat(30)}`,
  ])
    assert.deepEqual(
      listen(listenerBusy, `${line}\nOK`),
      ['UNKNOWN', `WARN x: bad result line: '${line}'`, UNKNOWN, 'violation'],
      line,
    );
});

test('a bad result line that is no text is shown', () => {
  const [, line] = listen(listenerBusy, Buffer.from('RESULT \xff\n', 'latin1'));
  assert.equal(line, String.raw`WARN x: bad result line: 'Undecodable: b'RESULT \xff''`);
});

test('a result line that does not end, and a result of any length, cost no memory', () => {
  const [name] = listen(listenerBusy, ...Array<string>(100).fill('x'.repeat(100)));
  assert.equal(name, 'UNKNOWN');
  let state: ListenerState = hear(listenerBusy, Buffer.from('RESULT 1000000000\n'), 'x').state;
  for (let round = 0; round < 10; round += 1) state = hear(state, Buffer.alloc(1_000_000), 'x').state;
  assert.ok(JSON.stringify(state).length < 200);
});

test('after a violation nothing counts any more', () => {
  assert.deepEqual(listen({ name: 'UNKNOWN' }, 'READY\n', 'RESULT 2\nOK'), ['UNKNOWN']);
});

test('the buffer that was passed may be used again', () => {
  const buffer = Buffer.from('REA');
  const { state } = hear(listenerStarted, buffer, 'x');
  buffer.fill('?');
  assert.equal(hear(state, Buffer.from('DY\n'), 'x').state.name, 'READY');
});
