// Who asks to be told of a write is told once, by the kernel.
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { WriteWatch } from '../../src/os/write-watch.js';
import { needsLinux as skip } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const soon = { withinMs: 5000 };

function makeFiles(world: World, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const path = world.path(`file-${index}`);
    writeFileSync(path, '');
    return path;
  });
}

test('a file is told once for each time that it was asked for, however much is written', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const [watched, other] = makeFiles(world, 2) as [string, string];
  const told: string[] = [];
  const watch = new WriteWatch<string>((name) => told.push(name));
  appendFileSync(watched, 'before');
  assert.notEqual(watch.add(watched, 'watched'), null);
  assert.notEqual(watch.add(other, 'other'), null);
  for (let count = 0; count < 3; count += 1) appendFileSync(watched, 'more');
  await until(() => assert.deepEqual(told, ['watched']), soon);
  // What comes behind it shows that nothing more has come of it.
  appendFileSync(watched, 'again');
  appendFileSync(other, 'first');
  await until(() => assert.deepEqual(told, ['watched', 'other']), soon);
  watch.add(watched, 'once more');
  appendFileSync(watched, 'again');
  await until(() => assert.deepEqual(told, ['watched', 'other', 'once more']), soon);
});

test('of a thousand files exactly those are told that were written to', { skip }, async () => {
  await using world = await makeWorld();
  const files = makeFiles(world, 1000);
  const told = new Set<number>();
  const watch = new WriteWatch<number>((index) => told.add(index));
  files.forEach((file, index) => {
    assert.notEqual(watch.add(file, index), null);
  });
  const written = files.map((_, index) => index).filter((index) => index % 3 === 0);
  for (const index of written) appendFileSync(files[index]!, 'x');
  await until(() => assert.equal(told.size, written.length), soon);
  assert.deepEqual(
    [...told].sort((first, second) => first - second),
    written,
  );
  for (const index of files.keys()) if (index % 3 !== 0) appendFileSync(files[index]!, 'x');
  await until(() => assert.equal(told.size, files.length), soon);
});

test('a file is told under whatever name it has, and neither after it was let go nor when it is removed', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const [moved, left, removed] = makeFiles(world, 3) as [string, string, string];
  const told: string[] = [];
  const watch = new WriteWatch<string>((name) => told.push(name));
  const number = watch.add(left, 'left')!;
  watch.add(removed, 'removed');
  watch.add(moved, 'moved');
  watch.remove(number);
  watch.remove(number);
  appendFileSync(left, 'x');
  rmSync(removed);
  renameSync(moved, world.path('elsewhere'));
  appendFileSync(world.path('elsewhere'), 'x');
  await until(() => assert.deepEqual(told, ['moved']), soon);
  assert.equal(watch.add(removed, 'removed'), null);
});

/** As many files as there are, and the kernel has room for so many events and no more. */
const MANY = 10_000;
const limitOf = (name: string): number => Number(readFileSync(`/proc/sys/fs/inotify/${name}`, 'utf8'));
const isSuited = (): boolean => limitOf('max_queued_events') < 2 * MANY && limitOf('max_user_watches') > MANY;

test('of so many files written to at once that the kernel cannot tell all, none is missed', {
  skip: skip || (!isSuited() && 'needs other limits of inotify'),
}, async () => {
  await using world = await makeWorld();
  const files = makeFiles(world, MANY);
  const told = new Set<number>();
  const watch = new WriteWatch<number>((index) => told.add(index));
  for (const [index, file] of files.entries()) watch.add(file, index);
  for (const file of files) appendFileSync(file, 'x');
  await until(() => assert.equal(told.size, MANY), soon);
});
