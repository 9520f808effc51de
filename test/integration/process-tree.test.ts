// A process is killed with all that descends from it, whatever group or session they have moved to.
import assert from 'node:assert/strict';
import test from 'node:test';
import { killTree } from '../../src/os/process-tree.js';
import { processesMentioning } from '../support/proc.js';
import { needs, needsLinux } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const skip = needsLinux || needs('setsid');

test('descendants in groups and sessions of their own are killed with the process', { skip }, async () => {
  await using world = await makeWorld();
  const script = 'sleep 1001 & setsid sh -c "sleep 1002 & wait" & setsid sleep 1003 & echo > started; wait';
  const { pid } = world.start(['sh', '-c', script], { stdio: 'ignore' });
  await until(() => assert.equal(processesMentioning(world.folder).length, 5), { withinMs: 10_000 });
  killTree(pid!);
  await until(() => assert.deepEqual(processesMentioning(world.folder), []), { withinMs: 10_000 });
});

test('a process that goes on forking while it is killed is killed whole', { skip }, async () => {
  await using world = await makeWorld();
  // Each child leaves for a session of its own and lives long. The count is for the case that they are not killed.
  const script =
    'count=0; while [ $count -lt 1000 ]; do setsid sleep 1000 & count=$((count + 1)); echo > started; done';
  const { pid } = world.start(['sh', '-c', script], { stdio: 'ignore' });
  await until(() => assert.equal(world.read('started'), '\n'), { withinMs: 10_000 });
  killTree(pid!);
  await until(() => assert.deepEqual(processesMentioning(world.folder), []), { withinMs: 10_000 });
});

test('of one that has ended nobody else is hit', { skip }, () => {
  assert.doesNotThrow(() => killTree(2 ** 22 + 1));
});
