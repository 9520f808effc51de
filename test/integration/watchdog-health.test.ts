// A program that hangs, leaks, misses its heartbeat, or whose files change, is started again; and one with a schedule
// is started when its time has come.
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { statusField } from '../support/proc.js';
import { askShaky, freePort, shaky } from '../support/shaky.js';
import { needsLinux } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWatchedWorld, type WatchedStatus, type WatchedWorld } from '../support/watched.js';

const skip = needsLinux;
const sender = fileURLToPath(new URL('../fixtures/notify-sender.js', import.meta.url));
const say = (word: string): string => `'${process.execPath}' '${sender}' '${word}'`;
const atOnce = ['--backoff', '0'];

/** The status after so many restarts, when it runs again. */
function whenRestarted(world: WatchedWorld, times: number): Promise<WatchedStatus> {
  return until(
    async () => {
      const status = await world.status();
      assert.deepEqual([status.state, status.watchdog.restarts], ['running', times], JSON.stringify(status));
      return status;
    },
    { withinMs: 20_000 },
  );
}

test('a Node server that crashes is there again', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const port = await freePort();
  await world.watched(['--ready', `http://127.0.0.1:${port}/`, ...atOnce], shaky(port));
  assert.equal(await askShaky(port, '/crash'), null);
  const { reason } = await whenRestarted(world, 1);
  assert.match(reason, /exit code 70/);
  assert.equal(await askShaky(port), 'on');
});

test('a Node server that hangs is aborted and started again', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const flags = [
    '--ready',
    url,
    '--liveness',
    url,
    '--liveness-interval',
    '0.1',
    '--liveness-timeout',
    '0.5',
  ];
  await world.watched([...flags, '--liveness-failures', '2', '--limit', 'core=0', ...atOnce], shaky(port));
  void askShaky(port, '/hang');
  const { reason } = await whenRestarted(world, 1);
  assert.match(reason, /heartbeat-lost, killed by SIGABRT/);
  assert.equal(await askShaky(port), 'on');
});

test('a Node server that leaks is started again before it holds more than --max-memory', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  const port = await freePort();
  const flags = [
    '--ready',
    `http://127.0.0.1:${port}/`,
    '--max-memory',
    '400M',
    '--liveness-interval',
    '0.2',
  ];
  const pid = await world.watched([...flags, ...atOnce], shaky(port));
  assert.equal(await askShaky(port, '/leak'), '1');
  // One is allowed; the check after the second one is what ends it.
  await askShaky(port, '/leak');
  const { reason, pid: next } = await whenRestarted(world, 1);
  assert.match(reason, /over-memory, killed by SIGTERM/);
  assert.notEqual(next, pid);
});

test('the memory of all its processes counts together', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const hold = 'const held = Buffer.alloc(150e6, 1); setInterval(() => held.length, 1e9)';
  const script = `'${process.execPath}' -e '${hold}' & '${process.execPath}' -e '${hold}' & wait`;
  const flags = ['--max-memory', '250M', '--liveness-interval', '0.2', '--restart', 'no'];
  await world.watched(flags, ['sh', '-c', script]);
  const { reason } = await world.whenState('stopped');
  assert.match(reason, /over-memory/);
});

test('--liveness cmd: a few bad answers are forgiven, and the command leaves nothing behind', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  // Two failures, one good answer, two failures: never three in a row.
  const check = 'cmd:echo x >> checks; sleep 300 & case $(wc -l < checks) in 1|2|4|5) exit 1;; esac';
  const flags = ['--liveness', check, '--liveness-interval', '0.1', '--liveness-failures', '3'];
  const pid = await world.watched(flags, ['sleep', '301']);
  await until(() => assert.ok(world.read('checks').length >= 20), { withinMs: 15_000 });
  const status = await world.status();
  assert.deepEqual([status.pid, status.watchdog.restarts], [pid, 0]);
  await world.tsdaemon(['stop', 'web']);
  await until(() => world.assertNothingRuns(), { withinMs: 5000 });
});

test('--liveness cmd: a command that hangs is a failure, and is ended', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const flags = ['--liveness', 'cmd:sleep 302', '--liveness-interval', '0.1', '--liveness-timeout', '0.3'];
  await world.watched(
    [...flags, '--liveness-failures', '1', '--abort-signal', 'KILL', '--restart', 'no'],
    ['sleep', '303'],
  );
  const { reason } = await world.whenState('stopped');
  assert.match(reason, /heartbeat-lost, killed by SIGKILL/);
  await until(() => world.assertNothingRuns(), { withinMs: 5000 });
});

test('--heartbeat: who sends it lives, and who stops sending is aborted and started again', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  const beat = `while ! [ -e quiet ]; do ${say('WATCHDOG=1')}; sleep 0.1; done; rm quiet; exec sleep 300`;
  const script = `echo "$WATCHDOG_USEC" > usec; ${say('READY=1')}; ${beat}`;
  const flags = ['--ready', 'notify', '--heartbeat', '2', '--limit', 'core=0', ...atOnce];
  const pid = await world.watched(flags, ['sh', '-c', script]);
  assert.equal(world.read('usec'), '2000000\n');
  // Longer than one heartbeat may take.
  await until(async () => assert.ok((await world.status()).uptimeMs! > 3000), { withinMs: 10_000 });
  assert.equal((await world.status()).pid, pid);
  await world.sh('touch quiet');
  const { reason } = await whenRestarted(world, 1);
  assert.match(reason, /heartbeat-lost, killed by SIGABRT/);
});

