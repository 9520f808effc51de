// What makes a program ready under a watchdog, and what run says when it does not become so.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { environmentOf } from '../support/proc.js';
import { askShaky, freePort, shaky } from '../support/shaky.js';
import { needs, needsLinux, needsRoot } from '../support/tools.js';
import { until } from '../support/until.js';
import { ended, makeWatchedWorld, timed, type WatchedWorld } from '../support/watched.js';

const skip = needsLinux;
const sender = fileURLToPath(new URL('../fixtures/notify-sender.js', import.meta.url));
const say = (...words: readonly string[]): string =>
  `'${process.execPath}' '${sender}' ${words.map((word) => `'${word}'`).join(' ')}`;

/** Waits for the file `go` before it does what makes it ready. */
const whenTold = (then: string): [string, ...string[]] => [
  'sh',
  '-c',
  `while ! [ -e go ]; do sleep 0.02; done; ${then}; exec sleep 300`,
];

/** `run` waits as long as the program does, and returns with its pid when it is ready. */
async function assertReadyBy(
  world: WatchedWorld,
  flags: readonly string[],
  argv: readonly [string, ...string[]],
): Promise<number> {
  let hasReturned = false;
  const running = world.watched(flags, argv).finally(() => {
    hasReturned = true;
  });
  const { pid } = await world.whenState('starting');
  assert.equal(hasReturned, false);
  await world.sh('touch go');
  assert.equal(await running, pid);
  assert.equal((await world.status()).state, 'running');
  return pid!;
}

test('--ready-fd: ready when it has written a byte to the descriptor', { skip }, async () => {
  await using world = await makeWatchedWorld();
  await assertReadyBy(world, ['--ready-fd', '5'], whenTold('echo >&5'));
});

test('--ready log: ready when a line matches, on either stream, and not by a line of an earlier run', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  await world.sh('echo listening on 1 > web.log');
  const flags = ['--ready', 'log:listening on \\d+', '--output', 'web.log'];
  await assertReadyBy(world, flags, whenTold('echo listening on 80 >&2'));
});

test('--ready log: a file that is emptied first hides nothing', { skip }, async () => {
  await using world = await makeWatchedWorld();
  await world.sh('echo of the last time > web.log');
  const flags = ['--ready', 'log:^listening', '--output', 'web.log', '--truncate'];
  await world.watched(flags, ['sh', '-c', 'echo listening and much more than there was; exec sleep 300']);
});

test('--ready cmd: ready when the command exits with 0, run where the program is, with its environment', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  const flags = ['--ready', 'cmd:test -e ready && test "$COLOR" = red', '--env', 'COLOR=red', '--cwd', 'sub'];
  await world.sh('mkdir sub');
  const argv = [
    'sh',
    '-c',
    'while ! [ -e ../go ]; do sleep 0.02; done; touch ready; exec sleep 300',
  ] as const;
  await assertReadyBy(world, flags, [...argv]);
});

for (const scheme of ['tcp:127.0.0.1:', 'http://127.0.0.1:'] as const)
  test(`--ready ${scheme} ready when it answers`, { skip }, async () => {
    await using world = await makeWatchedWorld();
    const port = await freePort();
    const argv = whenTold(
      shaky(port)
        .map((word) => `'${word}'`)
        .join(' '),
    );
    await assertReadyBy(world, ['--ready', `${scheme}${port}`], argv);
    assert.equal(await askShaky(port), 'on');
  });

test('--ready notify: READY=1 makes it ready, and STATUS= is shown', { skip }, async () => {
  await using world = await makeWatchedWorld();
  await assertReadyBy(world, ['--ready', 'notify'], whenTold(say('READY=1\\nSTATUS=warm\u001b[31m')));
  assert.equal((await world.status()).watchdog.status, 'warm\u001b[31m');
  const { stdout } = await world.tsdaemon(['status', 'web']);
  assert.match(stdout, /says: warm/);
  assert.equal(stdout.includes('\u001b'), false);
});

