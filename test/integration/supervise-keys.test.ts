// Keys that supervisord does not know do in a file what they do as options of `run`, and [supervisord] has its own.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const withinMs = 20_000;

/** Says in a file of its own that it was started. The last of two keys counts. */
const notes = (name: string, then: string, ...keys: readonly string[]): string =>
  [
    `[program:${name}]`,
    `command=/bin/sh -c "echo run >> %(here)s/${name}.runs; ${then}"`,
    'startsecs=0',
    ...keys,
    '',
  ].join('\n');

const FOREVER = 'exec sleep 1000';
/** As much as a log of 100 KB is cut into three by. */
const FLOOD = `head -c 300000 /dev/zero; ${FOREVER}`;
const HOG = `exec ${process.execPath} -e 'globalThis.x = Buffer.alloc(3e8, 1); setInterval(() => {}, 1e6)'`;

const config = [
  notes('unhealthy', FOREVER, 'liveness=cmd:false', 'liveness_interval=0.1'),
  notes('silent', FOREVER, 'heartbeat=0.3'),
  notes('hog', HOG, 'max_memory=250MB', 'liveness_interval=0.1'),
  notes('timed', 'exit 0', 'cron=* * * * * *', 'autorestart=false'),
  notes(
    'fails',
    'exit 1',
    'startsecs=10',
    'restart_delay=0.1',
    'backoff_factor=3',
    'backoff_max=0.2',
    'jitter=0.5',
    'startretries=5',
  ),
  notes('ready', `sleep 0.3; touch %(here)s/is-ready; ${FOREVER}`, 'ready=cmd:test -e %(here)s/is-ready'),
  notes('late', FOREVER, 'ready=cmd:false', 'ready_timeout=0.2', 'startretries=0'),
  notes('forks', 'sleep 1000 & echo $! > %(here)s/forks.pid', 'pid_file=%(here)s/forks.pid'),
  notes('env', `env > %(here)s/env; ${FOREVER}`, 'env_file=vars', 'environment=OWN="program"'),
  notes(
    'flood',
    FLOOD,
    'stdout_logfile=%(here)s/flood.log',
    'stdout_logfile_maxbytes=100KB',
    'log_compress=true',
  ),
].join('\n');

test('the keys that supervisord does not know are honoured in a file', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  writeFileSync(ours.path('vars'), 'FROM_FILE=yes\nOWN=file\n');
  ours.configure(config);
  await ours.start();
  const runs = (name: string): number => ours.read(`${name}.runs`).split('\n').length - 1;
  for (const name of ['unhealthy', 'silent', 'hog', 'timed'])
    await until(() => assert.ok(runs(name) >= 2, name), { withinMs });
  const log = ours.read('main.log');
  assert.match(log, /ERRO unhealthy: program is not healthy: exited with 1/);
  assert.match(log, /ERRO hog: program is not healthy: it holds \d+ bytes/);

  await ours.reaches('fails', 'FATAL');
  assert.equal(runs('fails'), 6);
  await ours.reaches('ready', 'RUNNING');
  assert.ok(ours.isLeft('is-ready'));
  await ours.reaches('late', 'FATAL');
  await ours.reaches('forks', 'RUNNING');
  await until(async () => assert.equal(await ours.pidOf('forks'), Number(ours.read('forks.pid'))), {
    withinMs,
  });
  await until(() => assert.match(ours.read('env'), /^SUPERVISOR_PROCESS_NAME=env$/m), { withinMs });
  const env = ours.read('env').split('\n');
  assert.ok(env.includes('FROM_FILE=yes') && env.includes('OWN=program'));
  await until(() => assert.ok(ours.isLeft('flood.log.1.gz')), { withinMs });
});

test('[supervisord] decides about AUTO logs and what every program is told', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  mkdirSync(ours.path('logs'));
  for (const [nocleanup, isKept] of [
    ['true', true],
    ['false', false],
  ] as const) {
    const old = `logs/old-stdout---site-aaaaaaaa.log`;
    writeFileSync(ours.path(old), '');
    ours.configure('');
    const head = ours.read('conf').replace('childlogdir=%(here)s\n', '');
    writeFileSync(
      ours.path('conf'),
      `${head}identifier=site
childlogdir=%(here)s/logs
nocleanup=${nocleanup}
strip_ansi=true
environment=TOLD="%(here)s"
[program:p]
command=/bin/sh -c "printf '\\033[1mbold\\033[0m '; echo $TOLD; exec sleep 1000"
`,
    );
    await ours.start();
    const written = () => readdirSync(ours.path('logs')).find((name) => name.startsWith('p-stdout---site-'))!;
    await until(
      () => assert.equal(readFileSync(ours.path(`logs/${written()}`), 'utf8'), `bold ${ours.folder}\n`),
      { withinMs },
    );
    assert.equal(ours.isLeft(old), isKept);
    await ours.stop();
  }
});

test('the end of a program that went into the background by itself is its own, not that of a stranger', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const forks = notes(
    'forks',
    'sleep 1000 & echo $! > %(here)s/forks.pid',
    'pid_file=%(here)s/forks.pid',
    'autorestart=true',
  );
  ours.configure(`loglevel=debug\n${forks}`);
  await ours.start();
  const follows = (): Promise<number> =>
    until(
      async () => {
        const pid = await ours.pidOf('forks');
        assert.equal(pid, Number(ours.read('forks.pid')));
        return pid;
      },
      { withinMs },
    );
  await ours.reaches('forks', 'RUNNING');
  const first = await follows();
  process.kill(first, 'SIGKILL');
  await until(() => assert.notEqual(Number(ours.read('forks.pid')), first), { withinMs });
  await follows();
  const log = ours.read('main.log');
  assert.match(log, /exited: forks \(terminated by SIGKILL; not expected\)/);
  assert.ok(!log.includes(`reaped unknown pid ${first}`), log);
});
