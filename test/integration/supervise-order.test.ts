// Who starts after whom, who stops before whom, and whose end is the supervisor's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeBoth, needsSupervisord, startAll, TestSupervisor } from '../support/supervisors.js';
import { makeWorld, type World } from '../support/world.js';

const program = (name: string, ...keys: readonly string[]): string =>
  [`[program:${name}]`, 'command=sleep 1000', 'startsecs=0', ...keys, ''].join('\n');

const spawned = (each: TestSupervisor): string[] =>
  each.logLines().flatMap((line) => /^INFO spawned: '(.*)' with/.exec(line)?.[1] ?? []);
const stopped = (each: TestSupervisor): string[] =>
  each.logLines().flatMap((line) => /^WARN stopped: (\S+) /.exec(line)?.[1] ?? []);

test('programs start by priority and stop in the reverse order, one group after the other, as under supervisord', {
  skip: needsSupervisord,
}, async () => {
  await using world = await makeWorld();
  const both = makeBoth(
    world,
    [
      program('last', 'priority=1000'),
      program('first', 'priority=1'),
      program('b', 'priority=5'),
      program('a', 'priority=5'),
      '[group:team]\nprograms=member\npriority=3\n',
      program('member'),
    ].join('\n'),
  );
  await using ours = both[0];
  await using theirs = both[1];
  await startAll(both);
  for (const each of both) await each.reaches('last', 'RUNNING');
  const order = ['first', 'member', 'a', 'b', 'last'];
  for (const each of both) assert.deepEqual(spawned(each), order, each.whose);
  await Promise.all(both.map((each) => each.stop()));
  for (const each of both) {
    assert.deepEqual(stopped(each), order.toReversed(), each.whose);
    assert.ok(each.logLines().includes('WARN received SIGTERM indicating exit request'));
    assert.equal(each.child.exitCode, 0);
    assert.equal(each.isLeft('sock') || each.isLeft('pid'), false, each.whose);
  }
  void theirs;
  void ours;
});

async function begin(world: World, config: string): Promise<TestSupervisor> {
  const ours = new TestSupervisor(world, 'ours');
  ours.configure(config);
  return ours.start();
}

test('what depends on another program starts when that is ready, and stops before it', async () => {
  await using world = await makeWorld();
  await using ours = await begin(
    world,
    [
      program('app', 'depends_on=db,cache', 'priority=1'),
      program('db', 'startsecs=1', 'priority=900').replace('startsecs=0\n', ''),
      program('cache', 'priority=900'),
      program('tail', 'depends_on=app', 'priority=1'),
    ].join('\n'),
  );
  assert.match((await ours.info('app')).description as string, /^waits for db:db \(ready\)$/);
  await ours.reaches('tail', 'RUNNING');
  assert.deepEqual(spawned(ours), ['cache', 'db', 'app', 'tail']);
  await ours.stop();
  const ends = stopped(ours);
  assert.deepEqual(ends.slice(0, 2), ['tail', 'app']);
});

for (const [title, keys, expected] of [
  [
    'exit_on=fatal ends the supervisor with 1 when a program is given up',
    ['startsecs=1', 'startretries=0', 'exit_on=fatal', 'command=/bin/sh -c "sleep 0.3; exit 1"'],
    1,
  ],
  [
    'exit_on=exited ends the supervisor with the exit code of the program',
    ['autorestart=false', 'exit_on=exited', 'command=/bin/sh -c "sleep 0.2; exit 7"'],
    7,
  ],
  [
    'essential=true ends the supervisor with 0 when the program has done its work',
    ['essential=true', 'command=sleep 0.2'],
    0,
  ],
] as const)
  test(title, async () => {
    await using world = await makeWorld();
    await using ours = await begin(world, `${program('other')}\n${program('essential', ...keys)}`);
    assert.equal(await ours.ends(), expected);
    assert.ok(ours.logLines().some((line) => /^CRIT essential has ended/.test(line)));
    assert.deepEqual(stopped(ours), ['other']);
  });
