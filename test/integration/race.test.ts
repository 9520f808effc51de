// Many at once: one daemon.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assertNamed } from '../support/named.js';
import { processesMentioning } from '../support/proc.js';
import { makeWorld } from '../support/world.js';

const name = ['--name', 'web', '--pidfile', 'x.pid'];

const times = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

for (const [what, flags] of [
  ['pidfile', ['--pidfile', 'x.pid']],
  ['name', ['--name', 'web']],
] as const) {
  test(`of 50 simultaneous starts with one ${what} one succeeds and 49 are refused, naming its pid`, async () => {
    await using world = await makeWorld();
    const starts = times(50).map(() =>
      world.tsdaemon(['run', ...flags, '--', 'sleep', '300'], { withinMs: 60_000 }),
    );
    const outcomes = await Promise.all(starts);
    const [winner, ...others] = outcomes.filter(({ code }) => code === 0);
    const pid = Number(winner?.stdout);
    world.expectSurvivor(pid);
    assert.deepEqual(others, []);
    const refused = outcomes.filter(({ code }) => code === 125);
    assert.equal(refused.length, 49);
    for (const { stdout, stderr } of refused) {
      assert.equal(stdout, '');
      assert.match(stderr, new RegExp(`^tsdaemon: cannot start .*: already running as process ${pid}\n$`));
    }
    assert.deepEqual(processesMentioning(world.folder), [pid]);
  });
}

test('20 simultaneous starts without a name are 20 daemons with 20 names', async () => {
  await using world = await makeWorld();
  const outcomes = await Promise.all(
    times(20).map(() => world.tsdaemon(['run', '--json', '--', 'sleep', '300'])),
  );
  const names = outcomes.map(({ stdout }) => (JSON.parse(stdout) as { name: string }).name);
  for (const { stdout } of outcomes) world.expectSurvivor((JSON.parse(stdout) as { pid: number }).pid);
  assert.equal(new Set(names).size, 20);
  assert.deepEqual(names.sort(), ['sleep', ...times(19).map((index) => `sleep-${index + 2}`)].sort());
});

test('20 starts and 20 stops at once leave at most one daemon, which status and stop find', async () => {
  await using world = await makeWorld();
  const jobs = times(20).flatMap(() => [
    world.tsdaemon(['run', ...name, '--', 'sleep', '300'], { withinMs: 60_000 }),
    world.tsdaemon(['stop', '--pidfile', 'x.pid'], { withinMs: 60_000 }),
  ]);
  for (const { code, stderr } of await Promise.all(jobs)) {
    if (code !== 0) assert.match(stderr, /already running as process \d+|is being started by process \d+/);
  }
  await assertNamed(world);
});
