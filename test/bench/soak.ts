// node dist/modules/test/bench/soak.js [ROUNDS] [--seed N]
// kill -9 of the program, of its watchdog or of both at random moments, then whatever a user might do about it. After
// every round one program runs under one watchdog and all say so; in the end no orphan, no duplicate, no lost line.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { isAlive } from '../support/proc.js';
import { until } from '../support/until.js';
import { makeWatchedWorld, type WatchedWorld } from '../support/watched.js';
import { makeRandom } from '../unit/random.js';

const { rounds, seed } = readFlags();
const random = makeRandom(seed);
const files = ['--pidfile', 'x.pid', '--watchdog-pidfile', 'w.pid', '--output', 'web.log'];
// A line at once and one for each USR1, so that a missing one shows. It waits without a child, on a FIFO that nobody
// writes to.
const script =
  "n=0; trap 'n=$((n+1)); echo $$ $n' USR1; exec 3<>idle; echo $$ 0; while :; do read x <&3; done";
const program = ['sh', '-c', script];
const run = ['run', '--name', 'web', '--restart', 'always', '--backoff', '0', ...files, '--', ...program];

type Act = (world: WatchedWorld) => Promise<void>;

/** What goes wrong. Moments are from 0 to some milliseconds, most of them very short ones. */
const mishaps: Readonly<Record<string, Act>> = {
  'the program dies': async (world) => kill(world.pidIn('x.pid')),
  'the watchdog dies': async (world) => kill(world.pidIn('w.pid')),
  'the program dies, then the watchdog': async (world) => {
    const watchdog = world.pidIn('w.pid');
    kill(world.pidIn('x.pid'));
    spin(moment());
    kill(watchdog);
  },
  'the watchdog dies, then the program': async (world) => {
    const program = world.pidIn('x.pid');
    kill(world.pidIn('w.pid'));
    spin(moment());
    kill(program);
  },
  'the program dies again and again, then the watchdog': async (world) => {
    const watchdog = world.pidIn('w.pid');
    for (let times = 0; times < 4; times += 1) {
      kill(world.pidIn('x.pid'));
      spin(moment());
    }
    kill(watchdog);
  },
  'the watchdog dies while it stops the program': async (world) => {
    const watchdog = world.pidIn('w.pid');
    process.kill(watchdog, 'SIGTERM');
    spin(moment());
    kill(watchdog);
  },
  'a launcher dies that takes over': async (world) => {
    kill(world.pidIn('w.pid'));
    await interrupted(world, run);
  },
  'a restart dies': (world) => interrupted(world, ['restart', 'web']),
  'a stop dies': (world) => interrupted(world, ['stop', 'web']),
};

/** What users do about it; each may be refused, and then the next one puts it right. */
const repairs: readonly (readonly (readonly string[])[])[] = [
  [run],
  [['adopt', 'web']],
  [['adopt', 'web'], run],
  [['restart', 'web']],
  [run, run],
  [['adopt', 'web'], ['adopt', 'web'], run],
  [['stop', 'web']],
];

await using world = await makeWatchedWorld();
const seen = new Set<number>();
const counts: Record<string, number> = {};
console.log(`${rounds} rounds, --seed ${seed}`);
await world.sh('mkfifo idle');
await repair(world, [run]);
for (let round = 1; round <= rounds; round += 1) {
  const [name, mishap] = random.pick(Object.entries(mishaps));
  const commands = random.pick(repairs);
  const what = `round ${round}: ${name}, then ${commands.map(([verb]) => verb).join(' and ')} at once`;
  counts[name] = (counts[name] ?? 0) + 1;
  try {
    await mishap(world);
    await repair(world, commands);
    await assertOne(world);
  } catch (error) {
    console.error(what);
    console.error(JSON.stringify(await world.status()));
    console.error(`programs ${world.programs().join(' ')}, watchdogs ${world.watchdogs().join(' ')}`);
    for (const file of ['record', 'life'])
      console.error(readFileSync(join(world.state, 'daemons/web', `${file}.json`), 'utf8'));
    throw error;
  }
  if (round % 50 === 0) console.log(`${round} rounds, ${seen.size} programs seen`);
}
await world.tsdaemon(['stop', 'web']);
world.assertNothingRuns();
assertLines(world);
for (const [name, count] of Object.entries(counts)) console.log(`${String(count).padStart(5)}  ${name}`);
console.log(`no orphan, no duplicate, no lost line; ${seen.size} programs seen`);

