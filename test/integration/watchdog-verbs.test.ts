// status, list, logs, signal and forget of a watched program: each is about the program, not about its watchdog.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { DaemonStatus } from '../../src/runtime/status.js';
import { isAlive } from '../support/proc.js';
import { openTheatre } from '../support/puppets.js';
import { until } from '../support/until.js';
import { makeWatchedWorld } from '../support/watched.js';

const atOnce = ['--backoff', '0'];

test('status shows the program, how often it was restarted, and how its last run ended', async () => {
  await using world = await makeWatchedWorld();
  await using theatre = await openTheatre(world);
  await world.watched([...atOnce, '--pidfile', 'x.pid', '--output', 'web.log'], theatre.argv());
  void (await theatre.next()).tell({ do: 'exit', code: 3 });
  process.kill((await theatre.next()).pid, 'SIGKILL');
  const { pid } = await theatre.next();
  const { uptimeMs, cpuMs, memoryBytes, startedAt, ...status } = await world.status();
  const watchdog = status.watchdog.pid;
  assert.deepEqual(status, {
    name: 'web',
    state: 'running',
    code: 0,
    reason: `held by watchdog ${watchdog}, last run: killed by SIGKILL`,
    pid,
    pidfile: world.path('x.pid'),
    command: theatre.argv(),
    outputs: [world.path('web.log')],
    watchdog: {
      pid: watchdog,
      restarts: 2,
      lastExit: 'killed by SIGKILL',
      nextStartAt: null,
      status: null,
      isReloading: false,
    },
  });
  assert.deepEqual(world.watchdogs(), [watchdog]);
  for (const value of [uptimeMs, cpuMs, memoryBytes]) assert.equal(typeof value, 'number');
  assert.ok(!Number.isNaN(Date.parse(startedAt!)));
  const { code, stdout } = await world.tsdaemon(['status', '--pidfile', 'x.pid']);
  assert.equal(code, 0);
  assert.match(stdout, new RegExp(`^web: running, process ${pid}, .*, watchdog ${watchdog}, 2 restarts`));
});

test('status --json of a daemon without a watchdog says so', async () => {
  await using world = await makeWatchedWorld();
  await world.daemon(['--name', 'web', '--', 'sleep', '300']);
  const { watchdog } = (await world.status()) as DaemonStatus;
  assert.equal(watchdog, null);
});

test('list has one line for a watched program, and shows where it stands', async () => {
  await using world = await makeWatchedWorld();
  const pid = await world.watched([], ['sleep', '300']);
  await world.watched(['--name', 'crashed', '--delay', '60'], ['sh', '-c', 'exit 1']);
  await world.watched(['--name', 'hopeless', '--max-restarts', '0'], ['sh', '-c', 'exit 1']);
  await world.whenState('waiting', 'crashed');
  await world.whenState('fatal', 'hopeless');
  const { stdout } = await world.tsdaemon(['list']);
  const rows = stdout
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/).slice(0, 3));
  assert.deepEqual(rows, [
    ['crashed', '-', 'waiting'],
    ['hopeless', '-', 'fatal'],
    ['web', String(pid), 'running'],
  ]);
  const all = JSON.parse((await world.tsdaemon(['list', '--json'])).stdout) as DaemonStatus[];
  assert.deepEqual(
    all.map(({ name, watchdog }) => [name, watchdog?.restarts, watchdog?.lastExit]),
    [
      ['crashed', 0, 'exit code 1'],
      ['hopeless', 0, 'exit code 1'],
      ['web', 0, null],
    ],
  );
});

test('logs shows what all runs have printed', async () => {
  await using world = await makeWatchedWorld();
  const script = 'echo $$ >> pids; echo out of $(wc -l < pids); echo err >&2; exit 1';
  await world.watched(
    ['--max-restarts', '2', ...atOnce, '--stdout', 'out', '--stderr', 'err'],
    ['sh', '-c', script],
  );
  await world.whenState('fatal');
  const { stdout } = await world.tsdaemon(['logs', 'web']);
  for (const line of ['out of 1', 'out of 2', 'out of 3', 'err'])
    assert.ok(stdout.includes(`${line}\n`), stdout);
  assert.equal(world.read('err'), 'err\nerr\nerr\n');
});

