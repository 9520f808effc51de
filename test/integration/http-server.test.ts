// The server of the control socket keeps answering, whatever its clients do.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import test from 'node:test';
import { HttpServer } from '../../src/control/http-server.js';
import { makeSupervisorHandler } from '../../src/control/supervisor-handler.js';
import { encodeCall } from '../../src/formats/xml-rpc.js';
import { ask, get, Journal, makeMethods, noLogs, post, RawClient, serve } from '../support/http.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';
import { makeRandom } from '../unit/random.js';

const skip = process.platform === 'win32' && 'needs unix sockets';
const withinMs = 10_000;

const getPid = encodeCall('supervisor.getPID', []);
const close = ['Connection: close'];
const runs = { getPID: () => 4711 };
const answered = /<int>4711<\/int>/;
const countAnswers = (heard: string): number => heard.split(answered).length - 1;

test('requests that come together are answered in order', { skip }, async () => {
  await using world = await makeWorld();
  let calls = 0;
  const late = async (): Promise<number> => {
    calls += 1;
    const number = calls;
    await new Promise((resolve) => setImmediate(resolve));
    return number;
  };
  await using server = await serve(world.path('s'), { runs: { getPID: late } });
  const answer = await ask(
    server.path,
    `${post(getPid)}${post(getPid)}\r\n${post(getPid)}${post(getPid, close)}`,
  );
  assert.deepEqual(
    [...answer.matchAll(/<int>(\d)<\/int>/g)].map(([, number]) => number),
    ['1', '2', '3', '4'],
  );
});

