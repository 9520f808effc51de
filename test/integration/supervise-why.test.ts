// `tsdaemon why` tells what brought a program to its state.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

interface Why {
  readonly name: string;
  readonly state: string;
  readonly since: string;
  readonly reason: string | null;
  readonly pid: number | null;
  readonly restarts: number;
  readonly failures: number;
  readonly lastExit: string | null;
  readonly nextStartAt: string | null;
  readonly waitsFor: readonly unknown[];
  readonly ends: readonly string[];
  readonly holder: { readonly kind: string; readonly pid: number | null };
}

async function why(world: World, ...words: readonly string[]): Promise<Why> {
  const { stdout, stderr } = await world.run(['tsdaemon', 'why', '--json', ...words]);
  assert.equal(stderr, '');
  return (JSON.parse(stdout) as Why[])[0]!;
}

const config = `
[program:fails]
command=/bin/sh -c "exit 3"
restart_delay=1h
[program:waits]
command=sleep 1000
depends_on=fails:ready
[program:gives-up]
command=/bin/sh -c "exit 4"
startretries=0
[program:runs]
command=sleep 1000
startsecs=0
`;

test('why tells the last exits, the next start, what is waited for, and why it was given up', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(config);
  await ours.start();
  await ours.reaches('fails', 'BACKOFF');
  await ours.reaches('gives-up', 'FATAL');
  await ours.reaches('runs', 'RUNNING');
  await until(
    async () => {
      const fails = await why(world, 'fails');
      assert.deepEqual(
        [fails.state, fails.lastExit, fails.failures, fails.pid],
        ['BACKOFF', 'exit code 3', 1, null],
      );
      const inMs = Date.parse(fails.nextStartAt!) - Date.now();
      assert.ok(inMs > 3_500_000 && inMs <= 3_601_000, String(inMs));
      assert.match(fails.ends.at(-1)!, /exited: fails \(exit status 3; not expected\)$/);
      assert.deepEqual(fails.holder, { kind: 'supervisor', pid: ours.pid, file: ours.path('conf') });
    },
    { withinMs: 10_000 },
  );
  assert.deepEqual((await why(world, 'waits')).waitsFor, [{ on: 'fails', until: 'ready', state: 'BACKOFF' }]);
  const fatal = await why(world, 'gives-up', '-c', ours.path('conf'));
  assert.equal(fatal.state, 'FATAL');
  assert.ok(fatal.reason !== null);
  await until(async () => assert.equal((await why(world, 'runs')).pid, await ours.pidOf('runs')), {
    withinMs: 10_000,
  });
  const shown = await world.run(['tsdaemon', 'why', 'waits']);
  assert.match(
    shown.stdout,
    /^waits: STOPPED for \d+s, supervisor \d+, .*\n {2}waits for: fails \(ready\), which is BACKOFF\n/,
  );
});

test('how long a program has been in its state outlives the supervisor that saw it begin', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure('[program:web]\ncommand=sleep 1000\nstartsecs=0\n');
  await ours.start();
  await ours.reaches('web', 'RUNNING');
  const seen = async (): Promise<Why> => {
    const web = await why(world, 'web');
    assert.deepEqual([web.state, web.pid], ['RUNNING', await ours.pidOf('web')]);
    return web;
  };
  await until(seen, { withinMs: 10_000 });
  const { since } = await seen();
  assert.equal((await world.run(['tsdaemon', 'upgrade', 'supervisor'])).code, 0);
  await until(seen, { withinMs: 10_000 });
  assert.equal((await seen()).since, since, 'exchanged in place');
  const ended = once(ours.child, 'exit');
  ours.child.kill('SIGKILL');
  await ended;
  await ours.start();
  await until(seen, { withinMs: 10_000 });
  assert.equal((await seen()).since, since, 'killed');
});

test('why knows watched daemons, and says of a name that nobody holds that it does not', async () => {
  await using world = await makeWorld();
  const words = [
    '--restart',
    'always',
    '--name',
    'job',
    '--delay',
    '3600',
    '--',
    'sh',
    '-c',
    'sleep 0.1; exit 5',
  ];
  await world.run(['tsdaemon', 'run', ...words]);
  try {
    await until(
      async () => {
        const job = await why(world, 'job');
        assert.deepEqual([job.holder.kind, job.state, job.lastExit], ['watchdog', 'BACKOFF', 'exit code 5']);
        assert.ok(Date.parse(job.nextStartAt!) > Date.now());
      },
      { withinMs: 10_000 },
    );
    const absent = await world.run(['tsdaemon', 'why', 'nobody']);
    assert.equal(absent.code, 1);
    assert.match(
      absent.stderr,
      /^tsdaemon: no supervisor and no watchdog in .* holds a program named 'nobody'\n$/,
    );
  } finally {
    await world.run(['tsdaemon', 'stop', 'job']);
  }
});
