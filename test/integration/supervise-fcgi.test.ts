// Programs that share a listening socket, which their supervisor holds for them.
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { connect, createServer, type IpcNetConnectOpts, type TcpNetConnectOpts } from 'node:net';
import { test } from 'node:test';
import { freePort } from '../support/shaky.js';
import { makeBoth, needsSupervisord, startAll, TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const withinMs = 15_000;

/** Accepts from its standard input and says who it is. */
const answers = `${process.execPath} -e "require('net').createServer((s) => s.end('' + process.pid)).listen({ fd: 0 })"`;

const asked = (to: TcpNetConnectOpts | IpcNetConnectOpts): Promise<number> =>
  new Promise((resolve, reject) => {
    let heard = '';
    connect(to)
      .on('data', (piece) => {
        heard += piece.toString();
      })
      .on('end', () => resolve(Number(heard)))
      .on('error', reject);
  });

test('the members of an fcgi program accept from one socket, of the mode that was asked for, as under supervisord', {
  skip: needsSupervisord,
}, async () => {
  await using world = await makeWorld();
  const both = makeBoth(
    world,
    `[fcgi-program:web]
command=${answers}
socket=unix://%(here)s/web.sock
socket_mode=0640
socket_backlog=7
numprocs=2
process_name=%(process_num)s
startsecs=0
`,
  );
  await using ours = both[0];
  await using _ = both[1];
  await startAll(both);
  for (const each of both) {
    const pids = [await each.pidOf('web:0'), await each.pidOf('web:1')];
    await until(async () => assert.ok(pids.includes(await asked({ path: each.path('web.sock') }))), {
      withinMs,
    });
    assert.equal(statSync(each.path('web.sock')).mode & 0o777, 0o640, each.whose);
  }
  const pids = [await ours.pidOf('web:0'), await ours.pidOf('web:1')];
  ours.child.kill('SIGKILL');
  await ours.ends();
  assert.ok(pids.includes(await asked({ path: ours.path('web.sock') })), 'nobody is needed to hold it');
  await ours.start();
  assert.deepEqual([await ours.pidOf('web:0'), await ours.pidOf('web:1')], pids);
  await ours.call('supervisor.stopProcess', 'web:0');
  await ours.call('supervisor.stopProcess', 'web:1');
  await ours.call('supervisor.startProcess', 'web:1');
  const next = await ours.pidOf('web:1');
  await until(async () => assert.equal(await asked({ path: ours.path('web.sock') }), next), { withinMs });
});

/** A name of this machine that is not the one everybody has. */
const ownName = readFileSync('/etc/hosts', 'utf8')
  .split('\n')
  .flatMap((line) => (/^127\.\S+\s/.test(line) ? line.replace(/#.*/, '').trim().split(/\s+/).slice(1) : []))
  .find((name) => !name.startsWith('localhost'));

test('the socket of an fcgi program may be on a name of this machine', {
  skip: ownName === undefined && 'needs a name in /etc/hosts',
}, async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const port = await freePort();
  ours.configure(`[fcgi-program:web]\ncommand=${answers}\nsocket=tcp://${ownName}:${port}\nstartsecs=0\n`);
  await ours.start();
  const pid = await ours.pidOf('web');
  await until(async () => assert.equal(await asked({ host: ownName, port }), pid), { withinMs });
});

test('a supervisor that cannot have the socket of an fcgi program does not begin, and says why', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure('[fcgi-program:web]\ncommand=cat\nsocket=tcp://no.such.name.invalid:9\n');
  for (const words of [['-n'], []]) {
    const { code, stderr } = await world.run(['tsdaemon', 'supervise', '-c', ours.path('conf'), ...words]);
    assert.match(stderr, /^Error: cannot listen on tcp:\/\/no\.such\.name\.invalid:9: .*\/etc\/hosts/);
    assert.equal(code, 2);
  }
});

test('a reload whose new fcgi program cannot have its socket costs that program only', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const plain = '[program:plain]\ncommand=sleep 1000\nstartsecs=0\n';
  ours.configure(plain);
  await ours.start();
  const pid = await ours.pidOf('plain');
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as { port: number };
  const fcgi = `[fcgi-program:web]\ncommand=${answers}\nsocket=tcp://127.0.0.1:${port}\nstartsecs=0\nstartretries=0\n`;
  ours.configure(plain + fcgi);
  ours.child.kill('SIGHUP');
  const info = await until(async () => ours.reaches('web', 'FATAL'), { withinMs });
  assert.match(info.spawnerr as string, /cannot listen on tcp:\/\/127\.0\.0\.1:\d+: .*EADDRINUSE/);
  assert.equal(await ours.pidOf('plain'), pid);
  await new Promise((resolve) => taken.close(resolve));
  assert.equal(await ours.call('supervisor.startProcess', 'web'), true);
  const next = await ours.pidOf('web');
  await until(async () => assert.equal(await asked({ host: '127.0.0.1', port }), next), { withinMs });
});

test('a member of an fcgi program whose socket had to be opened anew after a kill -9 is heard as before', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  // Nothing can be taken from those who have closed the socket.
  ours.configure(`[fcgi-program:web]
command=sh -c 'exec < /dev/null; trap "echo heard" USR1; while :; do sleep 0.05; done'
socket=unix://%(here)s/web.sock
numprocs=2
process_name=%(process_num)s
startsecs=0
stdout_logfile=%(here)s/%(process_num)s.log
stdout_events_enabled=true
`);
  await ours.start();
  const pids = [await ours.pidOf('web:0'), await ours.pidOf('web:1')];
  ours.child.kill('SIGKILL');
  await ours.ends();
  await ours.start();
  assert.deepEqual([await ours.pidOf('web:0'), await ours.pidOf('web:1')], pids);
  await ours.call('supervisor.stopProcess', 'web:0');
  await ours.call('supervisor.startProcess', 'web:0');
  await ours.call('supervisor.signalProcess', 'web:1', 'USR1');
  await until(() => assert.equal(ours.read('1.log'), 'heard\n'), { withinMs });
});
