import assert from 'node:assert/strict';
import test from 'node:test';
import { ResponseReader } from '../../../src/control/http-response.js';

interface Read {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly isComplete: boolean;
  readonly keepsAlive: boolean;
}

/** In pieces of the given size, so that every border is cut somewhere. */
function read(text: string, size: number, ends = false): Read {
  const heads: { status: number; type: string }[] = [];
  const pieces: Buffer[] = [];
  const reader = new ResponseReader({
    head: ({ status, type }) => heads.push({ status, type }),
    body: (bytes) => pieces.push(Buffer.from(bytes)),
  });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
  if (ends) reader.finish();
  return {
    ...(heads[0] ?? { status: 0, type: '' }),
    body: Buffer.concat(pieces).toString(),
    isComplete: reader.isComplete,
    keepsAlive: reader.keepsAlive,
  };
}

const good: readonly (readonly [promise: string, text: string, ends: boolean, expected: Partial<Read>])[] = [
  [
    'a length says where the body ends',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/XML; charset=x\r\n\r\nhello',
    false,
    { status: 200, type: 'text/xml', body: 'hello', isComplete: true, keepsAlive: true },
  ],
  [
    'an empty body is complete at once',
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    false,
    { isComplete: true },
  ],
  [
    'without a length the connection ends it',
    'HTTP/1.0 200 OK\r\n\r\nhello',
    true,
    { body: 'hello', isComplete: true, keepsAlive: false },
  ],
  [
    'a body that is cut off is not complete',
    'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello',
    true,
    { body: 'hello', isComplete: false },
  ],
  [
    'chunks are put together, their extensions and trailers dropped',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n 0123456\r\n\r\n0\r\nX: y\r\n\r\n',
    false,
    { body: 'hello 0123456\r\n', isComplete: true },
  ],
  [
    'a server may close after its answer',
    'HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx',
    false,
    { status: 401, keepsAlive: false, isComplete: true },
  ],
];
for (const [promise, text, ends, expected] of good)
  test(promise, () => {
    for (const size of [1, 2, 3, 7, 1000]) {
      const found = read(text, size, ends);
      for (const [key, value] of Object.entries(expected))
        assert.equal(found[key as keyof Read], value, `${key} ${size}`);
    }
  });

test('what is no response is refused', () => {
  for (const text of [
    'SSH-2.0-OpenSSH\r\n\r\n',
    'HTTP/2 200\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n123456789\r\n',
    'x'.repeat(70_000),
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'1'.repeat(70_000)}`,
  ])
    assert.throws(() => read(text, 1000), text.slice(0, 60));
});
