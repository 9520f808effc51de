// The reading end of a FIFO while somebody writes to it without end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { test } from 'node:test';
import { makeFifo } from '../../src/os/fifo.js';
import { StreamReader } from '../../src/os/stream-reader.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

test('who hears what is there does not listen for ever to somebody who goes on', async () => {
  await using world = await makeWorld();
  const fifo = world.path('fifo');
  makeFifo(fifo);
  let heard = 0;
  let limit = Number.POSITIVE_INFINITY;
  using reader = new StreamReader(fifo, (bytes) => {
    heard += bytes.length;
    if (heard > limit) throw new Error('it listens for ever');
    // As slow as whoever makes something of it.
    for (const end = Date.now() + 20; Date.now() < end; );
  });
  const writer = spawn('yes', { stdio: ['ignore', openSync(fifo, 'r+'), 'inherit'] });
  try {
    await until(() => assert.ok(heard > 0), { withinMs: 5000 });
    limit = heard + 2 * 1_048_576;
    reader.drain();
  } finally {
    writer.kill('SIGKILL');
  }
});
