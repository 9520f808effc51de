import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoNameOf, systemError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';

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

export function isDirectory(path: string): boolean {
  return statSync(encodeBytes(path), { throwIfNoEntry: false })?.isDirectory() === true;
}

/** The directory that a path is in. */
export const folderOf = (path: string): string => dirname(path);

/** The whole text or the one before it, whatever happens meanwhile. */
export function replaceText(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(encodeBytes(temporary), text, { mode: 0o600 });
    renameSync(encodeBytes(temporary), encodeBytes(path));
  } catch (error) {
    throw systemError(`cannot write ${path}`, error, path);
  }
}

/** null: there is no such file. */
export function readTextOrNull(path: string): string | null {
  try {
    return readFileSync(encodeBytes(path), 'utf8');
  } catch (error) {
    const errnoName = errnoNameOf(error);
    if (errnoName === 'ENOENT' || errnoName === 'ENOTDIR') return null;
    throw error;
  }
}
