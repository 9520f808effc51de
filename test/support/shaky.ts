// The HTTP server that breaks on request, as a program under a watchdog.
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { packageRoot } from './package-root.js';

/** Its command line; it listens on this port. */
export const shaky = (port: number): [string, ...string[]] => [
  process.execPath,
  join(packageRoot, 'test/fixtures/apps/shaky.mjs'),
  String(port),
];

/** Asks it to do something; null if it did not answer. */
export async function askShaky(port: number, action = '/'): Promise<string | null> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${action}`, { signal: AbortSignal.timeout(2000) });
    return await answer.text();
  } catch {
    // Whatever fetch says: it crashed, hangs, or is not there yet.
    return null;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
