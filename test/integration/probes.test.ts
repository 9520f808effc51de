// Whether a program is ready, found out from outside: one attempt each, bounded, and never an exception.
import assert from 'node:assert/strict';
import { appendFileSync, closeSync, openSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import test from 'node:test';
import { type ProcessEnd, spawn } from '../../src/os/invoke.js';
import { type ProbeOutcome, probe, probeCommand, probeHttp, probeTcp } from '../../src/os/probes.js';
import { ReadyPipe } from '../../src/os/ready-pipe.js';
import { LogLineWatch } from '../../src/runtime/await-log-line.js';
import type { ProbeTarget } from '../../src/spec/service-spec.js';
import { processesMentioning } from '../support/proc.js';
import { needs, needsLinux, needsRoot } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const LOCAL = '127.0.0.1';
/** Long enough for every attempt that is to succeed, on a machine that is busy. */
const LONG = 10_000;

interface Listening extends AsyncDisposable {
  readonly port: number;
}

async function listening(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, LOCAL, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A port on which nobody listens: it was free a moment ago. */
async function freePort(): Promise<number> {
  await using server = await listening(createServer());
  return server.port;
}

const web = (answer: RequestListener): Promise<Listening> => listening(createHttpServer(answer));

const reasonOf = (outcome: ProbeOutcome): string => {
  assert.equal(outcome.isReady, false);
  return outcome.isReady ? '' : outcome.reason;
};

test('a port that accepts connections is ready', async () => {
  const seen: Buffer[] = [];
  await using server = await listening(
    createServer((socket) => socket.on('data', (data) => seen.push(data))),
  );
  assert.deepEqual(await probeTcp({ host: LOCAL, port: server.port }, LONG), { isReady: true });
  assert.deepEqual(seen, [], 'nothing is sent');
});

test('a name that has two addresses is ready when one of them answers', async () => {
  await using server = await listening(createServer());
  assert.deepEqual(await probeTcp({ host: 'localhost', port: server.port }, LONG), { isReady: true });
});

test('a port on which nobody listens is not ready, and the reason is told', async () => {
  for (const host of [LOCAL, 'localhost'])
    assert.match(reasonOf(await probeTcp({ host, port: await freePort() }, LONG)), /ECONNREFUSED/);
});

test('a host that does not exist is not ready', async () => {
  const host = 'no-such-host.invalid';
  assert.match(reasonOf(await probeTcp({ host, port: 80 }, LONG)), /ENOTFOUND|EAI_AGAIN/);
  assert.match(reasonOf(await probeHttp(`http://${host}/`, LONG)), /ENOTFOUND|EAI_AGAIN/);
});

test('a program that is too busy to accept is not ready in time', { skip: needsLinux }, async () => {
  await using world = await makeWorld();
  // It listens with the shortest queue and then does nothing at all. Linux drops what does not fit into the
  // queue.
  const script = `
    const where = { port: 0, host: '${LOCAL}', backlog: 1 };
    const server = require('node:net').createServer().listen(where, () => {
      require('node:fs').writeSync(1, server.address().port + '\\n');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const child = world.start([process.execPath, '-e', script]);
  const port = await new Promise<number>((resolve) =>
    child.stdout!.once('data', (text) => resolve(Number(text))),
  );
  const callers = Array.from({ length: 4 }, () => connect(port, LOCAL).on('error', () => undefined));
  const outcome = await until(
    async () => {
      const attempt = await probeTcp({ host: LOCAL, port }, 300);
      // The callers may not have filled the queue yet.
      assert.equal(attempt.isReady, false);
      return attempt;
    },
    { withinMs: LONG },
  );
  assert.equal(reasonOf(outcome), 'no answer within 0.3 s');
  for (const caller of callers) caller.destroy();
  child.kill('SIGKILL');
});

test('a connection to itself is not taken for an answer', {
  skip: needsLinux || needsRoot || needs('unshare', 'ip'),
}, async () => {
  await using world = await makeWorld();
  const module = new URL('../../src/os/probes.js', import.meta.url).href;
  // In a network of its own the kernel has but one port to give to a caller: the one that is called.
  const setUp =
    'ip link set lo up && echo "40000 40000" > /proc/sys/net/ipv4/ip_local_port_range && exec "$@"';
  const alone = (code: string) => {
    const node = [process.execPath, '--input-type=module', '-e', code];
    return world.run(['unshare', '--net', 'sh', '-c', setUp, 'sh', ...node]);
  };
  const connects = await alone(`
    import { connect } from 'node:net';
    const socket = connect(40000, '${LOCAL}');
    socket.on('connect', () => { console.log('connected'); socket.destroy(); });`);
  assert.equal(connects.stdout, 'connected\n', connects.stderr);
  const probes = await alone(`
    import { probeTcp } from ${JSON.stringify(module)};
    console.log(JSON.stringify(await probeTcp({ host: '${LOCAL}', port: 40000 }, 1000)));`);
  assert.match(probes.stdout, /^{"isReady":false,"reason":".*ECONNREFUSED.*"}\n$/, probes.stderr);
});

test('an attempt that has its answer leaves nothing that keeps its process from its end', async () => {
  await using world = await makeWorld();
  const module = new URL('../../src/os/probes.js', import.meta.url).href;
  const port = await freePort();
  const outcome = await world.run([
    process.execPath,
    '--input-type=module',
    '-e',
    `
    import { probe } from ${JSON.stringify(module)};
    const setting = { env: [], output: null };
    for (const target of [
      { kind: 'tcp', host: '${LOCAL}', port: ${port} },
      { kind: 'http', url: 'http://${LOCAL}:${port}/' },
      { kind: 'command', script: 'exit 0' },
    ]) console.log((await probe(target, 600000, setting)).isReady);`,
  ]);
  assert.deepEqual(outcome, { code: 0, signal: null, stdout: 'false\nfalse\ntrue\n', stderr: '' });
});

for (const status of [200, 204, 299, 301, 304, 399])
  test(`an answer with ${status} is ready`, async () => {
    let requests = 0;
    await using server = await web((request, response) => {
      requests += 1;
      assert.equal(request.method, 'GET');
      assert.equal(request.url, '/health?deep=1');
      response.writeHead(status, { Location: '/elsewhere' }).end();
    });
    const url = `http://${LOCAL}:${server.port}/health?deep=1`;
    assert.deepEqual(await probeHttp(url, LONG), { isReady: true });
    assert.equal(requests, 1, 'a redirection is not followed');
  });

for (const status of [400, 404, 500, 503])
  test(`an answer with ${status} is not ready`, async () => {
    await using server = await web((_, response) => response.writeHead(status).end());
    assert.equal(
      reasonOf(await probeHttp(`http://${LOCAL}:${server.port}/`, LONG)),
      `answered with ${status}`,
    );
  });

test('a body that never ends is not waited for', async () => {
  await using server = await web((_, response) => response.write('x'.repeat(100_000)));
  assert.deepEqual(await probeHttp(`http://${LOCAL}:${server.port}/`, LONG), { isReady: true });
});

test('a server that takes the question and says nothing is not ready in time', async () => {
  await using server = await web(() => undefined);
  assert.equal(reasonOf(await probeHttp(`http://${LOCAL}:${server.port}/`, 200)), 'no answer within 0.2 s');
});

test('a server that hangs up or speaks another language is not ready', async () => {
  await using mute = await listening(createServer((socket) => socket.destroy()));
  assert.match(reasonOf(await probeHttp(`http://${LOCAL}:${mute.port}/`, LONG)), /ECONNRESET|hang up/);
  await using ssh = await listening(createServer((socket) => socket.end('SSH-2.0-x\r\n')));
  assert.match(reasonOf(await probeHttp(`http://${LOCAL}:${ssh.port}/`, LONG)), /Parse Error/);
  assert.match(reasonOf(await probeHttp(`https://${LOCAL}:${ssh.port}/`, LONG)), /./);
});

test('what no URL parser takes is not ready', async () => {
  assert.match(reasonOf(await probeHttp('http://999.1.1.1/', LONG)), /Invalid URL/);
});

test('HTTPS is ready whatever name its certificate has', { skip: needs('openssl') }, async () => {
  await using world = await makeWorld();
  const made = await world.sh(
    'openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 1 -subj /CN=somebody.else',
  );
  assert.equal(made.code, 0, made.stderr);
  const pair = { key: world.read('key'), cert: world.read('cert') };
  await using server = await listening(createHttpsServer(pair, (_, response) => response.end('on')));
  assert.deepEqual(await probeHttp(`https://${LOCAL}:${server.port}/`, LONG), { isReady: true });
});

const environmentOf = (world: World): string[] =>
  Object.entries(world.env).map(([name, value]) => `${name}=${value}`);

const shell = (world: World, script: string, timeoutMs = LONG, output: number | null = null) =>
  probe({ kind: 'command', script }, timeoutMs, { env: environmentOf(world), output });

test('a command that exits with 0 is ready, any other is not', async () => {
  await using world = await makeWorld();
  assert.deepEqual(await shell(world, 'test -d "$HOME" && test "$(cat)" = ""'), { isReady: true });
  assert.equal(reasonOf(await shell(world, 'exit 3')), 'exited with 3');
  assert.equal(reasonOf(await shell(world, 'kill -TERM $$')), 'was killed by SIGTERM');
  assert.equal(reasonOf(await shell(world, 'no-such-command-here 2>/dev/null')), 'exited with 127');
});

test('a command that cannot be started is not ready', async () => {
  const invocation = { candidates: ['/no/such/file'], argv: ['probe'], env: [] };
  const outcome = await probeCommand(invocation, LONG, { output: null });
  assert.equal(reasonOf(outcome), "cannot run 'probe': no such file or directory (ENOENT)");
});

test('what a command prints goes where it is told', async () => {
  await using world = await makeWorld();
  const output = openSync(world.path('out'), 'a');
  await shell(world, 'echo one; echo two >&2', LONG, output);
  closeSync(output);
  assert.equal(world.read('out'), 'one\ntwo\n');
});

test('a command that takes too long is killed with all that it started', { skip: needsLinux }, async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('pids'), '');
  const script = `
    trap '' TERM
    setsid sh -c 'echo $$ >> ${world.path('pids')}; sleep 1000' &
    sh -c 'echo $$ >> ${world.path('pids')}; sleep 1000' &
    echo $$ >> ${world.path('pids')}
    wait`;
  const outcome = await until(
    async () => {
      const attempt = await shell(world, script, 400);
      assert.ok(world.read('pids').trim().split('\n').length >= 3, 'it was killed before it had started all');
      return attempt;
    },
    { withinMs: LONG },
  );
  assert.equal(reasonOf(outcome), 'did not end within 0.4 s');
  await until(() => assert.deepEqual(processesMentioning(world.folder), []), { withinMs: LONG });
});

