// `logs -f` of a log that is rotated meanwhile: every byte is shown once and in order.
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { canCollapse } from '../../src/os/log-collapse.js';
import { LogPump } from '../../src/os/log-fifo.js';
import { LogFile } from '../../src/os/log-file.js';
import type { LogNotice } from '../../src/os/log-notice.js';
import { LogReader } from '../../src/runtime/read-logs.js';
import type { LogRotation } from '../../src/spec/service-spec.js';
import { assertNumbered, linesOf, startWriter, stopWriter } from '../support/logs.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';
import { makeRandom } from '../unit/random.js';

const policies: readonly LogRotation[] = [false, true].map((compress) => ({
  maxBytes: 65_536,
  maxAgeMs: null,
  backups: 1000,
  compress,
}));

interface Kept {
  readonly log: string;
  /** What the program writes to. */
  readonly descriptor: number;
  readonly notices: LogNotice[];
  readonly keeper: LogFile | LogPump;
}

type Keep = (world: World, rotation: LogRotation) => Promise<Kept>;

const keepFile: Keep = async (world, rotation) => {
  const log = join(mkdtempSync(join(world.folder, 'log-')), 'web.log');
  const descriptor = openSync(log, 'a');
  const notices: LogNotice[] = [];
  const keeper = await LogFile.open({ path: log, rotation, report: (notice) => notices.push(notice) });
  return { log, descriptor, notices, keeper };
};

const keepFifo: Keep = async (world, rotation) => {
  const folder = mkdtempSync(join(world.folder, 'log-'));
  const log = join(folder, 'web.log');
  const notices: LogNotice[] = [];
  const keeper = new LogPump({
    path: log,
    folder,
    streams: ['stdout'],
    format: 'as-is',
    rotation,
    report: (notice) => notices.push(notice),
  });
  await keeper.begin();
  return { log, descriptor: keeper.openEnd('stdout'), notices, keeper };
};

const skip = !canCollapse(join(process.env.TMPDIR ?? '/tmp', 'web.log')) && 'needs ext4 or xfs';

for (const [how, keep] of [
  ['a collapse', keepFile],
  ['a rename', keepFifo],
] as const) {
  for (const rotation of policies) {
    const name = `a log that is rotated by ${how}${rotation.compress ? ' and compressed' : ''}`;
    test(`${name} is read on without a gap, however late one looks`, { skip }, async () => {
      await using world = await makeWorld();
      const random = makeRandom(Number(process.env.TSDAEMON_SEED ?? 32));
      const { log, descriptor, notices, keeper } = await keep(world, rotation);
      using reader = new LogReader(log, 10);
      const shown: Buffer[] = [];
      const look = (): void => {
        for (const { bytes } of reader.read()) shown.push(Buffer.from(bytes));
      };
      const writer = startWriter(world, descriptor, '1');
      while (notices.length < 40) {
        look();
        await pause(random.below(60));
      }
      const lines = await stopWriter(writer);
      await keeper.drain();
      await keeper[Symbol.asyncDispose]();
      look();
      assert.deepEqual([...new Set(notices.map(({ name }) => name))], ['rotated']);
      assertNumbered(linesOf(Buffer.concat(shown)), lines);
      closeSync(descriptor);
    });
  }
}

test('a log that logrotate has renamed and that got its name back is not shown again', { skip }, async () => {
  await using world = await makeWorld();
  const { log, descriptor, keeper } = await keepFile(world, policies[0]!);
  using reader = new LogReader(log, 10);
  const shown: Buffer[] = [];
  const look = (): void => {
    for (const { bytes } of reader.read()) shown.push(Buffer.from(bytes));
  };
  const writer = startWriter(world, descriptor, '1');
  await until(() => assert.ok(statSync(log).size > 20_000), { withinMs: 10_000 });
  look();
  renameSync(log, join(dirname(log), 'web.log-20261124'));
  writeFileSync(log, '');
  look();
  await (keeper as LogFile).reopen();
  const lines = await stopWriter(writer);
  await keeper[Symbol.asyncDispose]();
  look();
  assertNumbered(linesOf(Buffer.concat(shown)), lines);
  closeSync(descriptor);
});
