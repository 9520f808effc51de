// What our server says on the wire is what supervisord says, asked side by side; where it differs, it does so by intent.
import assert from 'node:assert/strict';
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { RpcError } from '../../src/control/faults.js';
import { HttpServer } from '../../src/control/http-server.js';
import { type ProcessStateName, processInfo, processStates } from '../../src/control/process-info.js';
import { makeSupervisorHandler } from '../../src/control/supervisor-handler.js';
import { encodeCall, type XmlRpcValue } from '../../src/formats/xml-rpc.js';
import type { EpochMs } from '../../src/spec/time.js';
import { get, makeMethods, noLogs, post, RawClient, serve, type TestServer } from '../support/http.js';
import { needs } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const skip = needs('supervisord', '/usr/bin/python3');
const withinMs = 20_000;

interface Supervisord extends AsyncDisposable {
  readonly path: string;
}

/** supervisord itself, with one program that says a line and stays. */
async function startSupervisord(world: World): Promise<Supervisord> {
  const path = world.path('theirs');
  writeFileSync(
    world.path('supervisord.conf'),
    `[supervisord]
nodaemon=true
logfile=${world.path('theirs.log')}
pidfile=${world.path('theirs.pid')}
[unix_http_server]
file=${path}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[program:web]
command=/bin/sh -c "echo hello; exec sleep 1000"
stdout_logfile=${world.path('web.log')}
`,
  );
  const child = world.start(['supervisord', '-c', world.path('supervisord.conf')], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await until(
    async () => {
      assert.match(world.read('web.log'), /hello/);
      assert.match(await askOpen(path, post(call('supervisor.getProcessInfo', 'web'))), /RUNNING/);
    },
    { withinMs },
  );
  return {
    path,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** An answer on a connection that stays open, complete by its length. */
async function askOpen(path: string, request: string): Promise<string> {
  using client = new RawClient(path);
  client.say(request);
  await until(() => assert.ok(client.isEnded || isWhole(client.heard), client.heard), { withinMs });
  return client.heard;
}

function isWhole(heard: string): boolean {
  const end = heard.indexOf('\r\n\r\n');
  const length = /\r\nContent-Length: (\d+)\r\n/.exec(heard);
  return end !== -1 && length !== null && heard.length >= end + 4 + Number(length[1]);
}

/** Without what is of the moment. */
const timeless = (answer: string): string =>
  answer
    .replace(/\r\nDate: [^\r]*/, '\r\nDate: now')
    .replace(/at%20[\w%]+/, 'at%20now')
    // medusa closes without saying so.
    .replace(/\r\nConnection: close(?=\r\n)/, '');

const serveOurs = (world: World): Promise<TestServer> =>
  serve(world.path('ours'), {
    runs: {
      getState: () => ({ statecode: 1, statename: 'RUNNING' }),
      getProcessInfo: (name) => {
        if (name !== 'web') throw new RpcError('BAD_NAME', name as string);
        return true;
      },
      startProcess: () => {
        throw new RpcError('ALREADY_STARTED', 'web');
      },
      readProcessStdoutLog: () => 'hello\n',
      clearProcessLogs: () => true,
      stopAllProcesses: () => [],
    },
    logs: {
      processLog: (namespec, channel) =>
        namespec === 'web' && channel === 'stdout' ? world.path('web.log') : null,
      mainLog: () => null,
    },
  });

const call = (method: string, ...params: XmlRpcValue[]): string => encodeCall(method, params);

test('every answer is the one of supervisord, headers and their order included', { skip }, async () => {
  await using world = await makeWorld();
  await using theirs = await startSupervisord(world);
  await using ours = await serveOurs(world);
  const keep = 'Connection: keep-alive';
  for (const request of [
    post(call('supervisor.getState')),
    post(call('supervisor.getState')).replace('HTTP/1.1', 'HTTP/1.0'),
    post(call('supervisor.getState'), [keep]).replace('HTTP/1.1', 'HTTP/1.0'),
    post(call('supervisor.getState'), ['Connection: close']),
    post(call('supervisor.getState')).replace('/RPC2', '/RPC2/x?y'),
    post(call('supervisor.nope')),
    post(call('nope')),
    post(call('supervisor._getAllProcesses')),
    post(call('supervisor.a.b')),
    post(call('supervisor.getState', 1)),
    post(call('supervisor.getProcessInfo')),
    post(call('supervisor.getProcessInfo', 'no<such>')),
    post(call('supervisor.startProcess', 'web')),
    post(call('system.methodHelp', 'x')),
    post(call('system.methodSignature', 'supervisor.startProcess')),
    post(call('system.listMethods')),
    post(call('system.multicall', [])),
    post(
      call('system.multicall', [
        { methodName: 'supervisor.getState' },
        { methodName: 'supervisor.nope' },
        {},
      ]),
    ),
    post('<a>'),
    post('<methodCall><methodName></methodName></methodCall>'),
    post(call('supervisor.getState')).replace(/Content-Length.*\r\n/, ''),
    get('/RPC2', []),
    'PUT /x HTTP/1.1\r\n\r\n',
    get('/nope', []),
    get('/ok.html', []),
    post('', []).replace('/RPC2', '/nope'),
    get('/logtail/nope', []),
    get('/logtail/web/stdin', []),
    post('').replace('/RPC2', '/logtail/web'),
    get('/index.html?action=refresh', []),
    get('/index.html?action=refresh', []).replace('localhost', 'a.b:80'),
    get('/index.html?action=nope', []),
    get('/index.html?action=start&processname=no%3Csuch', []),
    get('/index.html?action=start&processname=web', []).replace('localhost', 'a.b:9001'),
    get('/?action=clearlog&processname=web', []),
  ]) {
    // supervisord reads the methods of all namespaces; ours are the same by name.
    assert.equal(
      timeless(await askOpen(ours.path, request)),
      timeless(await askOpen(theirs.path, request)),
      request,
    );
  }
});

test('the help of every method is the one of supervisord', { skip }, async () => {
  await using world = await makeWorld();
  await using theirs = await startSupervisord(world);
  await using ours = await serveOurs(world);
  const list = await askOpen(theirs.path, post(call('system.listMethods')));
  const names = [...list.matchAll(/<string>([^<]+)<\/string>/g)].map(([, name]) => name!);
  assert.ok(names.length > 40);
  for (const name of names)
    for (const method of ['system.methodHelp', 'system.methodSignature']) {
      const request = post(call(method, name));
      assert.equal(
        timeless(await askOpen(ours.path, request)),
        timeless(await askOpen(theirs.path, request)),
        name,
      );
    }
});

test('a log is followed as supervisord follows it, through rotation, and through truncation', {
  skip,
}, async () => {
  await using world = await makeWorld();
  await using theirs = await startSupervisord(world);
  await using ours = await serveOurs(world);
  const file = world.path('web.log');
  writeFileSync(file, `${'x'.repeat(2000)}\nlast line\n`);
  using left = new RawClient(ours.path);
  using right = new RawClient(theirs.path);
  const both = [left, right];
  for (const client of both) client.say(get('/logtail/web', []));
  const arrived = (text: RegExp): Promise<void> =>
    until(
      () => {
        for (const client of both) assert.match(client.heard, text);
      },
      { withinMs },
    );
  await arrived(/last line\n/);
  appendFileSync(file, 'added\n');
  await arrived(/\r\n6\r\nadded\n\r\n/);
  renameSync(file, `${file}.1`);
  writeFileSync(file, 'a new file\n');
  await arrived(/a new file\n/);
  assert.equal(timeless(left.heard), timeless(right.heard));
  // What supervisord means to say, and stumbles over: it is text to it where there have to be bytes.
  writeFileSync(file, '');
  await until(() => assert.match(left.heard, /\r\n17\r\n==> File truncated <==\n\r\n/), { withinMs });
  appendFileSync(file, 'again\n');
  await until(() => assert.match(left.heard, /\r\n6\r\nagain\n\r\n/), { withinMs });
});

test('a description is the one that supervisord computes', { skip }, async () => {
  await using world = await makeWorld();
  const states = [
    'RUNNING',
    'STOPPED',
    'EXITED',
    'FATAL',
    'BACKOFF',
    'STARTING',
  ] as const satisfies ProcessStateName[];
  const times = [
    0, 1, 59, 3600, 86_399, 86_400, 90_061, 172_800, 40_000_000, 1_795_264_142, 1_781_000_000, 2_140_000_000,
  ];
  const cases = states.flatMap((state) =>
    times.flatMap((start) => times.map((other) => ({ state, start, other }))),
  );
  const zone = 'America/St_Johns';
  const program = `
import json, sys
sys.path.insert(0, '/usr/lib/python3/dist-packages')
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
tell = SupervisorNamespaceRPCInterface(None)._interpretProcessInfo
print(json.dumps([tell(info) for info in json.load(open(sys.argv[1]))]))
`;
  const infos = cases.map(({ state, start, other }) => ({
    state: processStates[state],
    start,
    stop: other,
    now: other,
    pid: 7,
    name: 'web',
    spawnerr: '',
  }));
  writeFileSync(world.path('cases'), JSON.stringify(infos));
  const { stdout } = await world.run(['/usr/bin/python3', '-c', program, world.path('cases')], {
    env: { TZ: zone },
  });
  const offset = (seconds: number): number => {
    const name = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })
      .formatToParts(seconds * 1000)
      .find(({ type }) => type === 'timeZoneName')!.value;
    const [, sign, hours, minutes, rest] = /GMT([+-])(\d+):(\d+)(?::(\d+))?/.exec(name)!;
    return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes) + Number(rest ?? 0) / 60);
  };
  const ours = cases.map(({ state, start, other }) => {
    const at = (seconds: number): EpochMs | null => (seconds === 0 ? null : ((seconds * 1000) as EpochMs));
    return processInfo(
      {
        name: 'web',
        group: 'web',
        state,
        startedAt: at(start),
        stoppedAt: at(other),
        spawnError: null,
        exitStatus: 0,
        stdoutLogFile: null,
        stderrLogFile: null,
        pid: 7,
      },
      (other * 1000) as EpochMs,
      offset,
    ).description;
  });
  assert.deepEqual(ours, JSON.parse(stdout));
});

