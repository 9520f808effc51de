// What a program, a log or a client can do wrong, and the supervisor goes on.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Crowd } from '../support/crowd.js';
import { packageRoot } from '../support/package-root.js';
import { limitOf } from '../support/proc.js';
import { freePort } from '../support/shaky.js';
import { makeBoth, needsSupervisord, TestSupervisor } from '../support/supervisors.js';
import { needs, needsLinux, type Skip } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

test('a log whose folder has gone makes its program fail, and nobody else', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  mkdirSync(ours.path('logs'));
  ours.configure(`
[program:homeless]
command=sleep 1000
stdout_logfile=%(here)s/logs/homeless
startretries=0
startsecs=0
[program:other]
command=sleep 1000
startsecs=0
`);
  await ours.start();
  await ours.reaches('homeless', 'RUNNING');
  rmSync(ours.path('logs'), { recursive: true });
  assert.equal(await ours.answer('stopProcess', 'homeless'), true);
  assert.deepEqual(await ours.answer('startProcess', 'homeless'), {
    fault: 50,
    text: 'SPAWN_ERROR: homeless',
  });
  const info = await ours.reaches('homeless', 'FATAL');
  assert.match(info.spawnerr as string, /logs\/homeless/);
  assert.equal((await ours.info('other')).statename, 'RUNNING');
  mkdirSync(ours.path('logs'));
  assert.equal(await ours.answer('startProcess', 'homeless'), true);
});

test('when the folder of all logs has gone, a reopening and a clearing of logs harm nobody, and it can come back', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  mkdirSync(ours.path('logs'));
  ours.configure(`
[program:seen]
command=/bin/sh -c "while :; do echo line; sleep 0.02; done"
stdout_logfile=%(here)s/logs/seen
stdout_events_enabled=true
startsecs=0
`);
  await ours.start({ args: ['-n', '-l', ours.path('logs/main.log')] });
  const { pid } = await ours.reaches('seen', 'RUNNING');
  rmSync(ours.path('logs'), { recursive: true });
  process.kill(ours.pid, 'SIGUSR2');
  const failed = 'cannot write the main log: cannot open output ';
  await until(() => assert.ok(ours.output.includes(`ERRO ${failed}`), ours.output), { withinMs: 5000 });
  assert.deepEqual(await ours.answer('clearProcessLogs', 'seen'), { fault: 30, text: 'FAILED: seen' });
  assert.deepEqual(await ours.answer('clearLog'), { fault: 20, text: 'NO_FILE' });
  process.kill(ours.pid, 'SIGHUP');
  await until(() => assert.match(ours.output, /CRIT cannot restart: /), { withinMs: 5000 });
  assert.equal(await ours.pidOf('seen'), pid);
  mkdirSync(ours.path('logs'));
  process.kill(ours.pid, 'SIGUSR2');
  await until(
    () => {
      assert.match(ours.read('logs/main.log'), /supervisord logreopen\n/);
      assert.match(ours.read('logs/seen'), /^line\n/);
    },
    { withinMs: 5000 },
  );
});

test('programs log to the standard output of a supervisor in a container, as under supervisord', {
  skip: needsSupervisord,
}, async () => {
  await using world = await makeWorld();
  const both = makeBoth(
    world,
    `
[program:says]
command=/bin/sh -c "echo to stdout; echo to stderr >&2; exec sleep 1000"
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
stderr_logfile=/dev/stderr
stderr_logfile_maxbytes=0
startsecs=0
[program:by-number]
command=/bin/sh -c "echo by number; exec sleep 1000"
stdout_logfile=/dev/fd/1
stdout_logfile_maxbytes=0
redirect_stderr=true
startsecs=0
`,
  );
  await using ours = both[0];
  await using theirs = both[1];
  // What Node makes for a child are sockets: supervisord cannot open those, and gets files in their place.
  await Promise.all([
    ours.start(),
    theirs.start({ via: ['/bin/sh', '-c', 'exec "$@" >>output 2>&1', 'sh'] }),
  ]);
  const outputOf = (each: TestSupervisor): string => (each === ours ? each.output : each.read('output'));
  for (const each of [ours, theirs])
    await until(
      () => {
        for (const line of ['to stdout', 'to stderr', 'by number'])
          assert.ok(outputOf(each).includes(`${line}\n`), `${each.whose}: ${outputOf(each)}`);
      },
      { withinMs: 5000 },
    );
});

