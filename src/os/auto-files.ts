import { closeSync, openSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errnoNameOf, systemError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';

/** Makes an empty file, 0600, that nobody had before. Throws SystemError. */
export function makeFileOfRandomName(folder: string, prefix: string, suffix: string): string {
  for (;;) {
    const random = Math.random().toString(36).slice(2, 10).padEnd(8, '0');
    const path = join(folder, `${prefix}${random}${suffix}`);
    try {
      closeSync(openSync(encodeBytes(path), 'wx', 0o600));
      return path;
    } catch (error) {
      if (errnoNameOf(error) !== 'EEXIST') throw systemError(`cannot make log ${path}`, error, path);
    }
  }
}

/** Removes the files of the folder whose names are meant. What cannot be removed stays. */
export function removeMatching(
  folder: string,
  isMeant: (name: string) => boolean,
  spared: ReadonlySet<string>,
): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (!isMeant(name) || spared.has(path)) continue;
    try {
      rmSync(path);
    } catch (error) {
      // EACCES, EPERM: another user's, in a directory with the sticky bit. EISDIR: not a log.
      if (errnoNameOf(error) === null) throw error;
    }
  }
}