test('--ready notify: what is said at once before the end is heard before the end', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const script = `${say('READY=1')}; exit 0`;
  const { code } = await world.runWatched(['--restart', 'no', '--ready', 'notify'], ['sh', '-c', script]);
  assert.equal(code, 0);
});

test('a stranger is not heard, whatever he says', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const running = world.watched(['--ready', 'notify'], whenTold(say('READY=1')));
  const { pid } = await world.whenState('starting');
  const variable = environmentOf(pid!).find((entry) => entry.toString().startsWith('NOTIFY_SOCKET='))!;
  const NOTIFY_SOCKET = variable.toString().slice('NOTIFY_SOCKET='.length);
  await world.run([process.execPath, sender, '--stay', 'READY=1'], { env: { NOTIFY_SOCKET } });
  const log = world.sh('cat "$TSDAEMON_HOME/daemons/web/watchdog.log"');
  assert.match((await log).stdout, /not one of the program's/);
  assert.equal((await world.status()).state, 'starting');
  await world.sh('touch go');
  assert.equal(await running, pid);
});

test('without --ready notify and --heartbeat there is no socket, and no variable of it', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  const pid = await world.watched([], ['sleep', '300']);
  const names = environmentOf(pid).map((entry) => entry.toString().split('=')[0]);
  assert.deepEqual(
    names.filter((name) => /NOTIFY|WATCHDOG/.test(name!)),
    [],
  );
});

test('MAINPID= moves the watch to another process of the program, and to nobody else', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const script = `sleep 301 & ${say('MAINPID=1\\nSTATUS=no')}; echo $! > child; ${say('READY=1\\nMAINPID=@')}; wait`;
  const pid = await world.watched(
    ['--ready', 'notify', '--pidfile', 'x.pid', '--restart', 'no'],
    ['sh', '-c', script.replace('MAINPID=@', `MAINPID='$!'`)],
  );
  assert.equal(pid, Number(world.read('child')));
  assert.equal(world.pidIn('x.pid'), pid);
  process.kill(pid, 'SIGUSR1');
  await world.whenState('stopped');
  // Its shell had no say in that, and is gone too.
  assert.match((await world.status()).reason, /killed by SIGUSR1|exit code/);
  await until(() => world.assertNothingRuns(), { withinMs: 10_000 });
});

test('STOPPING=1 is a wish of its own: the end that follows is not held against it', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const script = `${say('READY=1')}; while ! [ -e go ]; do sleep 0.02; done; ${say('STOPPING=1')}; exec sleep 300`;
  await world.watched(['--ready', 'notify', '--stop-timeout', '60'], ['sh', '-c', script]);
  await world.sh('touch go');
  await world.whenState('stopping');
});

test('EXTEND_TIMEOUT_USEC= gives a slow start the time that it asks for', { skip }, async () => {
  await using world = await makeWatchedWorld();
  // Its own limit for a restart is as long as that of run, so the first start is made quick.
  const script = `if [ -e second ]; then ${say('EXTEND_TIMEOUT_USEC=30000000')}; sleep 1.5; fi; touch second; ${say('READY=1')}; exec sleep 300`;
  const flags = ['--ready', 'notify', '--ready-timeout', '1', '--backoff', '0'];
  const first = await world.watched(flags, ['sh', '-c', script]);
  process.kill(first, 'SIGKILL');
  await ended(first);
  const second = await until(
    async () => {
      const status = await world.status();
      assert.deepEqual([status.state, status.watchdog.restarts], ['running', 1], JSON.stringify(status));
      return status.pid;
    },
    { withinMs: 15_000 },
  );
  assert.notEqual(second, first);
});

const words: readonly [what: string, flags: readonly string[]][] = [
  ['fd', ['--ready-fd', '5']],
  ['log', ['--ready', 'log:never', '--output', 'web.log']],
  ['cmd', ['--ready', 'cmd:false']],
  ['tcp', ['--ready', 'tcp:127.0.0.1:1']],
  ['notify', ['--ready', 'notify']],
  ['stay-up', ['--stay-up', '20']],
];

