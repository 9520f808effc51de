// Supervisor's web pages: they do what they did, and nothing for a page of another site.
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { RpcError } from '../../src/control/faults.js';
import { type ProcessFacts, processInfo } from '../../src/control/process-info.js';
import type { EpochMs } from '../../src/spec/time.js';
import { ask, get, RawClient, serve } from '../support/http.js';
import { needs } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const skip = process.platform === 'win32' && 'needs unix sockets';
const withinMs = 20_000;

const facts = (changes: Partial<ProcessFacts>): ProcessFacts => ({
  name: 'web',
  group: 'web',
  state: 'RUNNING',
  startedAt: 0 as EpochMs,
  stoppedAt: null,
  spawnError: null,
  exitStatus: 0,
  stdoutLogFile: null,
  stderrLogFile: null,
  pid: 42,
  ...changes,
});

const info = (changes: Partial<ProcessFacts>) => processInfo(facts(changes), 7000 as EpochMs, () => 0);

/** What was asked of the methods, and a server that has them. */
function pages(path: string, all: readonly ReturnType<typeof info>[] = [info({})]) {
  const calls: string[] = [];
  const note =
    (name: string, result: true | never[] = true) =>
    (...params: readonly unknown[]) => {
      calls.push([name, ...params].join(' '));
      return result;
    };
  const runs = {
    getAllProcessInfo: () => all,
    getSupervisorVersion: () => '4.2.5',
    getProcessInfo: (name: unknown) => {
      const found = all.find((one) => one.name === name);
      if (found === undefined) throw new RpcError('BAD_NAME', String(name));
      return found;
    },
    startProcess: note('start'),
    stopProcess: (name: unknown) => {
      calls.push(`stop ${name}`);
      if (name === 'idle') throw new RpcError('NOT_RUNNING', 'idle');
      return true;
    },
    clearProcessLogs: note('clear'),
    startAllProcesses: note('startall', []),
    stopAllProcesses: note('stopall', []),
    readProcessStdoutLog: (...params: readonly unknown[]) => `<b>${params.join(' ')}</b>`,
  };
  return { calls, open: () => serve(path, { runs }) };
}

const messageOf = (answer: string): string =>
  decodeURIComponent(/\r\nLocation: http:\/\/localhost\/\?message=(\S*)/.exec(answer)?.[1] ?? answer);

test('an action is performed and told about', { skip }, async () => {
  await using world = await makeWorld();
  const { calls, open } = pages(world.path('s'), [
    info({}),
    info({ name: 'idle', group: 'idle', state: 'STOPPED' }),
  ]);
  await using server = await open();
  const act = async (query: string) => messageOf(await ask(server.path, get(`/index.html?${query}`)));
  assert.equal(await act('processname=web&action=start'), 'Process web started');
  assert.equal(await act('processname=web&action=stop'), 'Process web stopped');
  assert.equal(await act('processname=web&action=restart'), 'Process web restarted');
  assert.equal(await act('processname=web&action=clearlog'), 'Log for web cleared');
  assert.equal(await act('processname=idle&action=stop'), 'unexpected rpc fault [70] NOT_RUNNING: idle');
  assert.equal(await act('processname=idle&action=restart'), 'Process idle restarted');
  assert.match(await act('action=stopall'), /^All stopped at \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/);
  assert.match(await act('action=startall'), /^All started at /);
  assert.match(await act('action=restartall'), /^All restarted at /);
  assert.equal(await act("processname=no<'such&action=stop"), "No such process named no<'such");
  assert.deepEqual(calls, [
    'start web',
    'stop web',
    'stop web',
    'start web',
    'clear web',
    'stop idle',
    'stop idle',
    'start idle',
    'stopall',
    'startall',
    'stopall',
    'startall',
  ]);
  const form = 'action=stop&processname=web';
  const post = `POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${form.length}\r\n\r\n${form}`;
  assert.equal(messageOf(await ask(server.path, post)), 'Process web stopped');
});

