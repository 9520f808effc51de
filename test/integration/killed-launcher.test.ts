// Launchers that are killed at any instant: never a daemon that nothing names.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { assertNamed } from '../support/named.js';
import { argvOf } from '../support/proc.js';
import { openPty } from '../support/pty.js';
import { recordFile } from '../support/records.js';
import { needs } from '../support/tools.js';
import { makeWorld, type World } from '../support/world.js';

const name = ['--name', 'web', '--pidfile', 'x.pid'];
const ROUNDS = 12;

const times = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Ways to start, and how many generations of processes that are at work for it are killed: shell, launcher, copy. */
const killings: readonly (readonly [string, readonly string[], readonly string[], number])[] = [
  ['a launcher', [], [], 2],
  ['a launcher and the copy that a session leader needs', ['setsid', '-w'], [], 3],
  ['a launcher, but not the copy that a session leader needs', ['setsid', '-w'], [], 2],
  ['a launcher and the stage that takes on limits', [], ['--limit', 'core=0'], 3],
  ['a launcher, but not the stage that takes on limits', [], ['--limit', 'core=0'], 2],
];

for (const [what, via, flags, generations] of killings) {
  test(`${what}, killed at any instant, leave no daemon that nothing names`, {
    skip: needs('setsid'),
  }, async () => {
    await using world = await makeWorld();
    const start = ['tsdaemon', 'run', ...name, ...flags, '--', 'sleep', '300'];
    const began = performance.now();
    await world.run(start, { via });
    const takesMs = performance.now() - began;
    const outcomes = new Set([await assertNamed(world)]);
    for (const round of times(ROUNDS)) {
      const launcher = world.start(start, { via, stdio: 'ignore' });
      await moment(world, round, takesMs);
      for (const pid of family(launcher.pid!, generations)) kill(pid);
      outcomes.add(await assertNamed(world));
    }
    // If no start was cut short the moments were badly chosen, and nothing was tested.
    assert.deepEqual([...outcomes].sort(), ['alive', 'none']);
  });
}

test('a terminal that hangs up at any instant of a start leaves no daemon that nothing names', {
  skip: needs('script'),
}, async () => {
  await using world = await makeWorld();
  for (const round of times(ROUNDS)) {
    const pty = openPty(world, `exec tsdaemon run ${name.join(' ')} -- sleep 300`);
    await moment(world, round, 100);
    await pty.hangUp();
    await assertNamed(world);
  }
});

test('a start goes through although the one before was killed in the middle', async () => {
  await using world = await makeWorld();
  for (const round of times(8)) {
    const launcher = world.start(['tsdaemon', 'run', ...name, '--', 'sleep', '300'], { stdio: 'ignore' });
    await moment(world, 2 * round, 0);
    for (const pid of family(launcher.pid!, 3)) kill(pid);
    const { code, stderr } = await world.tsdaemon(['run', ...name, '--', 'sleep', '300']);
    if (code !== 0) assert.match(stderr, /already running as process \d+\n$/);
    assert.equal(await assertNamed(world), 'alive');
  }
});

/**
 * Waits for a moment of a start, another one in each round: in the even rounds some tenths of a millisecond after its
 * intent was written down, for it is only milliseconds from there to the answer; in the odd ones anywhere.
 */
async function moment(world: World, round: number, takesMs: number): Promise<void> {
  const began = performance.now();
  if (round % 2 === 0) {
    while (!existsSync(recordFile(world, 'web'))) {
      if (performance.now() > began + 20_000) throw new Error('the start wrote no intent');
      await new Promise(setImmediate);
    }
  }
  const end = round % 2 === 0 ? performance.now() + round * 0.2 : began + (takesMs * round) / ROUNDS;
  while (performance.now() < end) await new Promise(setImmediate);
}

/** A process and its descendants as they are now, but for the daemon. */
function family(pid: number, generations: number): number[] {
  try {
    if (generations === 0 || String(argvOf(pid)[0]) === 'sleep') return [];
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean);
    return [pid, ...children.flatMap((child) => family(Number(child), generations - 1))];
  } catch {
    // ENOENT: it has ended.
    return [];
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH: it was faster.
  }
}
