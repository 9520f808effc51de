import assert from 'node:assert/strict';
import test from 'node:test';
import { readTokens, splitShellWords } from '../../../src/formats/shlex.js';

const splits: readonly (readonly [text: string, words: readonly string[]])[] = [
  ['', []],
  [' a  b\tc\nd ', ['a', 'b', 'c', 'd']],
  [`sh -c 'a "b" \\c'`, ['sh', '-c', 'a "b" \\c']],
  ['"a \\"b\\" \\c"', ['a "b" \\c']],
  ['a\\ b \\"', ['a b', '"']],
  [`"" ''`, ['', '']],
  [`a"b c"d'e'`, ['ab cde']],
  ['a # b; c | d $e *', ['a', '#', 'b;', 'c', '|', 'd', '$e', '*']],
];

for (const [text, words] of splits)
  test(`${JSON.stringify(text)} is ${words.length} words`, () =>
    assert.deepEqual(splitShellWords(text), { words }));

test('an open quote and a last backslash are faults', () => {
  assert.deepEqual(splitShellWords(`it's`), { fault: 'No closing quotation' });
  assert.deepEqual(splitShellWords('"a\\"'), { fault: 'No closing quotation' });
  assert.deepEqual(splitShellWords('a\\'), { fault: 'No escaped character' });
});

const tokens: readonly (readonly [text: string, words: readonly string[]])[] = [
  ['A=1,B=x/y', ['A', '=', '1', ',', 'B', '=', 'x/y']],
  [`A="x, y" ,B='z'`, ['A', '=', '"x, y"', ',', 'B', '=', "'z'"]],
  ['A=b"c d', ['A', '=', 'b"c', 'd']],
  ['A=%h', ['A', '=', '%', 'h']],
  ['A=b#c\nd', ['A', '=', 'bd']],
  ['A=b # c', ['A', '=', 'b']],
  ['ü=é', ['ü', '=', 'é']],
];

for (const [text, words] of tokens)
  test(`${JSON.stringify(text)} is ${words.length} tokens`, () =>
    assert.deepEqual(readTokens(text, '/'), { words }));