test('what a command leaves in the background ends with it', { skip: needsLinux }, async () => {
  await using world = await makeWorld();
  assert.deepEqual(await shell(world, 'sleep 1000 & exit 0'), { isReady: true });
  await until(() => assert.deepEqual(processesMentioning(world.folder), []), { withinMs: LONG });
});

test('whoever reaps all children tells how a command ended', async () => {
  const seen: number[] = [];
  const whenEnded = async (pid: number): Promise<ProcessEnd> => {
    seen.push(pid);
    return { code: 5, signal: null };
  };
  const target: ProbeTarget = { kind: 'command', script: 'exit 0' };
  const outcome = await probe(target, LONG, { env: [], output: null, whenEnded });
  assert.equal(reasonOf(outcome), 'exited with 5');
  assert.equal(seen.length, 1);
});

test('a command whose exit nobody saw is not ready', async () => {
  const setting = { env: [], output: null, whenEnded: async () => null };
  assert.equal(
    reasonOf(await probe({ kind: 'command', script: ':' }, LONG, setting)),
    'its exit was not seen',
  );
});

/** A shell, leader of its group, that inherits the pipe as descriptor 3. */
function startWith(world: World, pipe: ReadyPipe, script: string): number {
  const nowhere = openSync('/dev/null', 'r+');
  const invocation = { candidates: ['/bin/sh'], argv: ['sh', '-c', script], env: environmentOf(world) };
  const descriptors = new Map([
    [0, nowhere],
    [1, nowhere],
    [2, nowhere],
    [3, pipe.writeEnd!],
  ]);
  const pid = spawn(invocation, descriptors, 'default', true);
  closeSync(nowhere);
  world.track(pid);
  return pid;
}

