// What a reload does for programs that it leaves alone.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, writeSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { test } from 'node:test';
import { isAlive, signalsIn } from '../support/proc.js';
import { TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const withinMs = 15_000;
const { SIGHUP } = osConstants.signals;

/** Each writes a line when it is told, and there is one that would die of it. */
const config = (umask: string): string => `
[program:told]
command=/bin/sh -c "trap 'echo told >> %(here)s/told' USR1; touch %(here)s/up; while :; do sleep 0.05; done"
reload_signal=USR1
[program:deaf]
command=sleep 1000
[program:stopped]
command=sleep 1000
reload_signal=USR1
autostart=false
[program:changed]
command=/bin/sh -c "trap 'echo told >> %(here)s/changed' USR1; while :; do sleep 0.05; done"
umask=${umask}
reload_signal=USR1
`;

test('a reload sends reload_signal to what it leaves running; an upgrade and a new start do not', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(config('022'));
  await ours.start();
  for (const name of ['told', 'deaf', 'changed']) await ours.reaches(name, 'RUNNING');
  await until(() => assert.ok(ours.isLeft('up')), { withinMs });
  const pids = async () => Promise.all(['told', 'deaf', 'changed'].map((name) => ours.pidOf(name)));
  const [told, deaf, changed] = await pids();

  ours.configure(config('077'));
  ours.child.kill('SIGHUP');
  await until(() => assert.equal(ours.read('told'), 'told\n'), { withinMs });
  await until(async () => assert.notEqual(await ours.pidOf('changed'), changed), { withinMs });
  await ours.reaches('changed', 'RUNNING');
  assert.deepEqual((await pids()).slice(0, 2), [told, deaf]);
  assert.equal(existsSync(ours.path('changed')), false, 'it was started again, which is enough');
  assert.deepEqual(
    ours.logLines().filter((line) => line.includes('reloading: ')),
    [`INFO reloading: told (pid PID) with SIGUSR1`],
  );

  assert.equal((await world.run(['tsdaemon', 'upgrade', 'supervisor'])).code, 0);
  await ours.answers();
  ours.child.kill('SIGKILL');
  await ours.ends();
  await ours.start();
  assert.equal(await ours.call('supervisor.restart'), true);
  await until(() => assert.equal(ours.read('told'), 'told\ntold\n'), { withinMs });
  assert.equal(await ours.pidOf('told'), told);
});

const stubborn = (name: string): string => `
[program:${name}]
command=/bin/sh -c "trap '' TERM; while :; do sleep 0.05; done"
startsecs=0
stopwaitsecs=2
`;

test('what a client adds while a reload waits for an end is started once', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(stubborn('slow'));
  await ours.start();
  await ours.reaches('slow', 'RUNNING');
  ours.configure('[program:new]\ncommand=sh -c "echo one >> %(here)s/starts; exec sleep 1000"\n');
  ours.child.kill('SIGHUP');
  await ours.reaches('slow', 'STOPPING');
  assert.equal(await ours.answer('addProcessGroup', 'new'), true);
  await until(
    async () =>
      assert.deepEqual(
        (await ours.all()).map(({ name }) => name),
        ['new'],
      ),
    {
      withinMs,
    },
  );
  await ours.reaches('new', 'RUNNING');
  assert.equal(ours.read('starts'), 'one\n');
});

test('a member of a group that is started again while the group is stopped for its removal does not stay', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const group = '[group:both]\nprograms=slow,quick\n[program:quick]\ncommand=sleep 1000\nstartsecs=0\n';
  ours.configure(group + stubborn('slow'));
  await ours.start();
  for (const name of ['both:slow', 'both:quick']) await ours.reaches(name, 'RUNNING');
  ours.configure('[program:new]\ncommand=sleep 1000\n');
  ours.child.kill('SIGHUP');
  await ours.reaches('both:quick', 'STOPPED');
  assert.equal(await ours.answer('startProcess', 'both:quick'), true);
  const quick = await ours.pidOf('both:quick');
  await until(
    async () =>
      assert.deepEqual(
        (await ours.all()).map(({ name }) => name),
        ['new'],
      ),
    {
      withinMs,
    },
  );
  assert.equal(isAlive(quick), false);
});

test('a signal that comes while the next supervisor reads its file is heeded when it is there', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const more = ours.path('more');
  const { O_WRONLY, O_NONBLOCK } = constants;
  assert.equal(spawnSync('mkfifo', [more]).status, 0);
  /** Resolves when it is being read, which waits for what is written. */
  const isRead = (): Promise<number> => until(() => openSync(more, O_WRONLY | O_NONBLOCK), { withinMs });
  const write = (descriptor: number): void => {
    writeSync(descriptor, '[program:more]\ncommand=sleep 1000\n');
    closeSync(descriptor);
  };
  ours.configure('[include]\nfiles=more\n');
  const started = ours.start();
  write(await isRead());
  await started;
  const pid = await ours.pidOf('more');
  ours.child.kill('SIGHUP');
  write(await isRead());
  // The former one is no more: while node starts, nobody listens.
  await until(() => assert.ok(!signalsIn(ours.pid, 'SigCgt').includes(SIGHUP)), { withinMs });
  const next = await isRead();
  ours.child.kill('SIGUSR2');
  write(next);
  await until(() => assert.ok(ours.logLines().includes('INFO supervisord logreopen')), { withinMs });
  await ours.answers();
  assert.equal(await ours.pidOf('more'), pid);
});