test('logs -f goes on across restarts', async () => {
  await using world = await makeWatchedWorld();
  await using theatre = await openTheatre(world);
  await world.watched(atOnce, theatre.argv());
  const first = await theatre.next();
  const reader = world.start(['tsdaemon', 'logs', '-f', 'web'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let shown = '';
  reader.stdout!.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  await first.tell({ do: 'print', to: 'stdout', text: 'one\n' });
  await until(() => assert.equal(shown, 'one\n'), { withinMs: 10_000 });
  void first.tell({ do: 'exit', code: 1 });
  const second = await theatre.next();
  await second.tell({ do: 'print', to: 'stderr', text: 'two\n' });
  await until(() => assert.equal(shown, 'one\ntwo\n'), { withinMs: 10_000 });
  reader.kill('SIGTERM');
});

test('signal reaches the program and not the watchdog', async () => {
  await using world = await makeWatchedWorld();
  await using theatre = await openTheatre(world);
  await world.watched([], theatre.argv());
  const puppet = await theatre.next();
  await puppet.tell({ do: 'catch', signals: ['SIGUSR2', 'SIGHUP', 'SIGTERM'] });
  const watchdog = await world.watchdogPid();
  for (const signal of ['USR2', 'HUP', 'TERM']) {
    const { code, stderr } = await world.tsdaemon(['signal', 'web', signal]);
    assert.deepEqual([code, stderr], [0, '']);
    await until(() => assert.equal(puppet.signals.at(-1), `SIG${signal}`), { withinMs: 5000 });
  }
  assert.deepEqual([isAlive(puppet.pid), isAlive(watchdog)], [true, true]);
});

test('signal --group reaches the program’s process group and not the watchdog', async () => {
  await using world = await makeWatchedWorld();
  await using theatre = await openTheatre(world);
  await world.watched([], theatre.argv());
  const puppet = await theatre.next();
  await puppet.tell({ do: 'catch', signals: ['SIGUSR1'] });
  const grandchild = (await puppet.tell({ do: 'start-grandchild' })) as number;
  const watchdog = await world.watchdogPid();
  const { code, stderr } = await world.tsdaemon(['signal', '--group', 'web', 'USR1']);
  assert.deepEqual([code, stderr], [0, '']);
  await until(
    () => {
      assert.deepEqual(puppet.signals, ['SIGUSR1']);
      assert.equal(isAlive(grandchild), false);
    },
    { withinMs: 5000 },
  );
  assert.deepEqual([isAlive(puppet.pid), isAlive(watchdog)], [true, true]);
});

test('signal KILL is a death like any other: the program comes back', async () => {
  await using world = await makeWatchedWorld();
  await using theatre = await openTheatre(world);
  const pid = await world.watched(atOnce, theatre.argv());
  await theatre.next();
  await world.tsdaemon(['signal', 'web', 'KILL']);
  assert.notEqual((await theatre.next()).pid, pid);
});

test('signal to a program that waits for its next start is an error, and nobody gets it', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(['--delay', '60'], ['true']);
  const { watchdog } = await world.whenState('waiting');
  for (const flags of [[], ['--group']]) {
    const { code, stderr } = await world.tsdaemon(['signal', ...flags, 'web', 'KILL']);
    assert.equal(code, 1);
    assert.match(stderr, /^tsdaemon: cannot signal 'web': it does not run[^\n]*\n$/);
  }
  assert.ok(isAlive(watchdog.pid!));
  assert.equal((await world.status()).state, 'waiting');
});

test('a name or pidfile that a watchdog holds is taken, while the program waits to be started too', async () => {
  await using world = await makeWatchedWorld();
  const pid = await world.watched(['--pidfile', 'x.pid'], ['sleep', '300']);
  await world.watched(['--name', 'db', '--pidfile', 'y.pid', '--delay', '60'], ['true']);
  const { watchdog } = await world.whenState('waiting', 'db');
  for (const [flags, holder] of [
    [['--name', 'web'], pid],
    [['--name', 'other', '--pidfile', 'x.pid'], pid],
    [['--pidfile', 'x.pid'], pid],
    [['--name', 'db'], watchdog.pid],
    [['--name', 'other', '--pidfile', 'y.pid'], watchdog.pid],
  ] as const) {
    for (const policy of [[], ['--restart', 'always']]) {
      const { code, stderr } = await world.tsdaemon(['run', ...policy, ...flags, '--', 'sleep', '301']);
      assert.equal(code, 125, flags.join(' '));
      assert.match(
        stderr,
        new RegExp(`^tsdaemon: cannot start [^\\n]*already running as process ${holder}\\n$`),
      );
    }
  }
  assert.deepEqual(world.programs(), [pid]);
  assert.equal(world.watchdogs().length, 2);
});

test('of 10 simultaneous starts with one name one succeeds, and one program and one watchdog run', async () => {
  await using world = await makeWatchedWorld();
  const all = Array.from({ length: 10 }, () =>
    world.runWatched(['--pidfile', 'x.pid'], ['sleep', '300'], { withinMs: 60_000 }),
  );
  const outcomes = await Promise.all(all);
  assert.deepEqual(outcomes.map(({ code }) => code).sort(), [0, ...Array(9).fill(125)]);
  const [winner] = outcomes.filter(({ code }) => code === 0);
  assert.deepEqual(world.programs(), [Number(winner!.stdout)]);
  assert.equal(world.watchdogs().length, 1);
});

test('forget refuses a program that is held, also while it waits, and takes one that is not', async () => {
  await using world = await makeWatchedWorld();
  await world.watched([], ['sleep', '300']);
  await world.watched(['--name', 'db', '--delay', '60'], ['true']);
  await world.whenState('waiting', 'db');
  for (const name of ['web', 'db']) {
    assert.equal((await world.tsdaemon(['forget', name])).code, 2);
    assert.equal((await world.tsdaemon(['stop', name])).code, 0);
    assert.equal((await world.tsdaemon(['forget', name])).code, 0);
  }
  assert.equal((await world.tsdaemon(['list', '--json'])).stdout, '[]\n');
});

test('a name that was watched can be used without a watchdog, and the other way round', async () => {
  await using world = await makeWatchedWorld();
  await world.watched(atOnce, ['sleep', '300']);
  await world.tsdaemon(['stop', 'web']);
  const pid = await world.daemon(['--name', 'web', '--', 'sleep', '300']);
  const plain = (await world.status()) as DaemonStatus;
  assert.deepEqual([plain.state, plain.pid, plain.watchdog], ['running', pid, null]);
  await world.tsdaemon(['stop', 'web']);
  const again = await world.watched(atOnce, ['sleep', '300']);
  const status = await world.status();
  assert.deepEqual([status.pid, status.watchdog.restarts, status.watchdog.lastExit], [again, 0, null]);
});
