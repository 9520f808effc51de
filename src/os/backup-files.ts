// The backups beside a log, as those see them who read it on: LOG.1 is the newest, and `.gz` says it is compressed.
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { rotationNames } from '../core/log-rotation.js';
import { errnoNameOf, systemError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';
import { statOrNull } from './log-backups.js';

export interface BackupFile {
  readonly path: string;
  readonly isCompressed: boolean;
  readonly inode: number;
  /** On disk, so that its content is no shorter. */
  readonly bytes: number;
  /** When it was last written to, as its log. */
  readonly modifiedMs: number;
}

/** The newest first. A copy that is about to become a backup is one already. */
export function listBackups(log: string): BackupFile[] {
  const copied = lookAtBackup(rotationNames.copied(log), false);
  const backups = copied === null ? [] : [copied];
  // While they move on there is a free slot among them, and the same file may be met in two.
  for (let slot = 1, free = 0; free < 2; slot += 1) {
    const backup =
      lookAtBackup(rotationNames.backup(log, slot, true), true) ??
      lookAtBackup(rotationNames.backup(log, slot, false), false);
    free = backup === null ? free + 1 : 0;
    if (backup !== null && !backups.some(({ inode }) => inode === backup.inode)) backups.push(backup);
  }
  return backups;
}

/** What is in it, as it was in its log; null: its name is that of another file by now. */
export function readBackup({ path, isCompressed, inode }: BackupFile): Buffer | null {
  let descriptor: number;
  try {
    descriptor = openSync(encodeBytes(path), 'r');
  } catch (error) {
    if (errnoNameOf(error) === 'ENOENT') return null;
    throw systemError(`cannot read log ${path}`, error, path);
  }
  try {
    if (fstatSync(descriptor).ino !== inode) return null;
    const bytes = readFileSync(descriptor);
    if (!isCompressed) return bytes;
    // Loaded by those alone who meet such a file: node:zlib costs time.
    const { gunzipSync } = createRequire(import.meta.url)('node:zlib') as typeof import('node:zlib');
    return gunzipSync(bytes);
  } finally {
    closeSync(descriptor);
  }
}

/** null: there is none of that name. */
export function lookAtBackup(path: string, isCompressed: boolean): BackupFile | null {
  const stats = statOrNull(path);
  // One without content stands for a head that is thrown away.
  if (stats === null || (stats.size > 0 && stats.blocks === 0)) return null;
  return { path, isCompressed, inode: stats.ino, bytes: stats.size, modifiedMs: stats.mtimeMs };
}
