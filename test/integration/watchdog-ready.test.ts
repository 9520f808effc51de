// When `run` returns: the program is ready, or it will not be and nothing is left of it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test from 'node:test';
import { isAlive } from '../support/proc.js';
import { openPty } from '../support/pty.js';
import { needs } from '../support/tools.js';
import { makeWatchedWorld, timed, type WatchedWorld } from '../support/watched.js';

const atOnce = ['--backoff', '0'];
const files = ['--pidfile', 'x.pid', '--watchdog-pidfile', 'w.pid'];

/** At once, without a moment in which it might still go away. */
async function assertNothingLeft(world: WatchedWorld): Promise<void> {
  world.assertNothingRuns();
  assert.deepEqual([existsSync(world.path('x.pid')), existsSync(world.path('w.pid'))], [false, false]);
  const { code, state, pid } = await world.status();
  assert.deepEqual([code, pid], [3, null]);
  assert.ok(state === 'stopped' || state === 'fatal', state);
}

test('run returns as soon as the program has been executed', async () => {
  await using world = await makeWatchedWorld();
  const pid = await world.watched([], ['sleep', '300']);
  assert.deepEqual(world.programs(), [pid]);
  const { state, reason, watchdog } = await world.status();
  assert.equal(state, 'running');
  assert.equal(reason, `held by watchdog ${watchdog.pid}`);
});

test('run --json prints one object with the program’s pid and its files', async () => {
  await using world = await makeWatchedWorld();
  const { stdout } = await world.runWatched(['--pidfile', 'x.pid', '--json'], ['sleep', '300']);
  const { pid, ...rest } = JSON.parse(stdout) as { pid: number };
  assert.deepEqual(world.programs(), [pid]);
  assert.deepEqual(rest, { name: 'web', pidfile: world.path('x.pid'), outputs: [world.path('nohup.out')] });
});

test('--stay-up: run returns when the program stayed up for so long, not before', async () => {
  await using world = await makeWatchedWorld();
  const began = performance.now();
  const running = world.watched(['--stay-up', '1'], ['sleep', '300']);
  const { pid, code } = await world.whenState('starting');
  assert.equal(code, 0);
  assert.equal(await running, pid);
  const ms = performance.now() - began;
  assert.ok(ms >= 1000, `${ms} ms`);
  assert.equal((await world.status()).state, 'running');
});

test('--stay-up: a program that fails first and then stays is ready', async () => {
  await using world = await makeWatchedWorld();
  const script = 'echo run >> runs; [ $(wc -l < runs) -gt 2 ] && exec sleep 300; exit 1';
  const pid = await world.watched(['--stay-up', '0.3', ...atOnce], ['sh', '-c', script]);
  assert.equal(world.read('runs'), 'run\nrun\nrun\n');
  assert.deepEqual(world.programs(), [pid]);
  assert.equal((await world.status()).watchdog.restarts, 2);
});

const verdicts: readonly [
  what: string,
  flags: readonly string[],
  script: string,
  code: number,
  words: string,
][] = [
  ['exits', ['--restart', 'no'], 'exit 7', 7, 'exit code 7'],
  ['exits with 0', ['--restart', 'no'], 'exit 0', 0, 'exit code 0'],
  ['is killed', ['--restart', 'no'], 'kill -9 $$', 137, 'killed by SIGKILL'],
  ['ends cleanly', ['--restart', 'on-failure'], 'exit 0', 0, 'exit code 0'],
  ['fails too often', ['--max-restarts', '2', ...atOnce], 'exit 9', 9, 'exit code 9'],
];

for (const [what, flags, script, exitCode, words] of verdicts) {
  test(`--stay-up: where the program ${what} before, run passes on its exit code, and nothing is left`, async () => {
    await using world = await makeWatchedWorld();
    // Some rounds, for what is left is left by a race.
    for (let round = 1; round <= 5; round += 1) {
      const { code, stdout, stderr } = await world.runWatched(
        ['--stay-up', '20', ...flags, ...files],
        ['sh', '-c', script],
      );
      world.assertNothingRuns();
      // Exit code 0 would say that it runs, and it does not.
      if (exitCode === 0) assert.notEqual(code, 0);
      else assert.equal(code, exitCode);
      assert.equal(stdout, '');
      assert.match(stderr, new RegExp(`^tsdaemon: cannot start 'web': [^\\n]*${words}[^\\n]*\\n$`));
      await assertNothingLeft(world);
    }
  });
}

test('what the program said before it died is in its output file', async () => {
  await using world = await makeWatchedWorld();
  const flags = ['--restart', 'no', '--stay-up', '20', '--output', 'web.log'];
  await world.runWatched(flags, ['sh', '-c', 'echo out; echo no port >&2; exit 1']);
  assert.equal(world.read('web.log'), 'out\nno port\n');
});

for (const restart of ['no', 'always']) {
  test(`--restart ${restart}: a command that cannot be executed is told at once, with 127 or 126`, async () => {
    await using world = await makeWatchedWorld();
    await world.sh('echo text > plain');
    for (const [command, expected] of [
      ['./absent', 127],
      ['no-such-command', 127],
      ['./plain', 126],
      ['./', 126],
    ] as const) {
      const { ms, outcome } = await timed(world.runWatched(['--restart', restart, ...files], [command]));
      assert.equal(outcome.code, expected, command);
      assert.equal(outcome.stdout, '');
      assert.match(outcome.stderr, /^tsdaemon: cannot [^\n]+\n$/);
      assert.ok(outcome.stderr.includes(`'${command}'`), outcome.stderr);
      // Far from the 30 s in which it could have become ready.
      assert.ok(ms < 10_000, `${ms} ms`);
      await assertNothingLeft(world);
    }
  });
}

