// A disk that is full, under a log or under all that a supervisor writes, and the supervisor goes on.
import assert from 'node:assert/strict';
import { rmSync, statfsSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mountImage, needsMount } from '../support/logs.js';
import { TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

test('a full disk under a log stops neither the program nor the supervisor', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  // A log that is written to through the supervisor, and one that is not.
  const script = '/bin/sh -c "while :; do echo line; sleep 0.02; done"';
  symlinkSync('/dev/full', ours.path('full'));
  ours.configure(`
[program:seen]
command=${script}
stdout_logfile=%(here)s/full
stdout_logfile_maxbytes=0
stdout_events_enabled=true
startsecs=0
[program:direct]
command=${script}
stdout_logfile=/dev/full
stdout_logfile_maxbytes=0
startsecs=0
`);
  await ours.start();
  for (const name of ['seen', 'direct']) await ours.reaches(name, 'RUNNING');
  const before = await ours.pidOf('seen');
  assert.equal(await ours.answer('stopProcess', 'direct'), true);
  assert.equal(await ours.answer('startProcess', 'direct'), true);
  assert.equal(await ours.pidOf('seen'), before);
});

test('on a full disk everything goes on, and logs do as soon as there is room again', {
  skip: needsMount('tmpfs'),
}, async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  using disk = mountImage(world, 'tmpfs', 1);
  const script = '/bin/sh -c "while :; do echo line; sleep 0.02; done"';
  ours.configure(
    [
      `[program:direct]\ncommand=${script}\nstdout_logfile=${disk.folder}/direct\nstartsecs=0\n`,
      `[program:seen]\ncommand=${script}\nstdout_logfile=${disk.folder}/seen\nstartsecs=0\nstdout_events_enabled=1\n`,
      '[program:other]\ncommand=sleep 1000\nstartsecs=0\nautorestart=true\n',
    ].join(''),
  );
  // What it writes down of its programs is on that disk as well.
  const env = { TSDAEMON_HOME: join(disk.folder, 'state') };
  await ours.start({ args: ['-n', '-l', join(disk.folder, 'main.log')], env });
  for (const name of ['direct', 'seen', 'other']) await ours.reaches(name, 'RUNNING');
  const filler = join(disk.folder, 'filler');
  await world.sh(`cat /dev/zero > ${filler}`);
  assert.equal(statfsSync(disk.folder).bfree, 0);
  const before = await ours.pidOf('direct');
  for (let round = 0; round < 20; round += 1) {
    assert.equal(await ours.answer('stopProcess', 'other'), true);
    assert.equal(await ours.answer('startProcess', 'other'), true);
  }
  await until(() => assert.match(ours.output, /ERRO cannot write the main log: .*ENOSPC/), {
    withinMs: 5000,
  });
  process.kill(await ours.pidOf('other'), 'SIGKILL');
  await until(() => assert.match(ours.output, /exited: other \(terminated by SIGKILL/), { withinMs: 5000 });
  await ours.reaches('other', 'RUNNING');
  assert.equal(await ours.pidOf('direct'), before);
  rmSync(filler);
  const lengths = (): number[] =>
    ['main.log', 'direct', 'seen'].map((name) => statSync(join(disk.folder, name)).size);
  const full = lengths();
  assert.equal(await ours.answer('stopProcess', 'other'), true);
  await until(
    () =>
      assert.ok(
        lengths().every((length, index) => length > full[index]!),
        `${lengths()} ${full}`,
      ),
    {
      withinMs: 10_000,
    },
  );
  await ours.stop();
  assert.equal(ours.child.exitCode, 0);
});

test('a full disk keeps no supervisor from its exchange, and its successor from no program', {
  skip: needsMount('tmpfs'),
}, async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  using disk = mountImage(world, 'tmpfs', 1);
  const env = { TSDAEMON_HOME: join(disk.folder, 'state') };
  const names = ['stays', 'changes'];
  ours.configure(names.map((name) => `[program:${name}]\ncommand=sleep 1000\nstartsecs=0\n`).join(''));
  await ours.start({ env });
  for (const name of names) await ours.reaches(name, 'RUNNING');
  const filler = join(disk.folder, 'filler');
  await world.sh(`cat /dev/zero > ${filler}`);
  for (let round = 0; round < 20; round += 1) {
    assert.equal(await ours.answer('stopProcess', 'changes'), true);
    assert.equal(await ours.answer('startProcess', 'changes'), true);
  }
  assert.match(ours.output, /ERRO cannot write the journal: /);
  const pids = await Promise.all(names.map((name) => ours.pidOf(name)));
  const begins = (): number => ours.output.split('supervisord started with pid').length - 1;
  process.kill(ours.pid, 'SIGHUP');
  await until(() => assert.equal(begins(), 2), { withinMs: 5000 });
  for (const name of names) await ours.reaches(name, 'RUNNING');
  assert.deepEqual(await Promise.all(names.map((name) => ours.pidOf(name))), pids);

  ours.child.kill('SIGKILL');
  await ours.ends();
  rmSync(filler);
  await ours.start({ env });
  for (const name of names) await ours.reaches(name, 'RUNNING');
  assert.deepEqual(await Promise.all(names.map((name) => ours.pidOf(name))), pids);
  await ours.stop();
});

test('a main log that cannot be written to is no reason to stop', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  symlinkSync('/dev/full', ours.path('main.log'));
  ours.configure('[program:runs]\ncommand=sleep 1000\nstartsecs=0\n');
  await ours.start({ args: ['-n', '-y', '0'] });
  await ours.reaches('runs', 'RUNNING');
  assert.equal(await ours.answer('stopProcess', 'runs'), true);
  assert.equal(await ours.answer('startProcess', 'runs'), true);
});
