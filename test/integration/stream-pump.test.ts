// The way of a stream to its log where the disk takes nothing more, not even what is noted beside it.
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { writeSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Spool } from '../../src/os/log-spool.js';
import { needsLinux } from '../support/tools.js';
import { makeWorld, type World } from '../support/world.js';

const moduleAt = (path: string): string => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));

/** Runs a module under a file size limit of nothing: EFBIG for every write. */
function runWithoutRoom(world: World, script: string): SpawnSyncReturns<string> {
  return spawnSync(
    '/bin/sh',
    ['-c', 'ulimit -f 0; exec "$0" --input-type=module -e "$1"', process.execPath, script],
    {
      cwd: world.path('.'),
      encoding: 'utf8',
      timeout: 10_000,
      killSignal: 'SIGKILL',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
}

test('a spool that cannot be begun leaves nothing open', { skip: needsLinux }, async () => {
  await using world = await makeWorld();
  const script = `
    import { readdirSync } from 'node:fs';
    import { Spool } from ${moduleAt('../../src/os/log-spool.js')};
    const open = () => readdirSync('/proc/self/fd').length;
    const before = open();
    let failed = 0;
    for (let count = 0; count < 10; count += 1)
      try {
        new Spool(process.cwd(), ['fifo'], null);
      } catch {
        failed += 1;
      }
    console.log(failed, open() - before);
  `;
  assert.equal(runWithoutRoom(world, script).stdout, '10 0\n');
});

test('what a disk that takes nothing more leaves in a spool does not keep its reader from going on', async () => {
  await using world = await makeWorld();
  const spool = new Spool(world.path('.'), ['fifo'], null);
  const { file, end } = spool.target('fifo');
  writeSync(file, 'left by a reader that was killed\n', end);
  spool.close();
  const script = `
    import { makeFifo } from ${moduleAt('../../src/os/fifo.js')};
    import { RotatingLog } from ${moduleAt('../../src/os/rotating-log.js')};
    import { StreamPump } from ${moduleAt('../../src/os/stream-pump.js')};
    const failed = (error) => console.log(error.message);
    makeFifo('fifo');
    const log = new RotatingLog({ path: 'log', maxBytes: null, backups: 0, compress: false, isMovedTo: true, failed });
    const way = { passes: () => false, make: (bytes) => bytes, end: () => new Uint8Array(),
      memory: () => ({ state: null, needs: 0 }), resume: () => undefined };
    new StreamPump({ fifo: process.cwd() + '/fifo', log, way, failed });
    console.log('goes on');
    process.exit();
  `;
  const { stdout, signal } = runWithoutRoom(world, script);
  assert.equal(signal, null, 'it hangs');
  assert.match(stdout, /EFBIG.*goes on/s);
});