for (const [what, flags] of words) {
  test(`--ready ${what}: a program that ends before is told by its own last words and its exit code`, {
    skip,
  }, async () => {
    await using world = await makeWatchedWorld();
    const script = 'echo on stdout; for i in $(seq 12); do echo line $i >&2; done; exit 9';
    const stderr = flags.includes('--output') ? [] : ['--stderr', 'err.log'];
    const outcome = await world.runWatched(['--restart', 'no', ...flags, ...stderr], ['sh', '-c', script]);
    assert.deepEqual([outcome.code, outcome.stdout], [9, '']);
    const lines = outcome.stderr.trimEnd().split('\n');
    assert.equal(lines.pop(), "tsdaemon: cannot start 'web': exit code 9 before it was ready");
    assert.deepEqual(
      lines,
      Array.from({ length: 10 }, (_, index) => `line ${index + 3}`),
    );
    world.assertNothingRuns();
  });

  // What stays up for longer than it may take is no mistake of the program's.
  if (what === 'stay-up') continue;
  test(`--ready ${what}: what is not ready in time is stopped, and run says so`, { skip }, async () => {
    await using world = await makeWatchedWorld();
    const { ms, outcome } = await timed(
      world.runWatched(
        [...flags, '--ready-timeout', '0.5'],
        ['sh', '-c', 'echo warming >&2; exec sleep 300'],
      ),
    );
    assert.equal(outcome.code, 125);
    assert.equal(
      outcome.stderr,
      "warming\ntsdaemon: cannot start 'web': not ready within 0.5 s, so it was stopped\n",
    );
    assert.ok(ms >= 500, `${ms} ms`);
    world.assertNothingRuns();
  });
}

test('a program that hangs in a restart is stopped after --ready-timeout, and started again', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  const script = 'echo run >> runs; [ $(wc -l < runs) -eq 2 ] || echo >&5; exec sleep 300';
  const flags = ['--ready-fd', '5', '--ready-timeout', '1', '--backoff', '0'];
  const first = await world.watched(flags, ['sh', '-c', script]);
  process.kill(first, 'SIGKILL');
  const status = await until(
    async () => {
      const now = await world.status();
      assert.deepEqual([now.state, now.watchdog.restarts], ['running', 2], JSON.stringify(now));
      return now;
    },
    { withinMs: 15_000 },
  );
  assert.match(status.reason, /last run: timeout, killed by SIGTERM/);
});

for (const [what, flags, script] of [
  ['a pipe', ['--ready-fd', '5'], 'echo >&5'],
  ['a socket', ['--ready', 'notify'], say('READY=1')],
  ['a log', ['--ready', 'log:ready'], 'echo ready'],
] as const)
  test(`an exchange of code while the program warms up loses nothing of its readiness: ${what}`, {
    skip,
  }, async () => {
    await using world = await makeWatchedWorld();
    const running = world.runWatched([...flags], whenTold(script), { withinMs: 30_000 });
    const { pid } = await world.whenState('starting');
    const { code, stderr } = await world.tsdaemon(['upgrade', 'web']);
    assert.deepEqual([code, stderr], [0, '']);
    await world.sh('touch go');
    await running;
    const status = await world.whenState('running');
    assert.equal(status.pid, pid);
  });

test('after kill -9 of the watchdog the next one hears what the program says', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const script = `${say('READY=1')}; while ! [ -e go ]; do sleep 0.02; done; ${say('STATUS=still here')}; exec sleep 300`;
  const pid = await world.watched(['--ready', 'notify'], ['sh', '-c', script]);
  await world.killWatchdog();
  assert.equal((await world.tsdaemon(['adopt', 'web'])).code, 0);
  await world.sh('touch go');
  await until(async () => assert.equal((await world.status()).watchdog.status, 'still here'), {
    withinMs: 10_000,
  });
  assert.equal((await world.status()).pid, pid);
});

