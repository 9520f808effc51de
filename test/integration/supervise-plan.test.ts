// `tsdaemon plan` tells what a reload does, and a reload does what it told.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const section = (name: string, ...keys: readonly string[]): string =>
  [`[program:${name}]`, 'command=sleep 1000', 'startsecs=0', ...keys, ''].join('\n');

const before = [
  section('stays'),
  section('changes', 'stopwaitsecs=5'),
  section('goes'),
  section('rests', 'autostart=false'),
].join('\n');

const after = [
  section('stays'),
  section('changes', 'stopwaitsecs=6'),
  section('rests', 'autostart=false', 'environment=A="1"'),
  section('comes'),
].join('\n');

interface Plan {
  readonly supervisor: { readonly pid: number } | null;
  readonly steps: readonly {
    readonly do: string;
    readonly name: string;
    readonly keys: readonly unknown[];
  }[];
}

test('plan tells which programs a HUP starts, stops and restarts, and which key is why', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(before);
  await ours.start();
  for (const name of ['stays', 'changes', 'goes']) await ours.reaches(name, 'RUNNING');
  const plan = () => world.run(['tsdaemon', 'plan', '-c', ours.path('conf')]);
  const unchanged = await plan();
  assert.deepEqual(
    [unchanged.code, unchanged.stdout],
    [0, `supervisor ${ours.pid} would read ${ours.path('conf')} and:\n  change nothing\n`],
  );

  ours.configure(after);
  const { stdout } = await plan();
  assert.deepEqual(stdout.trim().split('\n').slice(1), [
    '  stop goes',
    '  restart changes  stopwaitsecs: 5 -> 6',
    '  change rests  environment: [] -> ["A=1"]',
    '  start comes',
  ]);
  const json = JSON.parse(
    (await world.run(['tsdaemon', 'plan', '-c', ours.path('conf'), '--json'])).stdout,
  ) as Plan;
  assert.equal(json.supervisor?.pid, ours.pid);
  assert.deepEqual(json.steps[1], {
    do: 'restart',
    name: 'changes',
    keys: [{ key: 'stopwaitsecs', from: 5, to: 6 }],
  });

  const [stays, changes] = [await ours.pidOf('stays'), await ours.pidOf('changes')];
  ours.child.kill('SIGHUP');
  await ours.reaches('comes', 'RUNNING');
  await until(
    async () => assert.deepEqual((await plan()).stdout.trim().split('\n').slice(1), ['  change nothing']),
    { withinMs: 10_000 },
  );
  await ours.reaches('changes', 'RUNNING');
  assert.equal(await ours.pidOf('stays'), stays);
  assert.notEqual(await ours.pidOf('changes'), changes);
});

test('without a supervisor plan tells what supervise would start', async () => {
  await using world = await makeWorld();
  writeFileSync(`${world.cwd}/a.conf`, `[supervisord]\n${after}`);
  const { code, stdout } = await world.run(['tsdaemon', 'plan', '-c', 'a.conf']);
  assert.equal(code, 0);
  assert.deepEqual(stdout.trim().split('\n'), [
    `no supervisor runs with ${world.cwd}/a.conf; supervise would:`,
    '  start changes',
    '  start comes',
    '  add rests',
    '  start stays',
  ]);
});

test('plan of a file that cannot be used is its first mistake, and exit code 2', async () => {
  await using world = await makeWorld();
  writeFileSync(`${world.cwd}/a.conf`, '[supervisord]\n[program:web]\n');
  const { code, stdout, stderr } = await world.run(['tsdaemon', 'plan', '-c', 'a.conf']);
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^tsdaemon: program section program:web does not specify a command/);

  // Words of Python's parser, which has a line for each mistake.
  writeFileSync(`${world.cwd}/b.conf`, '[supervisord]\njunk\nmore\n');
  const told = /parsing errors: '\S*b\.conf' \[line {2}2\]: 'junk\\n' \[line {2}3\]: 'more\\n'\n$/;
  assert.match((await world.run(['tsdaemon', 'plan', '-c', 'b.conf'])).stderr, told);
  assert.match((await world.run(['tsdaemon', 'check', '-c', 'b.conf'])).stdout, told);
});
