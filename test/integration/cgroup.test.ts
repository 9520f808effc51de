// A cgroup of the program's own, where the machine gives us one to divide.
import assert from 'node:assert/strict';
import { chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Cgroup } from '../../src/os/cgroup.js';
import { processesMentioning } from '../support/proc.js';
import { needsCgroup, needsLinux, needsRoot } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const LONG = 10_000;
const name = `tsdaemon-test-${process.pid}`;

const skip = needsCgroup();

/** Waits for the word `go` before it does anything, so that it is in its group by then. */
const WAITING = (script: string): string => `read go\n${script}`;

test('whoever is in the group, in whatever session or group below, is a member and is killed', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const group = Cgroup.create(name)!;
  try {
    assert.equal(group.isPopulated(), false);
    assert.equal(await group.emptied(LONG), true);
    const script = `
      setsid sh -c "sleep 1001 & exit 0"
      mkdir "$0/below"
      sh -c "echo \\$\\$ > $0/below/cgroup.procs; exec sleep 1002" &
      echo > started
      wait`;
    const child = world.start(['sh', '-c', WAITING(script), group.path]);
    assert.equal(group.add(child.pid!), true);
    assert.equal(group.isPopulated(), true);
    child.stdin!.end('go\n');
    await until(
      () => {
        assert.equal(world.read('started'), '\n');
        assert.match(readFileSync(join(group.path, 'below', 'cgroup.procs'), 'utf8'), /\d/);
        const pids = processesMentioning(world.folder);
        assert.equal(pids.length, 3);
        assert.deepEqual(new Set(group.members()), new Set(pids));
      },
      { withinMs: LONG },
    );
    assert.equal(group.remove(), false, 'somebody lives in it');
    assert.equal(await group.emptied(50), false);
    const emptied = group.emptied(LONG);
    assert.equal(group.kill(), true);
    assert.equal(await emptied, true);
    assert.equal(group.isPopulated(), false);
    await until(() => assert.deepEqual(processesMentioning(world.folder), []), { withinMs: LONG });
  } finally {
    await until(() => assert.equal(group.remove(), true), { withinMs: LONG });
  }
  assert.equal(existsSync(group.path), false);
  assert.equal(group.remove(), true, 'it is gone already');
});

test('a group is found again by its path, and what is none is not taken for one', { skip }, async () => {
  await using world = await makeWorld();
  const group = Cgroup.create(name)!;
  assert.equal(Cgroup.create(name)?.path, group.path);
  assert.equal(Cgroup.open(group.path)?.path, group.path);
  assert.equal(group.remove(), true);
  assert.equal(Cgroup.open(group.path), null);
  mkdirSync(world.path('folder'));
  assert.equal(Cgroup.open(world.path('folder')), null);
});

test('a process that has ended is not added', { skip }, async () => {
  const group = Cgroup.create(name)!;
  assert.equal(group.add(2 ** 22 + 1), false);
  assert.equal(group.remove(), true);
});

test('a user who owns no part of the hierarchy gets no group', {
  skip: needsLinux || needsRoot,
}, async () => {
  await using world = await makeWorld();
  const module = new URL('../../src/os/cgroup.js', import.meta.url).href;
  const code = `
    const { Cgroup } = await import(${JSON.stringify(module)});
    process.setuid(65534);
    console.log(Cgroup.create(${JSON.stringify(name)}));`;
  const outcome = await world.run([process.execPath, '--input-type=module', '-e', code]);
  assert.equal(outcome.stdout, 'null\n', outcome.stderr);
});

test('a user to whom a part of the hierarchy was handed over divides it', {
  skip: skip || needsRoot,
}, async () => {
  await using world = await makeWorld();
  const group = Cgroup.create(name)!;
  try {
    for (const file of ['', 'cgroup.procs']) chownSync(join(group.path, file), 65534, 65534);
    const module = new URL('../../src/os/cgroup.js', import.meta.url).href;
    const code = `
      const { Cgroup } = await import(${JSON.stringify(module)});
      process.setuid(65534);
      const group = Cgroup.create('inner');
      console.log(group.path, group.add(process.pid), group.members().includes(process.pid));`;
    const outcome = await world.sh(
      'echo $$ > "$GROUP/cgroup.procs" && exec node --input-type=module -e "$CODE"',
      {
        env: { GROUP: group.path, CODE: code },
      },
    );
    assert.equal(outcome.stdout, `${join(group.path, 'inner')} true true\n`, outcome.stderr);
  } finally {
    await until(() => assert.equal(group.remove(), true), { withinMs: LONG });
  }
});
