import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LINE_BYTES, type LineContext, takeLines } from '../../../src/core/log-lines.js';
import type { LineFormat } from '../../../src/spec/service-spec.js';
import { makeRandom, type Random } from '../random.js';

const TIME = '2026-01-02T03:04:05.678Z';

const context = (format: LineFormat, changes: Partial<LineContext> = {}): LineContext => ({
  format,
  stream: 'stdout',
  time: TIME,
  roomBytes: Number.POSITIVE_INFINITY,
  atEnd: false,
  continues: false,
  ...changes,
});

test('each line comes after the time', () => {
  const { output, consumed, continues } = takeLines(Buffer.from('one\n\ntwo\nthr'), context('timestamps'));
  assert.equal(output.toString(), `${TIME} one\n${TIME} \n${TIME} two\n`);
  assert.deepEqual([consumed, continues], [9, false]);
});

test('each line is a JSON object of its own', () => {
  const { output, consumed } = takeLines(Buffer.from('say "hi"\\\t\u00e9\r\nrest'), context('json-lines'));
  assert.equal(
    output.toString(),
    `{"time":"${TIME}","stream":"stdout","text":"say \\"hi\\"\\\\\\t\u00e9\\r"}\n`,
  );
  assert.equal(consumed, 14);
});

test('a line without its newline is held back until the end, and then gets one', () => {
  for (const format of ['timestamps', 'json-lines'] as const) {
    const input = Buffer.from('rest');
    assert.equal(takeLines(input, context(format)).consumed, 0);
    const { output, consumed } = takeLines(input, context(format, { atEnd: true }));
    assert.match(output.toString(), /^[^\n]*rest[^\n]*\n$/);
    assert.equal(consumed, 4);
    assert.equal(takeLines(Buffer.alloc(0), context(format, { atEnd: true })).output.length, 0);
  }
});

test('no line is begun when there is no room, but one is always taken', () => {
  const input = Buffer.from('one\ntwo\nthree\n');
  assert.equal(takeLines(input, context('timestamps', { roomBytes: 1 })).consumed, 4);
  assert.equal(takeLines(input, context('timestamps', { roomBytes: 30 })).consumed, 8);
});

test('with timestamps every byte comes out as it went in, UTF-8 or not', () => {
  const input = Buffer.from([...Array(256).keys()].filter((byte) => byte !== 10).concat(10));
  const { output } = takeLines(input, context('timestamps'));
  assert.deepEqual(output.subarray(TIME.length + 1), input);
});

test('an overlong line goes in pieces, which in JSON say so and cut no character in two', () => {
  const text = `a${'\u20ac'.repeat(LINE_BYTES)}`;
  const taken = takeLines(Buffer.from(`${text}\nnext\n`), context('json-lines'));
  const objects = taken.output
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { text: string; partial?: true });
  assert.equal(objects.at(-1)!.text, 'next');
  assert.equal(
    objects
      .slice(0, -1)
      .map((object) => object.text)
      .join(''),
    text,
  );
  assert.deepEqual([...new Set(objects.slice(0, -2).map((object) => object.partial))], [true]);
  assert.deepEqual(
    objects.slice(-2).map((object) => object.partial),
    [undefined, undefined],
  );
  for (const object of objects) assert.ok(Buffer.byteLength(object.text) <= LINE_BYTES);
});

/** What went in, from what came out. */
const originals: Readonly<Record<LineFormat, (output: string) => string>> = {
  timestamps: (output) => output.replaceAll(`${TIME} `, ''),
  'json-lines': (output) =>
    output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { text: string; partial?: true })
      .map(({ text, partial }) => (partial ? text : `${text}\n`))
      .join(''),
};

function anyLines(random: Random): string {
  let text = '';
  for (let line = random.below(8); line > 0; line -= 1) {
    const length = random.oneIn(4) ? LINE_BYTES - 2 + random.below(5) : random.below(40);
    text += `${random.pick(['x', '\u00e9', '\u20ac', '\u{1f600}']).repeat(length)}\n`;
  }
  return text;
}

test('however the input is cut into reads, and the output into takes, the text is the same', () => {
  const random = makeRandom(22);
  for (let round = 0; round < 200; round += 1) {
    const format = random.pick<LineFormat>(['timestamps', 'json-lines']);
    const text = anyLines(random);
    const input = Buffer.from(text);
    let output = '';
    let continues = false;
    let end = 0;
    for (let start = 0; start < input.length; ) {
      end = Math.min(input.length, Math.max(start, end) + 1 + random.below(2 * LINE_BYTES));
      const roomBytes = 1 + random.below(200_000);
      const taken = takeLines(input.subarray(start, end), context(format, { continues, roomBytes }));
      output += taken.output.toString();
      start += taken.consumed;
      ({ continues } = taken);
      if (taken.consumed === 0) assert.ok(end < input.length, 'whole lines were left');
    }
    assert.equal(originals[format](output), text, `round ${round}`);
  }
});
