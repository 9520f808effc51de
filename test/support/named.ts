import assert from 'node:assert/strict';
import { isAlive, processesMentioning } from './proc.js';
import { until } from './until.js';
import type { World } from './world.js';

/**
 * Whatever runs in the world is what `status --pidfile x.pid` says and what stop stops; where nothing runs both say so.
 * Leaves nothing behind. What is about to end, or to become the daemon, gets the time for that.
 */
export async function assertNamed(world: World): Promise<'alive' | 'none'> {
  const pidfile = ['--pidfile', 'x.pid'];
  const daemons = await until(
    async () => {
      const { code, stdout } = await world.tsdaemon(['status', ...pidfile, '--json']);
      const { pid } = JSON.parse(stdout) as { pid: number | null };
      const all = processesMentioning(world.folder);
      for (const each of all) world.expectSurvivor(each);
      assert.deepEqual(all, pid === null ? [] : [pid], stdout);
      if (pid === null) assert.ok(code === 1 || code === 3, stdout);
      return all;
    },
    { withinMs: 10_000 },
  );
  const stop = await world.tsdaemon(['stop', ...pidfile]);
  assert.equal(stop.code, 0, stop.stderr);
  for (const pid of daemons) assert.equal(isAlive(pid), false);
  assert.equal((await world.tsdaemon(['status', ...pidfile])).code, 3);
  // A start that was killed early enough has recorded nothing that could be forgotten.
  await world.tsdaemon(['forget', 'web']);
  return daemons.length === 0 ? 'none' : 'alive';
}
