import assert from 'node:assert/strict';
import test from 'node:test';
import { decodeBytes, encodeBytes, splitNulEnded } from '../../../src/spec/byte-text.js';
import { makeRandom } from '../random.js';

/** What Python 3 answers to bytes.fromhex(hex).decode('utf-8', 'surrogateescape'). */
const pythonsAnswers: readonly (readonly [hex: string, text: string])[] = [
  ['', ''],
  ['61', 'a'],
  ['c3a9', 'é'],
  ['e282ac', '€'],
  ['f09f9880', '😀'],
  ['f48fbfbf', '\u{10ffff}'],
  ['efbbbf61', '\ufeffa'],
  ['efbfbd', '\ufffd'],
  ['efbfbdff', '\ufffd\udcff'],
  ['ff', '\udcff'],
  ['80bf', '\udc80\udcbf'],
  ['61ff62', 'a\udcffb'],
  ['ff00fe', '\udcff\0\udcfe'],
  // Cut short: at the end, and by a byte that does not belong.
  ['c3', '\udcc3'],
  ['e282', '\udce2\udc82'],
  ['f09f98', '\udcf0\udc9f\udc98'],
  ['e228a1', '\udce2(\udca1'],
  ['c3a9f5', 'é\udcf5'],
  // Longer than they need be.
  ['c080', '\udcc0\udc80'],
  ['e08080', '\udce0\udc80\udc80'],
  ['f8888080', '\udcf8\udc88\udc80\udc80'],
  // Surrogates, one of them of the escape range itself, and what lies beyond U+10FFFF.
  ['eda080', '\udced\udca0\udc80'],
  ['edb280', '\udced\udcb2\udc80'],
  ['f4908080', '\udcf4\udc90\udc80\udc80'],
];

/** Bytes at which the rules of UTF-8 change. */
const corners = Buffer.from('00612f3d7f808f909fa0bfc0c1c2c3dfe0e1ecedeeeff0f1f3f4f5f8fcfeff', 'hex');

function assertSurvives(bytes: Buffer): void {
  const text = decodeBytes(bytes);
  if (!encodeBytes(text).equals(bytes)) assert.fail(`${bytes.toString('hex')} came back changed`);
  const throughJson = JSON.parse(Buffer.from(JSON.stringify(text)).toString()) as string;
  if (throughJson !== text) assert.fail(`${bytes.toString('hex')} did not survive JSON`);
}

test('bytes become the text that surrogateescape of Python makes of them, and come back', () => {
  for (const [hex, text] of pythonsAnswers) {
    assert.equal(decodeBytes(Buffer.from(hex, 'hex')), text, hex);
    assert.equal(encodeBytes(text).toString('hex'), hex);
  }
});

test('every string of one or two bytes survives being text, and text in JSON', () => {
  for (let first = 0; first < 256; first += 1) {
    assertSurvives(Buffer.of(first));
    for (let second = 0; second < 256; second += 1) assertSurvives(Buffer.of(first, second));
  }
});

test('every string of three bytes at which the rules of UTF-8 change survives', () => {
  for (const first of corners)
    for (const second of corners)
      for (const third of corners) assertSurvives(Buffer.of(first, second, third));
});

test('long random byte strings survive', () => {
  const random = makeRandom(1);
  for (let round = 0; round < 3000; round += 1) {
    const anyByte = random.oneIn(2);
    const bytes = Array.from({ length: random.below(60) }, () =>
      anyByte ? random.below(256) : corners[random.below(corners.length)]!,
    );
    assertSurvives(Buffer.from(bytes));
  }
});

test('a hundred kilobytes with one bad byte survive', () => {
  for (const place of [0, 50_000, 99_999]) {
    const bytes = Buffer.alloc(100_000, 'é');
    bytes[place] = 0xff;
    assertSurvives(bytes);
  }
});

test('texts that are joined are bytes that are joined, even where the seam makes a character', () => {
  const random = makeRandom(2);
  for (let round = 0; round < 3000; round += 1) {
    const [left, right] = [0, 1].map(() =>
      Buffer.from(Array.from({ length: random.below(4) }, () => corners[random.below(corners.length)]!)),
    ) as [Buffer, Buffer];
    const joined = encodeBytes(decodeBytes(left) + decodeBytes(right));
    assert.equal(joined.toString('hex'), Buffer.concat([left, right]).toString('hex'));
  }
});

test('text that is UTF-8 looks like itself', () => {
  for (const text of ['', 'sleep', '-n', 'Grüße', '日本語', '👩‍💻', 'a\nb\tc', '\u{10ffff}', '\ufffd'])
    assert.equal(decodeBytes(Buffer.from(text)), text);
});

test('a surrogate that stands for no byte becomes the replacement character', () => {
  for (const text of ['\ud800', '\udbff', '\udc00', '\udc7f', '\udd00', '\udfff'])
    assert.equal(encodeBytes(`a${text}b`).toString('hex'), '61efbfbd62', text);
});

test('bytes are read where a view says they are, and not written to', () => {
  const whole = new Uint8Array([0x78, 0xff, 0x61, 0x78]);
  assert.equal(decodeBytes(whole.subarray(1, 3)), '\udcffa');
  assert.deepEqual([...whole], [0x78, 0xff, 0x61, 0x78]);
});

test('a block is split at its NULs, and an end that was cut off is a string too', () => {
  const blocks: readonly (readonly [block: string, strings: readonly string[]])[] = [
    ['', []],
    ['a\0b\0', ['a', 'b']],
    ['a\0b', ['a', 'b']],
    ['\0', ['']],
    ['a\0\0b\0', ['a', '', 'b']],
    ['\0\0', ['', '']],
  ];
  for (const [block, strings] of blocks) assert.deepEqual(splitNulEnded(Buffer.from(block)), strings, block);
  assert.deepEqual(splitNulEnded(Buffer.from([0xff, 0, 0xc3, 0xa9, 0])), ['\udcff', 'é']);
});