test('what another user’s program says is heard, before and after kill -9 of the watchdog', {
  skip: skip || needsRoot || needs('systemd-notify'),
}, async () => {
  await using world = await makeWatchedWorld();
  await world.sh('mkdir -m 777 free; chmod 755 .. .');
  const script = `cd free; mkfifo words; touch up; while read -r word; do systemd-notify "$word"; done <>words`;
  const flags = ['--user', 'nobody', '--output', 'free/log', '--umask', '0', '--ready', 'notify'];
  const running = world.watched(flags, ['sh', '-c', script]);
  await until(() => assert.ok(existsSync(world.path('free/up'))), { withinMs: 10_000 });
  await world.sh('echo READY=1 > free/words');
  const pid = await running;
  await world.killWatchdog();
  assert.equal((await world.tsdaemon(['adopt', 'web'])).code, 0);
  await world.sh('echo STATUS=heard > free/words');
  await until(async () => assert.equal((await world.status()).watchdog.status, 'heard'), {
    withinMs: 10_000,
  });
  assert.equal((await world.status()).pid, pid);
});

test('nothing is left of the socket when all is over', { skip }, async () => {
  await using world = await makeWatchedWorld();
  await world.watched(['--ready', 'notify'], ['sh', '-c', `${say('READY=1')}; exec sleep 300`]);
  const socket = join(world.state, 'daemons/web/notify');
  assert.ok(existsSync(socket));
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  assert.equal(existsSync(socket), false);
});

test('how a program ended that was adopted is known', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const script = 'while ! [ -e go ]; do sleep 0.02; done; exit 42';
  await world.watched(['--restart', 'on-failure', '--ok-exit-codes', '42'], ['sh', '-c', script]);
  await world.killWatchdog();
  assert.equal((await world.tsdaemon(['adopt', 'web'])).code, 0);
  await world.sh('touch go');
  const { reason } = await world.whenState('stopped');
  assert.match(reason, /exit code 42|nobody was watching/);
});

const wrong: readonly (readonly string[])[] = [
  ['--ready', 'soon'],
  ['--ready', 'tcp:localhost'],
  ['--ready', 'log:('],
  ['--ready-fd', '1'],
  ['--ready-fd', 'x'],
  ['--liveness', 'notify'],
  ['--liveness', 'nonsense'],
  ['--liveness-interval', '0'],
  ['--liveness-interval', '5'],
  ['--liveness-failures', '3'],
  ['--liveness-timeout', '3'],
  ['--heartbeat', '0'],
  ['--abort-signal', 'NONE'],
  ['--max-memory', '1X'],
  ['--max-memory', '0'],
  ['--watch', ''],
  ['--program-pidfile', ''],
];

test('a value that makes no sense is a usage error that shows it, and nothing is started', async () => {
  await using world = await makeWatchedWorld();
  for (const flags of wrong) {
    const { code, stdout, stderr } = await world.runWatched([...flags], ['sleep', '300']);
    assert.deepEqual([code, stdout], [125, ''], flags.join(' '));
    assert.match(stderr, /^tsdaemon: cannot use [^\n]+\n$/);
    assert.ok(stderr.includes(flags[0]!), stderr);
  }
  for (const flags of [
    ['--ready', 'tcp:1', '--ready-fd', '3'],
    ['--ready', 'tcp:1', '--stay-up', '3'],
    ['--ready', 'exec', '--daemonizes'],
    ['--pidfile', 'x.pid', '--program-pidfile', 'x.pid'],
  ]) {
    const { code, stderr } = await world.runWatched(flags, ['sleep', '300']);
    assert.equal(code, 125, stderr);
    assert.match(stderr, /^tsdaemon: cannot use [^\n]+\n$/);
  }
  world.assertNothingRuns();
  assert.equal(existsSync(world.state), false);
});
