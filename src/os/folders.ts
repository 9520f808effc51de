import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoNameOf } from '../errors.js';

/**
 * Makes a directory and what is missing above it, 0700. Node's own recursive mkdir spins for ever where the file
 * system says ENOENT to a mkdir, as /proc does.
 */
export function makeFolders(path: string): void {
  if (makeFolder(path, 'ENOENT') || path === dirname(path)) return;
  makeFolders(dirname(path));
  makeFolder(path, null);
}

/** Whether it is there now: made by us, before us, or in the same moment by somebody else. */
function makeFolder(path: string, tolerated: 'ENOENT' | null): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
    return true;
  } catch (error) {
    const errnoName = errnoNameOf(error);
    if (errnoName === 'EEXIST') return true;
    if (errnoName === tolerated) return false;
    throw error;
  }
}
