import assert from 'node:assert/strict';
import test from 'node:test';
import { repr, reprOfBytes, textOrRepr } from '../../../src/spec/python-text.js';

test('bytes look as Python shows them', () => {
  for (const [bytes, shown] of [
    ['web\n\r\t\\', String.raw`b'web\n\r\t\\'`],
    ["it's", `b"it's"`],
    [`"it's"`, String.raw`b'"it\'s"'`],
    ['\x00\x1f\x7f ~', String.raw`b'\x00\x1f\x7f ~'`],
    ['é', String.raw`b'\xc3\xa9'`],
  ] as const)
    assert.equal(reprOfBytes(Buffer.from(bytes)), shown);
});

test('text looks as Python shows it: letters of all scripts as they are, what cannot be seen by its number', () => {
  for (const [text, shown] of [
    ['web', `'web'`],
    ["it's", `"it's"`],
    ['größe ✓ 🙂', `'größe ✓ 🙂'`],
    ['\u00a0\u0085', String.raw`'\xa0\x85'`],
    ['\u200b\u3000', String.raw`'\u200b\u3000'`],
    ['\u{e0001}', String.raw`'\U000e0001'`],
  ] as const)
    assert.equal(repr(text), shown);
});

test('bytes that are UTF-8 stay text, others are shown', () => {
  assert.equal(textOrRepr(Buffer.from('größe \ufffd')), 'größe \ufffd');
  assert.equal(textOrRepr(Buffer.of(0x61, 0xff)), String.raw`Undecodable: b'a\xff'`);
});
