import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoNameOf } from '../errors.js';

/**
 * Makes a directory and what is missing above it, 0700. Node's own recursive mkdir spins for ever where the file
 * system says ENOENT to a mkdir, as /proc does.
 */
export function makeFolders(path: string): void {
  const errnoName = tryMkdir(path);
  if (errnoName !== 'ENOENT' || path === dirname(path)) return;
  makeFolders(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

function tryMkdir(path: string): string | null {
  try {
    mkdirSync(path, { mode: 0o700 });
    return null;
  } catch (error) {
    const errnoName = errnoNameOf(error);
    // EEXIST: there already, or somebody else was faster.
    if (errnoName === 'EEXIST' || errnoName === 'ENOENT') return errnoName;
    throw error;
  }
}