test('an output file that cannot be opened is told at once, and nothing is left', async () => {
  await using world = await makeWatchedWorld();
  const { ms, outcome } = await timed(world.runWatched([...files, '--output', 'no/where'], ['sleep', '300']));
  assert.equal(outcome.code, 125);
  assert.match(outcome.stderr, /^tsdaemon: cannot [^\n]*no\/where[^\n]*\n$/);
  assert.ok(ms < 10_000, `${ms} ms`);
  await assertNothingLeft(world);
});

test('--ready-timeout: what is not ready by then is stopped, and has ended when run returns', async () => {
  await using world = await makeWatchedWorld();
  // It ignores SIGTERM, so it lives until its grace is over.
  const argv = ['sh', '-c', 'trap "" TERM; echo > trapped; while :; do sleep 0.1; done'];
  const flags = ['--stay-up', '60', '--ready-timeout', '1', '--stop-timeout', '1', ...files];
  const { ms, outcome } = await timed(world.runWatched(flags, argv));
  assert.deepEqual([outcome.code, outcome.stdout], [125, '']);
  assert.equal(outcome.stderr, "tsdaemon: cannot start 'web': not ready within 1 s, so it was stopped\n");
  assert.ok(ms >= 1000, `${ms} ms`);
  assert.ok(existsSync(world.path('trapped')));
  await assertNothingLeft(world);
});

test('--ready-timeout: a program that only ever fails is given up by then', async () => {
  await using world = await makeWatchedWorld();
  const flags = ['--stay-up', '60', '--ready-timeout', '1', ...atOnce, ...files];
  const { code, stderr } = await world.runWatched(flags, ['sh', '-c', 'exit 4']);
  assert.equal(code, 125);
  assert.match(stderr, /^tsdaemon: cannot start 'web': not ready within 1 s, so it was stopped[^\n]*\n$/);
  await assertNothingLeft(world);
});

test('a ^C while run waits for the program ends run, and the program too', {
  skip: needs('script'),
}, async () => {
  await using world = await makeWatchedWorld();
  const flags = ['--name', 'web', '--restart', 'always', '--stay-up', '60', ...files];
  const pty = openPty(world, `tsdaemon run ${flags.join(' ')} -- sh -c 'echo warming >&2; exec sleep 300'`);
  const { pid } = await world.whenState('starting');
  const { ms, outcome } = await timed(
    (async () => {
      pty.type('\u0003');
      return pty.exited;
    })(),
  );
  assert.equal(outcome, 130);
  // Far from the 30 s in which it could have become ready.
  assert.ok(ms < 10_000, `${ms} ms`);
  assert.equal(isAlive(pid!), false);
  await assertNothingLeft(world);
});

test('a ^C that its caller ignores does not concern run', { skip: needs('script') }, async () => {
  await using world = await makeWatchedWorld();
  const flags = ['--name', 'web', '--restart', 'always', '--ready-fd', '5'];
  const argv = "sh -c 'while ! [ -e go ]; do sleep 0.02; done; echo >&5; exec sleep 300'";
  const pty = openPty(world, `trap '' INT; tsdaemon run ${flags.join(' ')} -- ${argv}`);
  const { pid } = await world.whenState('starting');
  pty.type('\u0003');
  await pty.shows(/\^C/);
  await world.sh('touch go');
  assert.equal(await pty.exited, 0);
  assert.equal((await world.whenState('running')).pid, pid);
});

test('what was not ready can be started again by the same name and pidfile', async () => {
  await using world = await makeWatchedWorld();
  const flags = ['--restart', 'no', '--stay-up', '0.5', ...files];
  const script = ['sh', '-c', '[ -e good ] || exit 3; exec sleep 300'];
  assert.equal((await world.runWatched(flags, script)).code, 3);
  await world.sh('touch good');
  const pid = await world.watched(flags, script);
  assert.deepEqual(world.programs(), [pid]);
  assert.equal(world.read('x.pid'), `${pid}\n`);
});

test('run returns in a pipeline: neither watchdog nor program holds its output open', async () => {
  await using world = await makeWatchedWorld();
  const { code, stdout } = await world.sh('tsdaemon run --name web --restart always -- sleep 300 2>&1 | cat');
  assert.equal(code, 0);
  assert.deepEqual(world.programs(), [Number(stdout)]);
  assert.equal(world.watchdogs().length, 1);
});

test('run works as leader of a session, and from a directory that is removed afterwards', async () => {
  await using world = await makeWatchedWorld();
  const { stdout, stderr } = await world.sh(
    `mkdir gone && cd gone && setsid -w tsdaemon run --name web --restart always --backoff 0 \\
       --output ../web.log -- sleep 300 && cd .. && rmdir gone`,
  );
  assert.equal(stderr, '');
  const first = Number(stdout);
  assert.deepEqual(world.programs(), [first]);
});