test('with no descriptors left a program is BACKOFF, and starts when there are some', {
  skip: needs('prlimit'),
}, async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(`
[program:waits]
command=sleep 1000
autostart=false
startsecs=0
startretries=20
`);
  await ours.start();
  const { pid } = ours.child;
  const used = Number((await world.sh(`ls /proc/${pid}/fd | wc -l`)).stdout);
  // What is open stays open; one connection may still come in.
  assert.equal((await world.run(['prlimit', `--pid=${pid}`, `--nofile=${used + 1}:`])).code, 0);
  assert.deepEqual(await ours.answer('startProcess', 'waits', false), {
    fault: 50,
    text: 'SPAWN_ERROR: waits',
  });
  assert.match((await ours.info('waits')).spawnerr as string, /EMFILE|too many open files/);
  assert.equal((await world.run(['prlimit', `--pid=${pid}`, '--nofile=1024:'])).code, 0);
  await ours.reaches('waits', 'RUNNING');
});

const CONNECTIONS = 10_000;
const canConnect = (): Skip =>
  needsLinux ||
  (limitOf(process.pid, 'Max open files').soft < CONNECTIONS + 500 && `needs ${CONNECTIONS} open files`);

test('10,000 connections at once keep no program from its restart, and no other client waits', {
  skip: canConnect() || needs('prlimit'),
}, async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const port = await freePort();
  ours.configure(`
[inet_http_server]
port=127.0.0.1:${port}
[program:ends]
command=sleep 0.1
startsecs=0
autorestart=true
[program:stays]
command=sleep 1000
startsecs=0
`);
  // No more descriptors than supervisord asks for.
  await ours.start({ via: ['prlimit', '--nofile=1024:1024'] });
  const starts = (): number =>
    ours.logLines().filter((line) => line.startsWith("INFO spawned: 'ends'")).length;
  using crowd = new Crowd();
  for (const address of [{ path: ours.path('sock') }, { host: '127.0.0.1', port }]) {
    await crowd.connect(CONNECTIONS / 2, address);
    const before = starts();
    await until(() => assert.ok(starts() > before + 2), { withinMs: 10_000 });
    assert.equal((await ours.info('stays')).statename, 'RUNNING');
    assert.equal(await ours.answer('stopProcess', 'stays'), true);
    assert.equal(await ours.answer('startProcess', 'stays'), true);
  }
  assert.equal(crowd.size, CONNECTIONS);
  assert.doesNotMatch(ours.read('main.log'), /spawnerr|FATAL|EMFILE/);
});

test('nginx runs under a section from the field', { skip: needs('nginx') }, async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const field = readFileSync(join(packageRoot, 'test/fixtures/supervisord/nginx.conf'), 'utf8');
  const command = /^command=(\/usr\/sbin\/nginx .*)'$/m.exec(field)?.[1];
  assert.ok(command !== undefined);
  const folder = ours.path('nginx');
  mkdirSync(folder);
  const settings = `pid ${folder}/pid; error_log stderr; events {} http { access_log off; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s; server { listen unix:${folder}/sock; } }`;
  writeFileSync(join(folder, 'conf'), settings);
  ours.configure(`
[program:nginx]
command=${command}' -p ${folder} -c ${folder}/conf
stderr_logfile=${folder}/errors
stopsignal=QUIT
`);
  await ours.start();
  const { pid } = await ours.reaches('nginx', 'RUNNING');
  assert.equal(Number(readFileSync(join(folder, 'pid'), 'utf8')), pid);
  assert.equal(await ours.answer('stopProcess', 'nginx'), true);
  assert.equal((await ours.info('nginx')).exitstatus, 0);
});

test('what is sent to a program arrives whole and in order, and nobody waits for one that does not read', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(`
[program:deaf]
command=sleep 1000
startsecs=0
[program:cat]
command=cat
stdout_logfile=%(here)s/cat
startsecs=0
`);
  await ours.start();
  await ours.reaches('cat', 'RUNNING');
  const lines = ['a', 'b', 'c'].map((letter) => `${letter.repeat(300_000)}\n`);
  const said = ['deaf', 'cat', 'cat', 'cat'].map((name, index) =>
    ours.answer('sendProcessStdin', name, lines[Math.max(0, index - 1)]!),
  );
  assert.deepEqual(await Promise.all(said), [true, true, true, true]);
  // Which of three that are under way at once is the first one is chance.
  await until(
    () =>
      assert.deepEqual(
        ours.read('cat').split('\n').slice(0, -1).sort(),
        lines.map((line) => line.trim()),
      ),
    { withinMs: 5000 },
  );
});
