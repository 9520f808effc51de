// The logs that a supervisor writes itself: rotation where something is in its way.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { setSoftOpenFiles } from '../../src/os/limits.js';
import { LogBackups } from '../../src/os/log-backups.js';
import { RotatingLog } from '../../src/os/rotating-log.js';
import { makeWorld } from '../support/world.js';

for (const backups of [3, 0])
  test(`a log that no descriptor is left for keeps its lines and its ${backups} backups, and is begun anew later`, async () => {
    await using world = await makeWorld();
    const failures: unknown[] = [];
    const path = world.path('log');
    const log = new RotatingLog({
      path,
      maxBytes: 10,
      backups,
      compress: false,
      isMovedTo: false,
      failed: (error) => failures.push(error),
    });
    using _ = log;
    const say = (...words: readonly string[]): void => {
      for (const word of words) log.write(Buffer.from(`${word}\n`));
    };
    say('the first', 'the second');
    const giveBack = setSoftOpenFiles(3);
    say('the third', ...Array.from({ length: 20 }, (_, index) => `in need ${index}`));
    giveBack();
    say('back', 'the last');
    assert.match(String(failures), /EMFILE|too many open files/);
    const files = ['log', 'log.1', 'log.2', 'log.3'].filter((name) => existsSync(world.path(name)));
    const kept = files.map((name) => world.read(name));
    const needs = Array.from({ length: 20 }, (_, index) => `in need ${index}\n`).join('');
    assert.deepEqual(
      kept,
      backups === 0
        ? ['the last\n']
        : ['the last\n', `the third\n${needs}back\n`, 'the second\n', 'the first\n'],
    );
  });

test('a backup is compressed by one at a time, also where the log has got another writer meanwhile', async () => {
  await using world = await makeWorld();
  const text = Array.from({ length: 400_000 }, (_, index) => `${index} line\n`).join('');
  writeFileSync(world.path('log.1'), text);
  const policy = { maxBytes: 1, maxAgeMs: null, backups: 3, compress: true };
  const troubles: unknown[] = [];
  const [first, second] = [1, 2].map(
    () => new LogBackups(world.path('log'), policy, (notice) => troubles.push(notice)),
  ) as [LogBackups, LogBackups];
  first.compress();
  second.compress();
  await first.settled();
  assert.ok(gunzipSync(readFileSync(world.path('log.1.gz'))).toString() === text, 'it is whole');
  await second.settled();
  assert.deepEqual(troubles, []);
});
