// The working directory as bytes: process.cwd() and process.chdir() know only names that are UTF-8.
import { readlinkSync, statSync } from 'node:fs';
import { callLibc } from '../../native-bindings/libc.js';
import { cString } from '../../native-bindings/structs.js';
import { decodeBytes, encodeBytes } from '../spec/byte-text.js';

/** null where it has been removed: everything but a relative path still works. */
export function workingDirectory(): string | null {
  try {
    const path = process.cwd();
    return path.includes('\ufffd') ? decodeBytes(readlinkSync('/proc/self/cwd', 'buffer')) : path;
  } catch {
    // ENOENT: removed under us.
    return null;
  }
}

/** Throws what chdir(2) says. */
export function enterDirectory(path: string): void {
  if (path.isWellFormed()) process.chdir(path);
  else callLibc('chdir', cString(encodeBytes(path)));
}

/** As enterDirectory would find it, without entering. */
export function isDirectory(path: string): boolean {
  return statSync(encodeBytes(path)).isDirectory();
}
