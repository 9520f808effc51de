import assert from 'node:assert/strict';
import test from 'node:test';
import { LineMatcher } from '../../../src/core/line-matcher.js';

/** What each piece makes it find. */
const feed = (pattern: RegExp, ...pieces: readonly (string | Uint8Array)[]): (string | null)[] => {
  const matcher = new LineMatcher(pattern);
  return pieces.map((piece) => matcher.find(Buffer.from(piece)));
};

test('a line is found whole, wherever in it the pattern is', () => {
  assert.deepEqual(feed(/on port \d+/, 'a\nlistening on port 80.\nb\n'), ['listening on port 80.']);
});

test('a line that is not ended yet is not a line yet', () => {
  assert.deepEqual(feed(/^ready$/, 'ready', '-made\n', 'rea', 'dy\r', '\n'), [
    null,
    null,
    null,
    null,
    'ready',
  ]);
});

test('bytes of one character may come in two pieces', () => {
  const bytes = Buffer.from('größe ✓\n');
  for (let cut = 1; cut < bytes.length; cut += 1)
    assert.equal(feed(/ß.*✓$/, bytes.subarray(0, cut), bytes.subarray(cut)).at(-1), 'größe ✓', String(cut));
});

test('bytes that are no text do not stand in the way', () => {
  assert.deepEqual(feed(/up$/, Buffer.of(0xff, 0x00, 0x80, 10), 'up\n'), [null, 'up']);
});

test('after a line was found the search goes on behind it', () => {
  const matcher = new LineMatcher(/x/g);
  assert.equal(matcher.find(Buffer.from('x1\nx2\n')), 'x1');
  assert.equal(matcher.find(Buffer.from('')), 'x2');
  assert.equal(matcher.find(Buffer.from('')), null);
});

test('a reused buffer does not change what was read before', () => {
  const matcher = new LineMatcher(/^abc$/);
  const buffer = Buffer.from('ab');
  matcher.find(buffer);
  buffer.fill('z');
  assert.equal(matcher.find(Buffer.from('c\n')), 'abc');
});

test('a line that never ends is looked at in parts, and memory stays bounded', () => {
  const matcher = new LineMatcher(/needle/);
  const noise = Buffer.alloc(50_000, 'x');
  for (let piece = 0; piece < 200; piece += 1) assert.equal(matcher.find(noise), null);
  assert.match(matcher.find(Buffer.concat([Buffer.from('needle'), noise, noise])) ?? '', /needle/);
});

test('the line after one that was looked at in parts is found by itself', () => {
  assert.equal(feed(/^ready$/, Buffer.alloc(200_000, 'x'), '\nready\n').at(-1), 'ready');
});
