// What `run` makes of a program, as the kernel sees it: session, terminal, descriptors, signals.
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import test from 'node:test';
import { command } from '../support/package-root.js';
import { descriptorsOf, isAlive, limitOf, openFlags, signalsIn, statOf, whenStill } from '../support/proc.js';
import { openTheatre } from '../support/puppets.js';
import { needs } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const SIGHUP = 1;
const O_APPEND = 0o2000;

test('a daemon is an orphan in a session of its own that it does not lead', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--', 'sleep', '300']);
  const { parent, session, processGroup, terminal } = statOf(pid)!;
  assert.equal(parent, await whoTakesOrphans(world));
  assert.notEqual(session, pid);
  assert.equal(processGroup, session);
  assert.notEqual(session, statOf(process.pid)!.session);
  assert.equal(isAlive(session), false, 'the leader of the session is gone');
  assert.equal(terminal, 0);
});

test('a daemon that opens a terminal does not get it as its controlling terminal', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  await world.daemon(['--', ...theatre.argv()]);
  const daemon = await theatre.next();
  assert.deepEqual(await daemon.tell({ do: 'open-terminal' }), { terminal: 0, devTty: 'ENXIO' });
});

test('a session leader that opens a terminal gets it: the puppet knows how to ask', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const leader = world.start(theatre.argv(), { via: ['setsid'], stdio: 'ignore' });
  const puppet = await theatre.next();
  assert.equal(puppet.pid, leader.pid);
  const answer = (await puppet.tell({ do: 'open-terminal' })) as { terminal: number; devTty: string };
  assert.notEqual(answer.terminal, 0);
  assert.equal(answer.devTty, 'opened');
});

test('a daemon has exactly the descriptors 0, 1 and 2', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--', 'sleep', '300']);
  await whenStill(pid);
  const out = world.path('nohup.out');
  assert.deepEqual(
    [...descriptorsOf(pid)],
    [
      [0, '/dev/null'],
      [1, out],
      [2, out],
    ],
  );
  assert.ok(openFlags(pid, 1) & O_APPEND);
  assert.ok(openFlags(pid, 2) & O_APPEND);
});

test('descriptors that the caller had open do not reach the daemon', async () => {
  await using world = await makeWorld();
  const extra = openSync('/dev/zero', 'r');
  try {
    const pid = await world.daemon(['--', 'sleep', '300'], { stdio: stdioWith(extra, 5, 100, 251) });
    await whenStill(pid);
    assert.deepEqual([...descriptorsOf(pid).keys()], [0, 1, 2]);
  } finally {
    closeSync(extra);
  }
});

for (const kept of [3, 5, 18, 100, 251]) {
  test(`--keep-fd ${kept} lets the daemon have descriptor ${kept}, and no other`, async () => {
    await using world = await makeWorld();
    const extra = openSync('/dev/zero', 'r');
    try {
      const stdio = stdioWith(extra, kept, kept + 1);
      const pid = await world.daemon(['--keep-fd', String(kept), '--', 'sleep', '300'], { stdio });
      await whenStill(pid);
      assert.deepEqual([...descriptorsOf(pid).keys()], [0, 1, 2, kept]);
      assert.equal(descriptorsOf(pid).get(kept), '/dev/zero');
    } finally {
      closeSync(extra);
    }
  });
}

test('--keep-fd may be given more than once', async () => {
  await using world = await makeWorld();
  const extra = openSync('/dev/zero', 'r');
  try {
    const args = ['--keep-fd', '4', '--keep-fd', '100', '--', 'sleep', '300'];
    const pid = await world.daemon(args, { stdio: stdioWith(extra, 4, 5, 100) });
    await whenStill(pid);
    assert.deepEqual([...descriptorsOf(pid).keys()], [0, 1, 2, 4, 100]);
  } finally {
    closeSync(extra);
  }
});

test('both streams share one open file, so their lines keep their order', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  await world.daemon(['--truncate', '--output', 'log', '--', ...theatre.argv()]);
  const daemon = await theatre.next();
  await daemon.tell({ do: 'print', to: 'stdout', text: 'one\n' });
  await daemon.tell({ do: 'print', to: 'stderr', text: 'two\n' });
  await daemon.tell({ do: 'print', to: 'stdout', text: 'three\n' });
  assert.equal(world.read('log'), 'one\ntwo\nthree\n');
});

test('of all signals only SIGHUP is ignored, and none is blocked', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--', 'sleep', '300']);
  assert.deepEqual(signalsIn(pid, 'SigIgn'), [SIGHUP]);
  assert.deepEqual(signalsIn(pid, 'SigBlk'), []);
  assert.deepEqual(signalsIn(pid, 'SigCgt'), []);
});

test('with --hup default no signal is ignored, whatever the caller ignores', async () => {
  await using world = await makeWorld();
  const options = { via: ['sh', '-c', 'trap "" HUP INT PIPE; exec "$@"', 'sh'] };
  const pid = await world.daemon(['--hup', 'default', '--', 'sleep', '300'], options);
  assert.deepEqual(signalsIn(pid, 'SigIgn'), []);
});

