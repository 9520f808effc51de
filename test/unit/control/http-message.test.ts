import assert from 'node:assert/strict';
import test from 'node:test';
import { errorBody, formatHead, HttpError, parseHead } from '../../../src/control/http-message.js';

const lines = (...parts: readonly string[]): string => parts.join('\r\n');

test('a head is taken apart', () => {
  const head = parseHead(
    lines('POST //a%20b/%C3%A4?x=%3D&y#z HTTP/1.1', 'Host:  h ', 'X:1', 'x: 2', 'Content-Length: 7'),
  );
  assert.deepEqual([head.method, head.path, head.query, head.version], ['POST', '/a b/ä', 'x=%3D&y', '1.1']);
  assert.deepEqual(
    [...head.headers],
    [
      ['host', 'h'],
      ['x', '1, 2'],
      ['content-length', '7'],
    ],
  );
  assert.equal(head.bodyBytes, 7);
  assert.equal(parseHead('GET http://h:1/p?q HTTP/1.0').path, '/p');
});

test('a connection is kept as medusa keeps it', () => {
  for (const [version, connection, kept] of [
    ['1.1', 'X: y', true],
    ['1.1', 'Connection: close', false],
    ['1.1', 'connection: Keep-Alive, CLOSE', false],
    ['1.0', 'X: y', false],
    ['1.0', 'Connection: Keep-Alive', true],
  ] as const)
    assert.equal(parseHead(lines(`GET / HTTP/${version}`, connection)).keepAlive, kept, connection);
});

test('what two readers could read in two ways is refused', () => {
  for (const [status, ...head] of [
    [400, ''],
    [400, 'garbage'],
    [400, 'GET /'],
    [400, 'GET / HTTP/2.0'],
    [400, 'GET  / HTTP/1.1'],
    [400, 'GET / HTTP/1.1 '],
    [400, 'G\u00e4T / HTTP/1.1'],
    [400, 'GET /% HTTP/1.1'],
    [400, 'GET /%ff HTTP/1.1'],
    [400, 'GET / HTTP/1.1', 'no colon'],
    [400, 'GET / HTTP/1.1', 'Host : x'],
    [400, 'GET / HTTP/1.1', 'A: 1', ' folded'],
    [400, 'GET / HTTP/1.1', 'A: 1\n', 'B: 2'],
    [400, 'GET / HTTP/1.1', 'A: \0'],
    [400, 'POST / HTTP/1.1', 'Content-Length: 1', 'Content-Length: 2'],
    [400, 'POST / HTTP/1.1', 'Content-Length: -1'],
    [400, 'POST / HTTP/1.1', 'Content-Length: 1, 1'],
    [400, 'POST / HTTP/1.1', 'Content-Length: 0x10'],
    [400, 'POST / HTTP/1.1', `Content-Length: ${'9'.repeat(30)}`],
    [400, 'GET / HTTP/1.1', ...Array.from({ length: 101 }, (_, index) => `A${index}: 1`)],
    [411, 'POST / HTTP/1.1', 'Transfer-Encoding: chunked', 'Content-Length: 5'],
  ] as const)
    assert.throws(
      () => parseHead(lines(...head)),
      (error) => error instanceof HttpError && error.status === status,
      head[0],
    );
});

test('no value of a header begins another header', () => {
  const head = formatHead('1.1', 301, new Date(0), [['Location', 'http://a/\r\nSet-Cookie: x\n\0']]);
  assert.equal(
    head,
    'HTTP/1.1 301 Moved Permanently\r\nServer: Medusa/1.12\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n' +
      'Location: http://a/??Set-Cookie: x??\r\n\r\n',
  );
});

test('the page of a status is the one of medusa, byte for byte', () => {
  assert.equal(errorBody(404).length, 134);
  assert.match(
    errorBody(411),
    /^<head>\r\n<title>Error response.*<p>Error code 411\.\r\n<p>Message: Length Required\.\r\n<\/body>\r\n$/s,
  );
});
