// All processes of a program, whatever group, session or parent they have moved to.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import test, { before } from 'node:test';
import { becomeSubreaper } from '../../src/os/children.js';
import {
  killTree,
  signalMembers,
  standingOf,
  type TreeScope,
  treeMembers,
} from '../../src/os/process-tree.js';
import { readStat } from '../../src/os/processes.js';
import { isAlive, processesMentioning, statOf } from '../support/proc.js';
import { needsLinux } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const skip = needsLinux;
const LONG = 10_000;
const OURSELVES: TreeScope = { below: [process.pid] };

// The test stands in for the watchdog. The orphans that it adopts stay zombies until it ends; nobody reaps
// them.
before(() => {
  if (process.platform === 'linux') becomeSubreaper();
});

/**
 * A shell, a child, one in a session of its own, and two that have lost their parents, of which one has a
 * child.
 */
const FAMILY = `
  sleep 1001 &
  setsid sleep 1002 &
  sh -c 'sleep 1003 & exit 0'
  setsid sh -c 'setsid sh -c "sleep 1004 & wait" & exit 0'
  echo started > started
  wait
  exec sleep 1005`;
const FAMILY_SIZE = 6;

const pidsOf = (members: readonly { readonly pid: number }[]): number[] =>
  members.map(({ pid }) => pid).sort((first, second) => first - second);

/**
 * The family's shell and everybody that an independent eye finds: they all have the world in their
 * environment.
 */
async function startFamily(world: World): Promise<{ shell: number; everybody: number[] }> {
  const shell = world.start(['sh', '-c', FAMILY], { stdio: 'ignore' }).pid!;
  const everybody = await until(
    () => {
      assert.equal(world.read('started'), 'started\n');
      const pids = processesMentioning(world.folder).sort((first, second) => first - second);
      assert.equal(pids.length, FAMILY_SIZE);
      return pids;
    },
    { withinMs: LONG },
  );
  return { shell, everybody };
}

async function assertAllDead(world: World): Promise<void> {
  await until(() => assert.deepEqual(processesMentioning(world.folder), []), { withinMs: LONG });
}

test('below a subreaper everybody is found, re-parented or in a session of its own', { skip }, async () => {
  await using world = await makeWorld();
  const { everybody } = await startFamily(world);
  assert.deepEqual(pidsOf(treeMembers(OURSELVES)), everybody);
  for (const pid of everybody) assert.equal(standingOf(pid, OURSELVES), 'member', String(pid));
  killTree(OURSELVES);
  await assertAllDead(world);
});

test('from a process on, its descendants are found and those that left it are not', { skip }, async () => {
  await using world = await makeWorld();
  const { shell, everybody } = await startFamily(world);
  const scope = { from: [shell] };
  const found = pidsOf(treeMembers(scope));
  const orphans = everybody.filter((pid) => statOf(pid)!.parent === process.pid && pid !== shell);
  assert.equal(orphans.length, 2);
  assert.equal(found.includes(shell), true);
  assert.deepEqual(
    found,
    everybody.filter((pid) => !orphans.includes(pid) && !orphans.includes(statOf(pid)!.parent)),
  );
  for (const pid of everybody)
    assert.equal(standingOf(pid, scope), found.includes(pid) ? 'member' : 'stranger', String(pid));
  killTree(OURSELVES);
  await assertAllDead(world);
});

test('a command of the watchdog’s own is left out, with all that it started', { skip }, async () => {
  await using world = await makeWorld();
  const program = world.start(['sleep', '1000'], { stdio: 'ignore' }).pid!;
  const script = 'sleep 1001 & sh -c "sleep 1002 & exit 0"; echo > started; wait';
  // setsid makes it the leader of a group, as every command that the watchdog starts for itself is.
  const command = world.start(['setsid', 'sh', '-c', script], { stdio: 'ignore' }).pid!;
  await until(() => assert.equal(world.read('started'), '\n'), { withinMs: LONG });
  const scope = { ...OURSELVES, except: new Set([command]) };
  await until(() => assert.equal(treeMembers(OURSELVES).length, 4), { withinMs: LONG });
  assert.deepEqual(pidsOf(treeMembers(scope)), [program]);
  assert.equal(standingOf(command, scope), 'stranger');
  assert.equal(standingOf(program, scope), 'member');
  killTree(OURSELVES);
  await assertAllDead(world);
});

test('strangers are told from those of whom nobody can tell any more', { skip }, () => {
  for (const pid of [1, process.pid, process.ppid]) assert.equal(standingOf(pid, OURSELVES), 'stranger');
  assert.equal(standingOf(2 ** 22 + 1, OURSELVES), 'gone');
});

test('the dead are no members, though their last message may still be theirs', { skip }, async () => {
  await using world = await makeWorld();
  // The sleep does not ask how its child ended, which so stays a zombie.
  const parent = world.start(['sh', '-c', 'sh -c "echo \\$\\$ > pid" & exec sleep 1000'], { stdio: 'ignore' })
    .pid!;
  const zombie = await until(
    () => {
      const pid = Number(world.read('pid'));
      assert.equal(statOf(pid)?.state, 'Z');
      return pid;
    },
    { withinMs: LONG },
  );
  assert.deepEqual(pidsOf(treeMembers({ from: [parent] })), [parent]);
  assert.equal(standingOf(zombie, { from: [parent] }), 'member');
  killTree(OURSELVES);
  await assertAllDead(world);
});

test('a signal reaches each member, and nobody who has its pid by now', { skip }, async () => {
  await using world = await makeWorld();
  const script = 'trap "echo >> got" USR1; echo > started; while :; do sleep 0.01; done';
  const pid = world.start(['sh', '-c', script], { stdio: 'ignore' }).pid!;
  await until(() => assert.equal(world.read('started'), '\n'), { withinMs: LONG });
  const member = readStat(pid)!;
  assert.deepEqual(signalMembers([{ ...member, startTime: member.startTime - 1 }], 'SIGKILL'), []);
  assert.deepEqual(signalMembers([member], 'SIGUSR1'), [member]);
  await until(() => assert.equal(world.read('got'), '\n'), { withinMs: LONG });
  killTree({ from: [pid] });
  await assertAllDead(world);
});

test('a program that goes on forking while it is killed is killed whole', { skip }, async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('started'), '');
  // Each child leaves for a session of its own and lives long. The count is for the case that they are not
  // killed.
  const script = `
    echo >> started
    count=0
    while [ $count -lt 1000 ]; do setsid sleep 1000 & count=$((count + 1)); done`;
  for (let copy = 0; copy < 3; copy += 1) world.start(['sh', '-c', script], { stdio: 'ignore' });
  await until(() => assert.equal(world.read('started'), '\n\n\n'), { withinMs: LONG });
  killTree(OURSELVES);
  await assertAllDead(world);
  assert.deepEqual(treeMembers(OURSELVES), []);
  assert.equal(isAlive(process.pid), true);
});