async function repair(world: WatchedWorld, commands: readonly (readonly string[])[]): Promise<void> {
  await Promise.all(commands.map((command) => world.tsdaemon(command)));
  // Whatever came of that, one more start is either done or refused because it runs.
  await until(
    async () => {
      const { code, stderr } = await world.tsdaemon(run);
      if (code !== 0) assert.match(stderr, /already running as process \d+\n$/);
    },
    { withinMs: 15_000 },
  );
}

/** One program and one watchdog, now and for a moment; all who are asked name these two. */
async function assertOne(world: WatchedWorld): Promise<void> {
  const pid = await until(
    async () => {
      const { state, pid, watchdog } = await world.status();
      assert.equal(state, 'running');
      assert.deepEqual(world.programs(), [pid]);
      assert.deepEqual(world.watchdogs(), [watchdog.pid]);
      assert.deepEqual([world.pidIn('x.pid'), world.pidIn('w.pid')], [pid, watchdog.pid]);
      return pid!;
    },
    { withinMs: 10_000 },
  );
  seen.add(pid);
  const before = world
    .read('web.log')
    .split('\n')
    .filter((line) => line.startsWith(`${pid} `)).length;
  // Not before it listens: a signal would end it.
  await until(() => assert.ok(world.read('web.log').includes(`${pid} 0\n`)), { withinMs: 5000 });
  process.kill(pid, 'SIGUSR1');
  await until(() => assert.ok(world.read('web.log').includes(`\n${pid} ${Math.max(1, before)}\n`)), {
    withinMs: 5000,
  });
  assert.ok(isAlive(pid));
}

/** Every run counts from 0 without a gap, and no two lines are mixed up. */
function assertLines(world: WatchedWorld): void {
  const last = new Map<string, number>();
  for (const line of world.read('web.log').trimEnd().split('\n')) {
    assert.match(line, /^\d+ \d+$/);
    const [pid, count] = line.split(' ') as [string, string];
    assert.equal(Number(count), (last.get(pid) ?? -1) + 1, `line ${line}`);
    last.set(pid, Number(count));
  }
  for (const pid of seen) assert.ok((last.get(String(pid)) ?? 0) >= 1, `no line of process ${pid}`);
}

async function interrupted(world: WatchedWorld, args: readonly string[]): Promise<void> {
  const command = world.start(['tsdaemon', ...args], { stdio: 'ignore' });
  const closed = new Promise((resolve) => command.once('close', resolve));
  // A command takes some 50 to 100 ms.
  await Promise.race([closed, pause(120 * random.share())]);
  command.kill('SIGKILL');
  await closed;
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH: it was quicker.
  }
}

/** Mostly within what a restart takes, now and then much longer. */
function moment(): number {
  return random.share() < 0.8 ? 3 * random.share() : 60 * random.share();
}

/** Finer than a timer. */
function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function readFlags(): { rounds: number; seed: number } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seed: { type: 'string', default: String(Date.now() % 1_000_000) } },
  });
  const [given = '500', ...more] = positionals;
  if (!(Number.isInteger(Number(given)) && Number(given) > 0) || more.length > 0) {
    console.error('usage: soak.js [ROUNDS] [--seed N]');
    process.exit(2);
  }
  return { rounds: Number(given), seed: Number(values.seed) };
}