for (const [what, script] of [
  ['a newline', 'echo >&3'],
  ['a word', 'printf READY >&3'],
  ['a byte and then the end', 'printf . >&3; exec 3>&-; sleep 0.1'],
] as const)
  test(`${what} on the ready descriptor is ready`, async () => {
    await using world = await makeWorld();
    using pipe = new ReadyPipe();
    startWith(world, pipe, script);
    assert.equal(await pipe.ready(LONG), 'ready');
  });

test('a ready descriptor that everybody has closed is not ready, and is not waited for', async () => {
  await using world = await makeWorld();
  using pipe = new ReadyPipe();
  const pid = startWith(world, pipe, 'exec 3>&-; sleep 1000');
  assert.equal(await pipe.ready(LONG), 'closed');
  process.kill(-pid, 'SIGKILL');
});

test('a ready descriptor on which nothing comes is not ready in time, and is waited for again', async () => {
  await using world = await makeWorld();
  using pipe = new ReadyPipe();
  startWith(world, pipe, `while ! test -e ${world.path('go')}; do sleep 0.01; done; echo >&3`);
  assert.equal(await pipe.ready(100), 'timeout');
  writeFileSync(world.path('go'), '');
  assert.equal(await pipe.ready(LONG), 'ready');
});

test('a ready descriptor is given up in the middle of a wait', { skip: needsLinux }, async () => {
  await using world = await makeWorld();
  const giveUp = async (): Promise<void> => {
    const pipe = new ReadyPipe();
    const pid = startWith(world, pipe, 'sleep 1000');
    const outcome = pipe.ready(Number.POSITIVE_INFINITY);
    pipe[Symbol.dispose]();
    // The program lives and holds the other end open.
    assert.equal(await outcome, 'disposed');
    process.kill(-pid, 'SIGKILL');
  };
  await giveUp();
  const before = readdirSync('/proc/self/fd').length;
  for (let round = 0; round < 5; round += 1) await giveUp();
  await until(() => assert.ok(readdirSync('/proc/self/fd').length <= before), { withinMs: LONG });
});

