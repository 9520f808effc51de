// Apps that call daemonize(), set up as a user has them: in a folder with tsdaemon among its node_modules.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonizeOptions } from '../../src/index.js';
import { packageRoot } from './package-root.js';
import { until } from './until.js';
import type { RunOptions, World } from './world.js';

/** Puts the fixture into the world's working directory and returns its path. */
export function installApp(world: World, name: string): string {
  installPackage(world, 'tsdaemon', packageRoot);
  const fixture = join(packageRoot, 'test/fixtures/apps', name);
  // TypeScript has its source under another name here, else it would be compiled together with the tests.
  copyFileSync(existsSync(fixture) ? fixture : `${fixture}.txt`, world.path(name));
  return world.path(name);
}

export function installPackage(world: World, name: string, folder: string): void {
  mkdirSync(world.path('node_modules'), { recursive: true });
  if (!existsSync(world.path(join('node_modules', name))))
    symlinkSync(folder, world.path(join('node_modules', name)));
}

/** Asks the fixture `server.mjs` to do something and returns its answer. */
export async function ask(world: World, action: string): Promise<string> {
  const port = await until(
    () => {
      const line = world.read('port');
      // The file is there a moment before its content is.
      assert.match(line, /^\d+\n$/);
      return line.trim();
    },
    { withinMs: 10_000 },
  );
  const response = await fetch(`http://127.0.0.1:${port}${action}`);
  return response.text();
}

/** Runs an app's launcher, which must exit with 0; returns the pid in its pidfile. The daemon may outlive the test. */
export async function daemonized(
  world: World,
  argv: readonly string[],
  options: RunOptions & { readonly pidfile?: string } = {},
): Promise<number> {
  const outcome = await world.run(argv, options);
  assert.deepEqual(outcome, { code: 0, signal: null, stdout: '', stderr: '' });
  const pid = Number(world.read(options.pidfile ?? 'app.pid'));
  world.expectSurvivor(pid);
  return pid;
}

/** The fixture `server.mjs` as a daemon that is ready. */
export function startServer(
  world: World,
  options: DaemonizeOptions = {},
  runOptions: RunOptions = {},
): Promise<number> {
  const given = { pidfile: 'app.pid', stdout: 'app.log', waitReady: true, ...options };
  const argv = [process.execPath, installApp(world, 'server.mjs'), JSON.stringify(given)];
  return daemonized(world, argv, runOptions);
}
