// What the verbs for daemons make of a supervisor in the background, which is one.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { isAlive } from '../support/proc.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

/** Its pid. */
async function supervise(world: World, program: string): Promise<number> {
  const conf = `[supervisord]\nchildlogdir=%(here)s\n[program:web]\nstdout_logfile=%(here)s/web.log\n${program}\n`;
  writeFileSync(`${world.cwd}/a.conf`, conf);
  const { code, stderr } = await world.run(['tsdaemon', 'supervise', '-c', 'a.conf']);
  assert.deepEqual([code, stderr], [0, '']);
  return Number(world.read('supervisord.pid'));
}

test('restart refuses a supervisor, before anything is stopped, and names what does it', async () => {
  await using world = await makeWorld();
  const pid = await supervise(world, 'command=sleep 1000');
  const { code, stdout, stderr } = await world.run(['tsdaemon', 'restart', 'supervisor']);
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^tsdaemon: cannot restart 'supervisor': it is a supervisor: .*upgrade.*reload.*\n$/);
  assert.ok(isAlive(pid));
  assert.equal((await world.run(['tsdaemon', 'stop', 'supervisor'])).code, 0);
  assert.ok(!isAlive(pid));
});

test('stop waits for a supervisor as long as its programs have to end', async () => {
  await using world = await makeWorld();
  const stubborn = `command=sh -c "trap '' TERM; echo deaf; while :; do sleep 0.1; done"\nstopwaitsecs=11`;
  const pid = await supervise(world, stubborn);
  await until(() => assert.ok(existsSync(`${world.cwd}/web.log`) && world.read('web.log') === 'deaf\n'), {
    withinMs: 10_000,
  });
  const { code, stdout } = await world.run(['tsdaemon', 'stop', 'supervisor'], { withinMs: 30_000 });
  assert.deepEqual([code, stdout], [0, `supervisor: stopped process ${pid}\n`]);
  assert.match(world.read('supervisord.log'), /WARN stopped: web \(terminated by SIGKILL\)\n$/);
});