test('other programs do not inherit the ready descriptor', { skip: needsLinux }, async () => {
  await using world = await makeWorld();
  using first = new ReadyPipe();
  using second = new ReadyPipe();
  // It would hold the first pipe open.
  const other = startWith(world, second, 'sleep 1000');
  const pid = startWith(world, first, 'exit 0');
  assert.notEqual(pid, other);
  assert.equal(await first.ready(LONG), 'closed');
  process.kill(-other, 'SIGKILL');
});

/** A watch and what it found. */
function watchLog(world: World, pattern: RegExp): { watch: LogLineWatch; found: string[] } {
  const found: string[] = [];
  const watch = new LogLineWatch([world.path('log')], pattern, (line) => found.push(line));
  return { watch, found };
}

test('a line of the log that matches is told once, in however many pieces it comes', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('log'), 'listening on 1\n');
  const { found } = watchLog(world, /listening on (\d+)/);
  for (const piece of ['starting\nlisten', 'ing on 20', '80\nlistening on 3\n'])
    appendFileSync(world.path('log'), piece);
  await until(() => assert.equal(found.length, 1), { withinMs: LONG });
  assert.deepEqual(found, ['listening on 2080'], 'the line of the run before does not count');
  const later = watchLog(world, /listening on (\d+)/);
  appendFileSync(world.path('log'), 'listening on 4\n');
  await until(() => assert.deepEqual(later.found, ['listening on 4']), { withinMs: LONG });
  assert.equal(found.length, 1);
});

test('a line is found in the file that took the place of a rotated one', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('log'), '');
  const { found } = watchLog(world, /ready/);
  appendFileSync(world.path('log'), 'one\n');
  renameSync(world.path('log'), world.path('log.1'));
  writeFileSync(world.path('log'), 'two\nready\n');
  await until(() => assert.deepEqual(found, ['ready']), { withinMs: LONG });
});

test('what was written last before a death is read when it is asked for', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('log'), '');
  const { watch, found } = watchLog(world, /ready/);
  appendFileSync(world.path('log'), 'ready\n');
  assert.deepEqual(found, []);
  watch.look();
  assert.deepEqual(found, ['ready']);
});

test('a watch that was given up finds nothing, and may be given up twice', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('log'), '');
  const given = watchLog(world, /ready/);
  given.watch[Symbol.dispose]();
  given.watch[Symbol.dispose]();
  const kept = watchLog(world, /ready/);
  appendFileSync(world.path('log'), 'ready\n');
  await until(() => assert.deepEqual(kept.found, ['ready']), { withinMs: LONG });
  assert.deepEqual(given.found, []);
});
