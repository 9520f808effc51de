// A new version of tsdaemon under a supervisor whose programs do not notice.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { TestSupervisor } from '../support/supervisors.js';
import { makeWorld } from '../support/world.js';

const config = (umask: string): string =>
  `[program:web]\ncommand=sleep 1000\nstartsecs=0\numask=${umask}\n[program:rests]\ncommand=sleep 1000\n`;

test('upgrade exchanges a supervisor in place: same pids, what was stopped rests, the file is not read', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(config('022'));
  await ours.start();
  await ours.reaches('rests', 'RUNNING');
  await ours.call('supervisor.stopProcess', 'rests');
  const before = await ours.pidOf('web');
  // Neither a change nor a mistake in it is any business of an upgrade.
  for (const umask of ['077', 'mistake']) {
    ours.configure(config(umask));
    const { code, stdout, stderr } = await world.run(['tsdaemon', 'upgrade', 'supervisor']);
    assert.deepEqual([code, stdout, stderr], [0, `upgraded supervisor ${ours.pid}\n`, '']);
    await ours.answers();
    assert.equal(await ours.call('supervisor.getPID'), ours.child.pid);
    assert.equal((await ours.info('web')).statename, 'RUNNING');
    assert.equal(await ours.pidOf('web'), before);
    assert.equal((await ours.info('rests')).statename, 'STOPPED');
  }
});

test('upgrade --all finds supervisors in the background too', async () => {
  await using world = await makeWorld();
  const file = `${world.cwd}/sv.conf`;
  writeFileSync(
    file,
    '[supervisord]\nidentifier=site\nlogfile=%(here)s/main.log\npidfile=%(here)s/pid\nchildlogdir=%(here)s\n' +
      '[program:web]\ncommand=sleep 1000\n',
  );
  assert.equal((await world.run(['tsdaemon', 'supervise', '-c', file])).code, 0);
  try {
    const all = await world.run(['tsdaemon', 'upgrade', '--all', '--json']);
    const { upgraded } = JSON.parse(all.stdout) as { upgraded: number[] };
    assert.equal(upgraded.length, 1);
    const named = await world.run(['tsdaemon', 'upgrade', 'site']);
    assert.equal(named.stdout, `upgraded supervisor ${upgraded[0]}\n`);
  } finally {
    assert.equal((await world.run(['tsdaemon', 'stop', 'site'])).code, 0);
  }
});
