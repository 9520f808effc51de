// The whole matrix of the three streams, measured with nohup of GNU coreutils 9.1.
import assert from 'node:assert/strict';
import test from 'node:test';
import { type NohupPlan, planNohup, type StreamKind } from '../../../src/core/nohup-plan.js';

const kinds: Readonly<Record<string, StreamKind>> = { T: 'terminal', F: 'other', C: 'closed' };

const IGNORE = 'ignoring input';
const APPEND = 'appending output to FILE';
const JOIN = 'redirecting stderr to stdout';

/**
 * Streams 0, 1, 2 (Terminal, File or anything else, Closed), then: where 0, 1 and 2 go, and the notices. A dash
 * is "as it was". Where 2 is closed and there is a notice, nohup gives up with 125, nohup.out being there.
 */
const rows: readonly (readonly [
  streams: string,
  stdin: '-' | 'null',
  stdout: '-' | 'nohup.out',
  stderr: '-' | 'nohup.out' | 'stdout',
  ...notices: string[],
])[] = [
  ['T T T', 'null', 'nohup.out', 'stdout', `${IGNORE} and ${APPEND}`],
  ['T T F', 'null', 'nohup.out', '-', `${IGNORE} and ${APPEND}`],
  ['T T C', 'null', 'nohup.out', '-', `${IGNORE} and ${APPEND}`],
  ['T F T', 'null', '-', 'stdout', `${IGNORE} and ${JOIN}`],
  ['T F F', 'null', '-', '-', IGNORE],
  ['T F C', 'null', '-', '-', IGNORE],
  ['T C T', 'null', '-', 'nohup.out', `${IGNORE} and ${APPEND}`, `${IGNORE} and ${JOIN}`],
  ['T C F', 'null', '-', '-', IGNORE],
  ['T C C', 'null', '-', '-', IGNORE],
  ['F T T', '-', 'nohup.out', 'stdout', APPEND],
  ['F T F', '-', 'nohup.out', '-', APPEND],
  ['F T C', '-', 'nohup.out', '-', APPEND],
  ['F F T', '-', '-', 'stdout', JOIN],
  ['F F F', '-', '-', '-'],
  ['F F C', '-', '-', '-'],
  ['F C T', '-', '-', 'nohup.out', APPEND, JOIN],
  ['F C F', '-', '-', '-'],
  ['F C C', '-', '-', '-'],
  ['C T T', '-', 'nohup.out', 'stdout', APPEND],
  ['C T F', '-', 'nohup.out', '-', APPEND],
  ['C T C', '-', 'nohup.out', '-', APPEND],
  ['C F T', '-', '-', 'stdout', JOIN],
  ['C F F', '-', '-', '-'],
  ['C F C', '-', '-', '-'],
  ['C C T', '-', '-', 'nohup.out', APPEND, JOIN],
  ['C C F', '-', '-', '-'],
  ['C C C', '-', '-', '-'],
];

test('the table has a row for each of the 27 cases', () => {
  assert.equal(new Set(rows.map(([streams]) => streams)).size, 27);
});

for (const [streams, stdin, stdout, stderr, ...notices] of rows)
  test(`nohup with ${streams}`, () => {
    const [zero, one, two] = streams.split(' ').map((letter) => kinds[letter]!) as [
      StreamKind,
      StreamKind,
      StreamKind,
    ];
    const expected: NohupPlan = {
      closeInput: stdin === 'null',
      openOutput: stdout === 'nohup.out' ? 'stdout' : stderr === 'nohup.out' ? 'stderr' : null,
      joinError: stderr !== '-',
      notices,
    };
    assert.deepEqual(planNohup(zero, one, two), expected);
  });