test('a request may come byte by byte', { skip }, async () => {
  await using world = await makeWorld();
  await using server = await serve(world.path('s'), { runs });
  using client = new RawClient(server.path);
  for (const byte of post(getPid)) {
    client.say(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => assert.match(client.heard, /<\/methodResponse>/), { withinMs });
  client.say(post(getPid, close));
  await until(() => assert.ok(client.isEnded), { withinMs });
  assert.equal(countAnswers(client.heard), 2);
});

test('who has ended its side of the socket still gets its answers', { skip }, async () => {
  await using world = await makeWorld();
  await using server = await serve(world.path('s'), { runs: { getPID: async () => 4711 } });
  using client = new RawClient(server.path);
  client.socket.end(post(getPid) + post(getPid));
  await until(() => assert.ok(client.isEnded), { withinMs });
  assert.equal(countAnswers(client.heard), 2);
});

test('a call that waits keeps nobody else waiting', { skip }, async () => {
  await using world = await makeWorld();
  let release = (): void => {};
  const held = new Promise<boolean>((resolve) => {
    release = () => resolve(true);
  });
  await using server = await serve(world.path('s'), { runs: { ...runs, stopProcess: () => held } });
  using waiting = new RawClient(server.path);
  waiting.say(post(encodeCall('supervisor.stopProcess', ['web'])));
  assert.match(await ask(server.path, post(getPid, close)), answered);
  assert.equal(waiting.heard, '');
  release();
  await until(() => assert.match(waiting.heard, /<boolean>1<\/boolean>/), { withinMs });
});

test('a client that leaves while its call waits does no harm', { skip }, async () => {
  await using world = await makeWorld();
  let release = (): void => {};
  const held = new Promise<boolean>((resolve) => {
    release = () => resolve(true);
  });
  await using server = await serve(world.path('s'), { runs: { ...runs, stopProcess: () => held } });
  const leaving = new RawClient(server.path);
  leaving.say(post(encodeCall('supervisor.stopProcess', ['web'])));
  assert.match(await ask(server.path, post(getPid, close)), answered);
  leaving[Symbol.dispose]();
  release();
  assert.match(await ask(server.path, post(getPid, close)), answered);
  assert.deepEqual(server.journal.lines, []);
});

test('what is too long is refused before it is received', { skip }, async () => {
  await using world = await makeWorld();
  await using server = await serve(world.path('s'), {
    runs,
    limits: { bodyBytes: 1000, allBodiesBytes: 1500, headBytes: 2000 },
  });
  assert.match(
    await ask(server.path, 'POST /RPC2 HTTP/1.1\r\nContent-Length: 1001\r\n\r\n'),
    /^HTTP\/1\.1 413 /,
  );
  assert.match(await ask(server.path, 'POST /RPC2 HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 411 /);
  assert.match(await ask(server.path, 'x'.repeat(3000)), /^HTTP\/1\.1 400 /);
  assert.match(await ask(server.path, get('/', [`A: ${'x'.repeat(3000)}`])), /^HTTP\/1\.1 400 /);
  // A client that goes on sending gets the refusal, not a reset that would take the refusal away.
  assert.match(
    await ask(server.path, `POST /RPC2 HTTP/1.1\r\nContent-Length: 900000\r\n\r\n${'x'.repeat(900_000)}`),
    /^HTTP\/1\.1 413 /,
  );
  // Two bodies that are under way take the room of all.
  using first = new RawClient(server.path);
  first.say(`POST /RPC2 HTTP/1.1\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(900)}`);
  await until(
    async () =>
      assert.match(
        await ask(server.path, `POST /RPC2 HTTP/1.1\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(900)}`),
        /^HTTP\/1\.1 503 /,
      ),
    { withinMs },
  );
  first[Symbol.dispose]();
  await until(async () => assert.match(await ask(server.path, post(getPid, close)), answered), { withinMs });
});

test('a client that sends too slowly is told so, and one that sends nothing is left', { skip }, async () => {
  await using world = await makeWorld();
  await using server = await serve(world.path('s'), { runs, limits: { requestMs: 100 } });
  assert.match(await ask(server.path, 'POST /RPC2 HTTP/1.1\r\n'), /^HTTP\/1\.1 408 /);
  assert.match(
    await ask(server.path, 'POST /RPC2 HTTP/1.1\r\nContent-Length: 5\r\n\r\nxx'),
    /^HTTP\/1\.1 408 /,
  );
  assert.equal(await ask(server.path, ''), '');
});

test('a connection that was used may be silent for as long as it likes', { skip }, async () => {
  await using world = await makeWorld();
  await using server = await serve(world.path('s'), { runs, limits: { requestMs: 100 } });
  using client = new RawClient(server.path);
  client.say(post(getPid));
  await until(() => assert.match(client.heard, answered), { withinMs });
  // Time passes until another connection, made later, has run out of its own.
  assert.equal(await ask(server.path, ''), '');
  client.say(post(getPid, close));
  await until(() => assert.ok(client.isEnded), { withinMs });
  assert.equal(countAnswers(client.heard), 2);
});

test('a client that takes none of its answer is left, and one that takes it slowly is not', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const log = 'x'.repeat(4_000_000);
  await using server = await serve(world.path('s'), {
    runs: { ...runs, readLog: () => log },
    limits: { stalledMs: 200 },
  });
  const readLog = post(encodeCall('supervisor.readLog', [0, 0]), close);
  using stalled = new RawClient(server.path);
  stalled.say(readLog);
  stalled.socket.pause();
  using slow = new RawClient(server.path);
  slow.say(readLog);
  slow.socket.on('data', () => {
    slow.socket.pause();
    setTimeout(() => slow.socket.resume(), 5);
  });
  await until(() => assert.ok(slow.isEnded), { withinMs: 30_000 });
  assert.ok(slow.heard.length > log.length);
  stalled.socket.resume();
  await until(() => assert.ok(stalled.isEnded), { withinMs });
  assert.ok(stalled.heard.length < log.length);
});

test('no request without the password is answered, whatever it asks for', { skip }, async () => {
  await using world = await makeWorld();
  await using server = await serve(world.path('s'), { runs, credentials: { username: 'u', password: 'p' } });
  const right = `Authorization: Basic ${Buffer.from('u:p').toString('base64')}`;
  for (const path of [
    '/',
    '/RPC2',
    '/index.html?action=stopall',
    '/logtail/x',
    '/mainlogtail',
    '/stylesheets/supervisor.css',
    '/nope',
  ])
    for (const method of ['GET', 'POST', 'HEAD', 'PUT']) {
      const request = (...headers: readonly string[]): string =>
        [`${method} ${path} HTTP/1.1`, 'Content-Length: 0', 'Connection: close', ...headers, '', ''].join(
          '\r\n',
        );
      const refused = await ask(server.path, request());
      assert.match(refused, /^HTTP\/1\.1 401 Unauthorized\r\n/, path);
      assert.match(refused, /\r\nConnection: close\r\nWWW-Authenticate: Basic realm="default"\r\n/);
      assert.doesNotMatch(await ask(server.path, request(right)), /^HTTP\/1\.1 401 /, path);
    }
});

test('ten thousand connections leave room for one that has something to ask', { skip }, async () => {
  await using world = await makeWorld();
  await using server = await serve(world.path('s'), { runs, connectionsMax: 50 });
  const busy = new RawClient(server.path);
  busy.say(post(encodeCall('supervisor.getPID', [])));
  await until(() => assert.match(busy.heard, answered), { withinMs });
  for (let round = 0; round < 100; round += 1) {
    const crowd = Array.from({ length: 100 }, () => new RawClient(server.path));
    await Promise.all(
      crowd.map(
        (client) => new Promise((resolve) => client.socket.once('connect', resolve).once('close', resolve)),
      ),
    );
    if (round % 20 === 0) assert.match(await ask(server.path, post(getPid, close)), answered);
    for (const client of crowd) client[Symbol.dispose]();
  }
  assert.match(await ask(server.path, post(getPid, close)), answered);
  busy[Symbol.dispose]();
});

test('who only follows a log gives way to one that has something to ask', { skip }, async () => {
  await using world = await makeWorld();
  const file = world.path('log');
  writeFileSync(file, 'hello\n');
  await using server = await serve(world.path('s'), {
    runs,
    connectionsMax: 3,
    logs: { processLog: () => file, mainLog: () => file },
  });
  const followers = Array.from({ length: 3 }, () => new RawClient(server.path).say(get('/mainlogtail', [])));
  await until(() => assert.ok(followers.every(({ heard }) => heard.includes('hello'))), { withinMs });
  assert.match(await ask(server.path, post(getPid, close)), answered);
  assert.equal(followers.filter(({ isEnded }) => isEnded).length, 1);
  for (const follower of followers) follower[Symbol.dispose]();
});

test('a server without a password says so in the log', { skip }, async () => {
  await using world = await makeWorld();
  for (const [credentials, expected] of [
    [null, ["critical Server 'unix_http_server' running without any HTTP authentication checking"]],
    [{ username: 'u', password: 'p' }, []],
  ] as const) {
    const said: string[] = [];
    const log = (level: string, message: string): void => void said.push(`${level} ${message}`);
    await using _server = await serve(world.path('s'), { credentials, log });
    assert.deepEqual(said, expected);
  }
});

const parts = [
  'GET ',
  'POST ',
  '/RPC2',
  '/',
  ' HTTP/1.1',
  ' HTTP/1.0',
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\0',
  ': ',
  '%',
  '%00',
];
const more = [
  'Content-Length: 5',
  'Content-Length: 999999',
  'Transfer-Encoding: chunked',
  'Expect: 100-continue',
];
const rest = [
  getPid,
  post(getPid),
  'Host: localhost',
  'Connection: close',
  'é',
  '\xff',
  '?action=x',
  '/logtail/x',
  'HEAD ',
];

test('no bytes, in no pieces, stop the server', { skip }, async () => {
  await using world = await makeWorld();
  await using server = await serve(world.path('s'), { runs, limits: { requestMs: 200, headBytes: 2000 } });
  const random = makeRandom(20_261_121);
  const pick = (): string => random.pick([...parts, ...more, ...rest]);
  for (let round = 0; round < 20; round += 1) {
    const clients = Array.from({ length: 40 }, () => {
      const client = new RawClient(server.path);
      for (let pieces = random.below(12); pieces > 0; pieces -= 1)
        client.say(Buffer.from(pick() + pick(), random.oneIn(2) ? 'latin1' : 'utf8'));
      if (random.oneIn(3)) client.socket.end();
      if (random.oneIn(5)) client.socket.destroy();
      return client;
    });
    assert.match(await ask(server.path, post(getPid, close)), answered);
    for (const client of clients) client[Symbol.dispose]();
  }
  assert.deepEqual(
    server.journal.lines.filter((line) => !line.startsWith('error XML-RPC request data is invalid')),
    [],
  );
});

test('a handler that fails costs its own request and nothing else', { skip }, async () => {
  await using world = await makeWorld();
  const broken = (): never => {
    throw new TypeError('broken');
  };
  await using server = await serve(world.path('s'), { runs: { getPID: () => 4711, getState: broken } });
  const answer = await ask(
    server.path,
    `${post(encodeCall('supervisor.getState', []))}${post('<a>')}${post(getPid, close)}`,
  );
  assert.deepEqual(
    [...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status),
    ['500', '400', '200'],
  );
  assert.match(server.journal.lines[0]!, /^critical .*getState\(\) failed: TypeError: broken/);
  assert.match(server.journal.lines[1]!, /^error XML-RPC request data is invalid: line 1/);
});

test('a port without a password is open to this machine only, unless it is told otherwise', {
  skip,
}, async () => {
  const journal = new Journal();
  const handler = makeSupervisorHandler({ methods: makeMethods(runs), logs: noLogs, log: journal.log });
  const address = { kind: 'inet', host: '0.0.0.0', port: 0 } as const;
  const closed = await HttpServer.listen(address, {
    section: 'inet_http_server',
    credentials: null,
    handler,
    log: journal.log,
  });
  try {
    assert.match(await ask(closed.port!, post(getPid, close)), answered);
    assert.deepEqual(journal.lines, [
      'critical listening on 127.0.0.1:0 only, not on 0.0.0.0: [inet_http_server] has no password, nor ' +
        'allow_remote_without_password=true',
    ]);
  } finally {
    closed.close();
  }
  const open = await HttpServer.listen(address, {
    section: 'inet_http_server',
    credentials: null,
    handler,
    log: journal.log,
    allowOpenPort: true,
  });
  try {
    assert.match(await ask(open.port!, post(getPid, close)), answered);
    assert.equal(journal.lines.length, 1);
    await assert.rejects(
      HttpServer.listen(
        { ...address, host: '127.0.0.1', port: open.port! },
        { section: 'inet_http_server', credentials: null, handler, log: journal.log },
      ),
      {
        code: 'TSD_USAGE',
        message:
          'Another program is already listening on a port that one of our HTTP servers is configured to use.  Shut this program down first before starting supervisord.',
      },
    );
  } finally {
    open.close();
  }
});
