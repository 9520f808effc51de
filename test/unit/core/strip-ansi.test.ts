import assert from 'node:assert/strict';
import test from 'node:test';
import { AnsiStripper } from '../../../src/core/strip-ansi.js';

/** What is left of the pieces, joined. */
function strip(...pieces: readonly string[]): string {
  const stripper = new AnsiStripper();
  const parts = pieces.map((piece) => Buffer.from(stripper.strip(Buffer.from(piece))));
  return Buffer.concat([...parts, stripper.end()]).toString();
}

test('sequences are taken out, and text is left as it is', () => {
  for (const [text, left] of [
    ['plain', 'plain'],
    ['', ''],
    ['\x1b[1;31mred\x1b[0m and \x1b[Kplain', 'red and plain'],
    ['\x1b[2J\x1b[H\x1b[?25l', ''],
    ['\x1b[1Gcolumn', 'column'],
    ['größe\x1b[m ✓', 'größe ✓'],
  ] as const)
    assert.equal(strip(text), left);
});

test('a sequence may be cut anywhere', () => {
  const text = 'a\x1b[1;31mred\x1b[0m\x1b[Kb\x1bc\x1b';
  for (let cut = 0; cut <= text.length; cut += 1)
    assert.equal(strip(text.slice(0, cut), text.slice(cut)), 'aredb\x1bc\x1b', String(cut));
  assert.equal(strip(...text), 'aredb\x1bc\x1b');
});

test('a sequence that is broken off takes nothing with it', () => {
  assert.equal(strip('a\x1b[31\nnext line'), 'a\nnext line');
  assert.equal(strip('a\x1b[\x1b[0mb'), 'ab');
  assert.equal(strip('\x1b[31öße'), 'öße');
});

test('what has no ESC in it is not copied', () => {
  const piece = Buffer.from('plain');
  assert.equal(new AnsiStripper().strip(piece), piece);
});

test('a successor goes on in the middle of a sequence', () => {
  const text = Buffer.from('a\x1b[1;31mred\x1b[0m\x1bc\x1b');
  for (let cut = 0; cut <= text.length; cut += 1) {
    const [first, second] = [new AnsiStripper(), new AnsiStripper()];
    const before = first.strip(text.subarray(0, cut));
    second.resume(first.at);
    const parts = [before, second.strip(text.subarray(cut)), second.end()];
    assert.equal(Buffer.concat(parts).toString(), 'ared\x1bc\x1b', String(cut));
  }
});
