// The keepers of logs that programs write to themselves: when there is one, and what becomes of it.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { setSoftOpenFiles } from '../../src/os/limits.js';
import { canCollapse } from '../../src/os/log-collapse.js';
import { LogKeepers } from '../../src/runtime/log-keepers.js';
import type { StreamPlan } from '../../src/spec/supervision.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const skip = !canCollapse(join(tmpdir(), 'x')) && `needs ext4 or xfs at ${tmpdir()}`;

const soon = { withinMs: 15_000 };

const LIMIT = 65_536;

const planOf = (path: string, compress = false): StreamPlan => ({
  path,
  maxBytes: LIMIT,
  maxAgeMs: null,
  backups: 5,
  compress,
  captureMaxBytes: 0,
  publishes: false,
  toSyslog: false,
  stripsAnsi: false,
});

const isRotated = (path: string): Promise<void> => until(() => assert.ok(existsSync(`${path}.1`)), soon);

test('a log that two programs write to is rotated until both are gone', { skip }, async () => {
  await using world = await makeWorld();
  const path = world.path('log');
  writeFileSync(path, '');
  let held: string | null = path;
  const keepers = new LogKeepers({ say: assert.fail, held: () => held });
  keepers.keep(planOf(path));
  keepers.keep(planOf(path));
  keepers.forget(path);
  appendFileSync(path, Buffer.alloc(3 * LIMIT, 'x'));
  await isRotated(path);
  held = null;
  keepers.forget(path);
});

test('a log that could not be opened is rotated as soon as it can be', { skip }, async () => {
  await using world = await makeWorld();
  const path = world.path('log');
  writeFileSync(path, Buffer.alloc(3 * LIMIT, 'x'));
  const said: string[] = [];
  const keepers = new LogKeepers({ say: (line) => said.push(line), held: () => null });
  const giveBack = setSoftOpenFiles(3);
  try {
    keepers.keep(planOf(path));
    await until(() => assert.match(String(said), /EMFILE|too many open files/i), soon);
  } finally {
    giveBack();
  }
  await isRotated(path);
  assert.equal(said.length, 1, said.join());
  keepers.forget(path);
});

test('a keeper that cannot follow its program to another file says so, and follows it later', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const path = world.path('log');
  writeFileSync(path, Buffer.alloc(LIMIT - 1, 'x'));
  const said: string[] = [];
  const keepers = new LogKeepers({ say: (line) => said.push(line), held: () => null });
  keepers.keep(planOf(path));
  const opened = (): boolean =>
    readdirSync('/proc/self/fd').some((number) => {
      const there = statSync(`/proc/self/fd/${number}`, { throwIfNoEntry: false });
      return there !== undefined && there.ino === statSync(path).ino;
    });
  await until(() => assert.ok(opened()), soon);
  renameSync(path, world.path('moved'));
  writeFileSync(path, '');
  const giveBack = setSoftOpenFiles(3);
  try {
    keepers.keep(planOf(path));
    await until(() => assert.match(String(said), /cannot follow log/), soon);
  } finally {
    giveBack();
  }
  keepers.keep(planOf(path));
  await until(() => assert.ok(opened()), soon);
  appendFileSync(path, Buffer.alloc(3 * LIMIT, 'x'));
  await isRotated(path);
  assert.equal(statSync(world.path('moved')).size, LIMIT - 1);
  keepers.forget(path);
});

test('a backup that is still compressed when its log is rotated again has its name when it is whole', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const path = world.path('log');
  const old = randomBytes(32 * 1_048_576);
  writeFileSync(`${path}.1`, old);
  writeFileSync(path, '');
  const keepers = new LogKeepers({ say: assert.fail, held: () => null });
  keepers.keep(planOf(path, true));
  // An empty log rests at once, while its backup is compressed.
  await until(() => assert.ok(statSync(`${path}.compressing`).size > old.length / 3), soon);
  appendFileSync(path, randomBytes(3 * LIMIT));
  const large = await until(() => {
    const name = readdirSync(world.path('.')).find(
      (each) => each.endsWith('.gz') && statSync(world.path(each)).size > 4 * LIMIT,
    );
    return name ?? assert.fail('not compressed yet');
  }, soon);
  assert.ok(gunzipSync(readFileSync(world.path(large))).equals(old));
  await until(() => {
    const names = readdirSync(world.path('.'));
    assert.equal(
      names.find((name) => /\.(?:\d|compressing)$/.test(name)),
      undefined,
    );
    assert.ok(names.filter((name) => name.endsWith('.gz')).length > 1);
  }, soon);
  keepers.forget(path);
});