const manySignals = [
  'HUP',
  'INT',
  'QUIT',
  'PIPE',
  'TERM',
  'USR1',
  'USR2',
  'CHLD',
  'TSTP',
  'TTIN',
  'TTOU',
  'XFSZ',
];

test('signals that the caller ignores are not ignored by the daemon', async () => {
  await using world = await makeWorld();
  const options = { via: ['sh', '-c', `trap "" ${manySignals.join(' ')}; exec "$@"`, 'sh'] };
  const pid = await world.daemon(['--', 'sleep', '300'], options);
  assert.deepEqual(signalsIn(pid, 'SigIgn'), [SIGHUP]);
});

for (const soft of ['32', '256', '1000000']) {
  test(`a caller with a soft open-files limit of ${soft} gives it to the daemon`, async (context) => {
    const { hard } = limitOf(process.pid, 'Max open files');
    if (Number(soft) > hard) return context.skip(`the hard limit here is ${hard}`);
    await using world = await makeWorld();
    const pid = await world.daemon(['--', 'sleep', '300'], {
      via: ['sh', '-c', `ulimit -Sn ${soft}; exec "$@"`, 'sh'],
    });
    assert.deepEqual(limitOf(pid, 'Max open files'), { soft: Number(soft), hard });
  });
}

test('the highest soft open-files limit that is allowed costs no time and reaches the daemon', async () => {
  await using world = await makeWorld();
  const { hard } = limitOf(process.pid, 'Max open files');
  const pid = await world.daemon(['--', 'sleep', '300'], {
    via: ['sh', '-c', 'ulimit -Sn "$(ulimit -Hn)"; exec "$@"', 'sh'],
    withinMs: 5000,
  });
  assert.deepEqual(limitOf(pid, 'Max open files'), { soft: hard, hard });
});

test("a lower hard open-files limit is the daemon's too", async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--', 'sleep', '300'], {
    via: ['sh', '-c', 'ulimit -n 48; exec "$@"', 'sh'],
  });
  assert.deepEqual(limitOf(pid, 'Max open files'), { soft: 48, hard: 48 });
});

test('what is written about a daemon is one record, and nothing temporary is left', async () => {
  await using world = await makeWorld();
  await world.daemon(['--', 'sleep', '300']);
  const { stdout } = await world.sh(
    'find "$TSDAEMON_HOME" -path "*/daemons/*" -type f; find . "$TSDAEMON_HOME" -name "*.tmp"',
  );
  assert.equal(stdout, `${world.state}/daemons/sleep/record.json\n`);
});

test('the daemon outlives the launcher killed right after its answer', async () => {
  await using world = await makeWorld();
  const launcher = world.start([command, 'run', '--', 'sleep', '300']);
  const answer = await new Promise<string>((resolve) =>
    launcher.stdout!.once('data', (data) => resolve(String(data))),
  );
  launcher.kill('SIGKILL');
  const pid = Number(answer);
  world.expectSurvivor(pid);
  await until(() => assert.equal(isAlive(launcher.pid!), false), { withinMs: 2000 });
  assert.ok(isAlive(pid));
});

test('the pid is the program itself, also when a shell script without #! is run', async () => {
  await using world = await makeWorld();
  await world.sh('echo "echo \\$\\$ > pid; kill -STOP \\$\\$" > script; chmod +x script');
  const pid = await world.daemon(['--', './script']);
  await until(() => assert.equal(world.read('pid'), `${pid}\n`), { withinMs: 5000 });
});

test('a program on a caller with every signal blocked can be signalled', {
  skip: needs('env'),
}, async (context) => {
  await using world = await makeWorld();
  if ((await world.run(['env', '--block-signal', 'true'])).code !== 0)
    return context.skip('this env cannot block signals');
  const pid = await world.daemon(['--', 'sleep', '300'], { via: ['env', '--block-signal'] });
  assert.deepEqual(signalsIn(pid, 'SigBlk'), []);
});

/** Descriptors for a child: pipes for 0, 1, 2 and `descriptor` under each of the numbers. */
function stdioWith(descriptor: number, ...numbers: readonly number[]): ('pipe' | 'ignore' | number)[] {
  const stdio: ('pipe' | 'ignore' | number)[] = Array(Math.max(...numbers) + 1).fill('ignore');
  stdio.splice(0, 3, 'pipe', 'pipe', 'pipe');
  for (const number of numbers) stdio[number] = descriptor;
  return stdio;
}

/** PID 1, or the nearest subreaper. */
async function whoTakesOrphans(world: World): Promise<number> {
  const { stdout } = await world.sh('sleep 300 >/dev/null 2>&1 & echo $!');
  const orphan = Number(stdout);
  world.expectSurvivor(orphan);
  return statOf(orphan)!.parent;
}
