import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromPlain, toPlain } from '../../../src/spec/plain-data.js';

test('bytes survive JSON wherever they stand, whatever they are', () => {
  const value = {
    data: Uint8Array.of(0, 10, 195, 169, 255),
    list: [new Uint8Array(), 'text', null, 7, true],
    nested: { deeper: [{ data: Uint8Array.of(128) }] },
  };
  assert.deepEqual(fromPlain(JSON.parse(JSON.stringify(toPlain(value)))), value);
});
