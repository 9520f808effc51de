import assert from 'node:assert/strict';
import test from 'node:test';
import { Capture, type Captured } from '../../../src/core/capture.js';
import { makeRandom } from '../random.js';

const BEGIN = '<!--XSUPERVISOR:BEGIN-->';
const END = '<!--XSUPERVISOR:END-->';

/** All that comes out, of each kind; neighbours of one kind joined, for where the pieces are cut is nobody's promise. */
function capture(maxBytes: number, ...pieces: readonly string[]): string[] {
  const stream = new Capture(maxBytes);
  return told([...pieces.flatMap((piece) => [...stream.push(Buffer.from(piece))]), ...stream.end()]);
}

function told(all: readonly Captured[]): string[] {
  const texts: string[] = [];
  let last = '';
  for (const { kind, bytes } of all) {
    const text = Buffer.from(bytes).toString();
    if (kind === last && kind !== 'message') texts.push(texts.pop() + text);
    else texts.push(`${kind}: ${text}`);
    last = kind;
  }
  return texts;
}

test('what is between the tokens is a message, the rest is for the log', () => {
  assert.deepEqual(capture(100, `a${BEGIN}one${END}b${BEGIN}two${END}${BEGIN}${END}c`), [
    'log: a',
    'within: one',
    'message: one',
    'log: b',
    'within: two',
    'message: two',
    'message: ',
    'log: c',
  ]);
});

test('tokens may be cut anywhere', () => {
  const text = `a<!--XSUPER${BEGIN}x<!--${END}b<`;
  const expected = ['log: a<!--XSUPER', 'within: x<!--', 'message: x<!--', 'log: b<'];
  for (let cut = 0; cut <= text.length; cut += 1)
    assert.deepEqual(capture(100, text.slice(0, cut), text.slice(cut)), expected, String(cut));
  assert.deepEqual(capture(100, ...text), expected);
});

test('the first token within a message, and the second outside of one, are text', () => {
  assert.deepEqual(capture(100, `${END}${BEGIN}${BEGIN}${END}`), [
    `log: ${END}`,
    `within: ${BEGIN}`,
    `message: ${BEGIN}`,
  ]);
});

test('short output is not held back, but for what may begin a token', () => {
  const stream = new Capture(100);
  const push = (text: string): string =>
    stream
      .push(Buffer.from(text))
      .map(({ bytes }) => Buffer.from(bytes))
      .join('');
  assert.equal(push('hi'), 'hi');
  assert.equal(push('hi <!--X'), 'hi ');
  assert.equal(push('<!--X'), '<!--X');
  assert.equal(push('Y'), '<!--XY');
});

test('what has no token in it is not copied', () => {
  const piece = Buffer.from('plain output, of a program that captures nothing');
  const [captured] = new Capture(100).push(piece);
  assert.equal(captured?.bytes.buffer, piece.buffer);
  assert.equal(captured?.bytes.length, piece.length);
});

test('a message keeps its newest bytes, in however many pieces it came', () => {
  const random = makeRandom(3);
  const digits = Array.from({ length: 1000 }, (_, index) => String(index % 10)).join('');
  for (const max of [1, 7, 64, 999, 1000, 1001]) {
    const text = `${BEGIN}${digits}${END}`;
    const pieces: string[] = [];
    for (let start = 0; start < text.length; ) {
      const end = start + 1 + random.below(90);
      pieces.push(text.slice(start, end));
      start = end;
    }
    assert.equal(capture(max, ...pieces).at(-1), `message: ${digits.slice(-max)}`);
    assert.equal(capture(max, text).at(-1), `message: ${digits.slice(-max)}`);
  }
});

test('a message that the end of the stream cuts off is not lost', () => {
  assert.deepEqual(capture(100, `a${BEGIN}half <!--X`), [
    'log: a',
    'within: half <!--X',
    'unfinished: half <!--X',
  ]);
});

test('the buffer that was passed may be used again', () => {
  const stream = new Capture(100);
  const buffer = Buffer.from(`${BEGIN}one<!--`);
  stream.push(buffer);
  buffer.fill('?');
  const message = stream.push(Buffer.from(`-${END}`)).find(({ kind }) => kind === 'message');
  assert.equal(Buffer.from(message!.bytes).toString(), 'one<!---');
});

test('a successor that is given the bytes which are needed again goes on as if nothing had happened', () => {
  const text = Buffer.from(`a${BEGIN}0123456789 <!--X${END}b<!--XSUPER${BEGIN}x${END}c`);
  const whole = capture(5, text.toString());
  for (let cut = 0; cut <= text.length; cut += 1) {
    const [first, second] = [new Capture(5), new Capture(5)];
    const before = first.push(text.subarray(0, cut));
    second.resume(first.memory(), text.subarray(cut - first.needs, cut));
    const after = [...second.push(text.subarray(cut)), ...second.end()];
    assert.deepEqual(told([...before, ...after]), whole, String(cut));
  }
});

test('what passes is what would be logged at once and as it is', () => {
  for (const [before, piece, passes] of [
    ['', 'plain <!-- text', true],
    ['', `a${BEGIN}b`, false],
    ['', 'a<!--XSUPER', false],
    ['a<!--', 'plain', false],
    [BEGIN, 'within', false],
    [`${BEGIN}within${END}`, END, true],
  ] as const) {
    const stream = new Capture(100);
    stream.push(Buffer.from(before));
    assert.equal(stream.passes(Buffer.from(piece)), passes, before + piece);
  }
});