const CLIENT = `
import http.client, socket, sys, xmlrpc.client
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])
class Transport(xmlrpc.client.Transport):
    def make_connection(self, host):
        self._connection = host, Connection('localhost')
        return self._connection[1]
proxy = xmlrpc.client.ServerProxy('http://' + sys.argv[2], transport=Transport() if sys.argv[1] else None)
for round in range(3):
    print(proxy.supervisor.getState()['statename'])
try:
    proxy.supervisor.getProcessInfo('käse')
except xmlrpc.client.Fault as fault:
    print(fault.faultCode, fault.faultString)
print(len(proxy.system.listMethods()), proxy.supervisor.readProcessStdoutLog('web', 0, 0))
`;

test("Python's xmlrpc.client works over a socket and over TCP with a password", { skip }, async () => {
  await using world = await makeWorld();
  await using ours = await serveOurs(world);
  const expected = 'RUNNING\nRUNNING\nRUNNING\n10 BAD_NAME: käse\n41 hello\n\n';
  const env = { PYTHONIOENCODING: 'utf-8' };
  const overSocket = await world.run(['/usr/bin/python3', '-c', CLIENT, ours.path, 'localhost'], { env });
  assert.equal(overSocket.stdout, expected, overSocket.stderr);
  const handler = makeSupervisorHandler({
    methods: makeMethods({ getState: () => ({ statecode: 1, statename: 'RUNNING' }) }),
    logs: noLogs,
    log: ours.journal.log,
  });
  const overTcp = await HttpServer.listen(
    { kind: 'inet', host: '127.0.0.1', port: 0 },
    {
      section: 'inet_http_server',
      credentials: { username: 'user', password: 'p' },
      handler,
      log: ours.journal.log,
    },
  );
  try {
    const client = async (login: string) =>
      world.run(['/usr/bin/python3', '-c', CLIENT, '', `${login}127.0.0.1:${overTcp.port}`], { env });
    assert.match((await client('user:p@')).stdout, /^RUNNING\nRUNNING\nRUNNING\n30 FAILED/);
    assert.match((await client('user:x@')).stderr, /ProtocolError.* 401 Unauthorized/);
    assert.match((await client('')).stderr, /ProtocolError.* 401 Unauthorized/);
  } finally {
    overTcp.close();
  }
});
