// run() with `watch`: the watchdog's options from a program that lives on.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import test from 'node:test';
import type { RunResult } from '../../src/index.js';
import { installPackage } from '../support/apps.js';
import { packageRoot } from '../support/package-root.js';
import { askShaky, freePort, shaky } from '../support/shaky.js';
import { needsLinux } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWatchedWorld, type WatchedWorld } from '../support/watched.js';

const skip = needsLinux;

/** What a call of run() in an app of its own came to. */
async function callRun(
  world: WatchedWorld,
  argv: readonly string[],
  options: object,
): Promise<RunResult | { code: string; message: string; exitCode?: number; lastWords?: string }> {
  installPackage(world, 'tsdaemon', packageRoot);
  writeFileSync(
    world.path('app.mjs'),
    `import { run, TsdaemonError } from 'tsdaemon';
     const answer = await run(${JSON.stringify(argv)}, ${JSON.stringify(options)}).catch((error) => {
       if (!(error instanceof TsdaemonError)) throw error;
       return { ...error, message: error.message };
     });
     console.log(JSON.stringify(answer));`,
  );
  const { code, stdout, stderr } = await world.run([process.execPath, 'app.mjs']);
  assert.deepEqual([code, stderr], [0, '']);
  return JSON.parse(stdout) as RunResult;
}

test('run() resolves when the program is ready, and its watchdog outlives the app', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const port = await freePort();
  const watch = { restart: 'always', backoffMs: 0, ready: `http://127.0.0.1:${port}/` };
  const started = await callRun(world, shaky(port), { name: 'web', output: 'web.log', watch });
  assert.equal(await askShaky(port), 'on');
  const { pid, ...rest } = started as RunResult;
  assert.deepEqual(rest, { name: 'web', pidfile: null, outputs: [world.path('web.log')] });
  assert.deepEqual(world.programs(), [pid]);
  await askShaky(port, '/crash');
  await until(async () => assert.equal((await world.status()).watchdog.restarts, 1), { withinMs: 10_000 });
});

test('run() rejects with the last words and the exit code of a program that ends before', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  const watch = { restart: 'no', stayUpMs: 20_000 };
  const options = { name: 'web', stderr: 'err.log', watch };
  const error = await callRun(world, ['sh', '-c', 'echo no port >&2; exit 7'], options);
  assert.deepEqual(error, {
    code: 'TSD_NOT_READY',
    message: "cannot start 'web': exit code 7 before it was ready",
    exitCode: 7,
    lastWords: 'no port\n',
  });
  world.assertNothingRuns();
});

test('run() rejects where the program is not ready in time, and has stopped it by then', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  const watch = { restart: 'always', ready: 'notify', readyTimeoutMs: 500 };
  const error = await callRun(world, ['sleep', '300'], { name: 'web', watch });
  assert.equal(
    'message' in error && error.message,
    "cannot start 'web': not ready within 0.5 s, so it was stopped",
  );
  world.assertNothingRuns();
});

test('run() refuses an option that makes no sense before anything is started', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const error = await callRun(world, ['sleep', '300'], { watch: { restart: 'always', ready: 'soon' } });
  assert.equal('code' in error && error.code, 'TSD_USAGE');
  world.assertNothingRuns();
});