test('a page of another site can change nothing', { skip }, async () => {
  await using world = await makeWorld();
  const { calls, open } = pages(world.path('s'));
  await using server = await open();
  const form = 'action=stopall';
  const body =
    "<?xml version='1.0'?><methodCall><methodName>supervisor.stopAllProcesses</methodName></methodCall>";
  for (const header of [
    'Origin: http://evil',
    'Origin: null',
    'Sec-Fetch-Site: cross-site',
    'Referer: http://evil/',
  ]) {
    const headers = [header, 'Connection: close'];
    const refused = [
      get('/?action=stopall', headers),
      get('/index.html?action=start&processname=web', headers),
      `POST / HTTP/1.1\r\nHost: localhost\r\n${headers.join('\r\n')}\r\nContent-Length: ${form.length}\r\n\r\n${form}`,
      `POST /RPC2 HTTP/1.1\r\nHost: localhost\r\n${headers.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    ];
    for (const request of refused) assert.match(await ask(server.path, request), /^HTTP\/1\.1 403 /, request);
    assert.match(await ask(server.path, get('/', headers)), /^HTTP\/1\.1 200 /);
  }
  // A browser that hides where it comes from is asked first.
  const asked = await ask(
    server.path,
    get('/?action=stop&processname=web', ['User-Agent: Mozilla/5.0', 'Connection: close']),
  );
  assert.match(
    asked,
    /^HTTP\/1\.1 403 .*<form action="index.html" method="post">.*name="processname" value="web"/s,
  );
  assert.deepEqual(calls, []);
});

test('nothing that a program or a link says becomes a part of a page', { skip }, async () => {
  await using world = await makeWorld();
  const evil = '"><script>\'&';
  const { open } = pages(world.path('s'), [
    info({ name: evil, group: 'g', state: 'FATAL', spawnError: evil }),
  ]);
  await using server = await open();
  for (const path of [
    '/',
    `/?message=${encodeURIComponent(evil)}`,
    `/tail.html?processname=${encodeURIComponent(evil)}`,
    `/tail.html?processname=web&limit=${encodeURIComponent(evil)}`,
  ]) {
    const page = await ask(server.path, get(path));
    assert.match(page, /^HTTP\/1\.1 200 /);
    assert.doesNotMatch(page, /<script|<b>/, path);
    assert.match(page, /\r\nContent-Security-Policy: default-src 'none';/);
  }
  const moved = await ask(server.path, get('/?action=refresh').replace('Host: localhost', 'Host: a/b<'));
  assert.match(moved, /\r\nLocation: \/\?message=/);
});

test('the table shows each process with what can be done to it', { skip }, async () => {
  await using world = await makeWorld();
  const states = ['RUNNING', 'STOPPED', 'FATAL', 'STARTING'] as const;
  const { open } = pages(
    world.path('s'),
    states.map((state) => info({ name: state, group: 'g', state })),
  );
  await using server = await open();
  const rows = (await ask(server.path, get('/'))).split('<tr class=').slice(1);
  const shown = rows.map((row) => [
    /<span class="(\w+)">(\w+)</.exec(row)!.slice(1).join(' '),
    ...[...row.matchAll(/name="([^"]+)"/g)].map(([, name]) => name),
  ]);
  const always = ['Clear Log', 'Tail -f Stdout', 'Tail -f Stderr'];
  assert.deepEqual(shown, [
    ['statusrunning running', 'Restart', 'Stop', ...always],
    ['statusnominal stopped', 'Start', ...always],
    ['statuserror fatal', 'Start', ...always],
    ['statusnominal starting', ...always],
  ]);
  assert.match(rows[0]!, /href="index\.html\?processname=g%3ARUNNING&amp;action=stop"/);
  const { open: openEmpty } = pages(world.path('empty'), []);
  await using empty = await openEmpty();
  assert.match(await ask(empty.path, get('/')), /No programs to manage/);
});

test('the end of a log is shown, at least a kilobyte of it', { skip }, async () => {
  await using world = await makeWorld();
  const { open } = pages(world.path('s'));
  await using server = await open();
  const tail = async (query: string) =>
    /<pre>\n(.*)<\/pre>/s.exec(await ask(server.path, get(`/tail.html${query}`)))![1];
  assert.equal(await tail('?processname=web'), '&lt;b&gt;web -1024 0&lt;/b&gt;');
  assert.equal(await tail('?processname=web&limit=5000'), '&lt;b&gt;web -5000 0&lt;/b&gt;');
  assert.equal(await tail('?processname=web&limit=-1'), '&lt;b&gt;web -1024 0&lt;/b&gt;');
  assert.equal(await tail(''), 'No process name found');
});

test('whoever followed a log and left holds no descriptor any more', {
  skip: process.platform !== 'linux' && 'needs /proc',
}, async () => {
  await using world = await makeWorld();
  const file = world.path('log');
  writeFileSync(file, 'x'.repeat(100));
  await using server = await serve(world.path('s'), {
    logs: { processLog: () => file, mainLog: () => file },
  });
  const count = (): number => readdirSync('/proc/self/fd').length;
  const before = count();
  const clients = Array.from({ length: 20 }, () => new RawClient(server.path));
  for (const client of clients) client.say(get('/mainlogtail', []));
  await until(() => assert.ok(clients.every((client) => client.heard.includes('xxx'))), { withinMs });
  assert.ok(count() > before + 20);
  for (const client of clients) client[Symbol.dispose]();
  await until(() => assert.equal(count(), before), { withinMs });
});

test("Debian's supervisorctl shows the status and follows a log", {
  skip: skip || needs('supervisorctl', 'timeout'),
}, async () => {
  await using world = await makeWorld();
  const file = world.path('log');
  writeFileSync(file, 'hello\n');
  await using server = await serve(world.path('s'), {
    runs: {
      getVersion: () => '3.0',
      getSupervisorVersion: () => '4.2.5',
      getState: () => ({ statecode: 1, statename: 'RUNNING' }),
      getAllProcessInfo: () => [
        info({}),
        info({ name: 'a_01', group: 'a', state: 'STOPPED', startedAt: null }),
      ],
      getProcessInfo: () => info({}),
      startProcess: () => {
        throw new RpcError('ALREADY_STARTED', 'web');
      },
    },
    logs: { processLog: (name) => (name === 'web' ? file : null), mainLog: () => null },
  });
  const supervisorctl = (...args: readonly string[]) =>
    world.run(['timeout', '-s', 'INT', '3', 'supervisorctl', '-s', `unix://${server.path}`, ...args]);
  const status = await supervisorctl('status');
  assert.match(status.stdout, /^web +RUNNING +pid 42, uptime 0:00:07\na:a_01 +STOPPED +Not started\n$/);
  assert.match((await supervisorctl('start', 'web')).stdout, /^web: ERROR \(already started\)\n$/);
  assert.match((await supervisorctl('tail', '-f', 'web')).stdout, /hello/);
});