test('WATCHDOG=trigger is a heartbeat that is lost at once, and WATCHDOG_USEC= changes how often it must come', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  const script = `${say('READY=1')}; if [ -e again ]; then ${say('WATCHDOG_USEC=300000')}; else touch again; ${say('WATCHDOG=trigger')}; fi; exec sleep 300`;
  const flags = ['--ready', 'notify', '--heartbeat', '3600', '--limit', 'core=0', ...atOnce];
  await world.watched(flags, ['sh', '-c', script]);
  const { reason } = await whenRestarted(world, 2);
  assert.match(reason, /heartbeat-lost/);
});

test('--watch: a change restarts it, in a directory that came later too; hidden ones and its log do not', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  await world.sh('mkdir -p src/lib src/node_modules/x src/.git; touch src/lib/a.js');
  const flags = ['--watch', 'src', '--output', 'src/web.log', ...atOnce];
  await world.watched(flags, ['sh', '-c', 'echo run; exec sleep 300']);
  await world.sh('echo 1 > src/node_modules/x/y; echo 1 > src/.git/HEAD; echo 1 >> src/web.log');
  await world.sh('echo 2 > src/lib/a.js');
  assert.equal((await whenRestarted(world, 1)).watchdog.restarts, 1);
  await world.sh('mkdir -p src/new/deep; echo 3 > src/new/deep/b.js');
  await whenRestarted(world, 2);
  await world.sh('echo 4 > src/new/deep/b.js');
  await whenRestarted(world, 3);
});

test('--watch: a file is watched also where an editor puts another one in its place', { skip }, async () => {
  await using world = await makeWatchedWorld();
  await world.sh('echo 1 > web.conf');
  await world.watched(['--watch', 'web.conf', ...atOnce], ['sleep', '300']);
  for (const round of [1, 2]) {
    await world.sh(`echo ${round} > web.conf.new; mv web.conf.new web.conf`);
    await whenRestarted(world, round);
  }
});

test('--watch: a path that is not there is told at once', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const { code, stderr } = await world.runWatched(['--watch', 'nowhere'], ['sleep', '300']);
  assert.equal(code, 125);
  assert.match(stderr, /^tsdaemon: cannot start 'web': cannot watch [^\n]*nowhere: no such file[^\n]*\n$/);
  world.assertNothingRuns();
});

test('--cron: it is started when its time has come, never beside itself, and status shows the next start', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  // Each run sees two more of its times pass.
  const script = 'echo begin >> runs; sleep 2.2; echo end >> runs; exit 3';
  const { code, stdout } = await world.tsdaemon([
    ...['run', '--name', 'web', '--cron', '* * * * * *'],
    ...['--', 'sh', '-c', script],
  ]);
  assert.equal(code, 0);
  assert.deepEqual(world.watchdogs(), [Number(stdout)]);
  await until(() => assert.match(world.read('runs'), /^(begin\nend\n){2}/), { withinMs: 20_000 });
  const { watchdog, reason } = await world.whenState('waiting');
  assert.match(reason, /to be started at \d{4}-.*last run: exit code 3/);
  assert.ok(Math.abs(Date.parse(watchdog.nextStartAt!) - Date.now()) < 5000, watchdog.nextStartAt!);
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  world.assertNothingRuns();
});

test('--cron: what waits for its first time is stopped as anything is', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const run = ['run', '--name', 'web', '--cron', '0 0 1 1 *', '--', 'sleep', '300'];
  assert.equal((await world.tsdaemon(run)).code, 0);
  const { stdout } = await world.tsdaemon(['status', 'web']);
  assert.match(stdout, /^web: waiting: to be started at \d{4}-01-01T/);
  assert.deepEqual(world.programs(), []);
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  world.assertNothingRuns();
});

test('--cron: a schedule that nobody can read is told at once', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const { code, stderr } = await world.runWatched(['--cron', 'now and then'], ['sleep', '300']);
  assert.equal(code, 125);
  assert.match(stderr, /^tsdaemon: cannot start 'web': cannot use --cron 'now and then': [^\n]*\n$/);
  world.assertNothingRuns();
});

test('a watchdog of whom nothing of this is asked is not woken up', { skip }, async () => {
  await using world = await makeWatchedWorld();
  await world.watched(['--ready-fd', '5'], ['sh', '-c', 'echo >&5; exec sleep 300']);
  const pid = await world.watchdogPid();
  const switches = (): number => Number(statusField(pid, 'voluntary_ctxt_switches'));
  // What was still to be done after the start is done when it has been quiet for a while.
  let before = -1;
  await until(
    () => {
      const now = switches();
      const wasQuiet = now === before;
      before = now;
      assert.ok(wasQuiet);
    },
    { withinMs: 15_000 },
  );
  await world.sh('sleep 1');
  assert.equal(switches(), before);
});
