// The server of the control socket when its process has no descriptor left. In a process of its own, since the sockets
// of other tests would give theirs back meanwhile.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import test from 'node:test';
import { encodeCall } from '../../src/formats/xml-rpc.js';
import { ask, post, RawClient, serve } from '../support/http.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const openFiles = Number(spawnSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).stdout);
const manyFiles = !(openFiles < 100_000) && 'needs a limit of open files that can be reached';

test('without descriptors the server lets clients go, and goes on', { skip: manyFiles }, async () => {
  await using world = await makeWorld();
  await using server = await serve(world.path('s'), { runs: { getPID: () => 4711 } });
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch {
    // EMFILE: all are taken. The client below needs one for itself.
    closeSync(taken.pop()!);
  }
  const client = new RawClient(server.path);
  await until(() => assert.ok(client.isEnded), { withinMs: 10_000 });
  for (const descriptor of taken) closeSync(descriptor);
  assert.match(
    await ask(server.path, post(encodeCall('supervisor.getPID', []), ['Connection: close'])),
    /<int>4711</,
  );
});
