// The end of a daemon's output files, and what is written to them from now on, across rotation and truncation.
import { closeSync, fstatSync, openSync, readlinkSync, readSync, type Stats, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { rotationNames } from '../core/log-rotation.js';
import { errnoNameOf, NotFoundError, systemError } from '../errors.js';
import { type BackupFile, listBackups, lookAtBackup, readBackup } from '../os/backup-files.js';
import { isHidden, takenFrom } from '../os/log-place.js';
import { decodeBytes, encodeBytes } from '../spec/byte-text.js';

export interface LogChunk {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** The files that have content to show; throws NotFoundError where the output went to no regular file. */
export function logFiles(outputs: readonly string[], what: string): string[] {
  const files = outputs.filter((path) => statOrNull(path)?.isFile() === true);
  if (files.length > 0) return files;
  const where = outputs.length === 0 ? 'none was recorded' : outputs.join(', ');
  throw new NotFoundError(`cannot read the log of ${what}: its output is no regular file: ${where}`);
}

/**
 * One log and how far it has been read: bytes are counted from its beginning, also when that has gone into backups
 * meanwhile, be it by a rename or by a rotation under the hands of its writer.
 */
export class LogReader {
  readonly file: string;
  #descriptor: number;
  /** Of the next byte to read; those that the file has lost at its beginning count. */
  #position: number;
  /** Files that were renamed: how far each was read, and its new name. */
  readonly #left = new Map<string, { readonly position: number; readonly name: string | null }>();
  /** When a file has its name back, as `reopen` gives it: where what was in it may be. */
  #renamedTo: string | null = null;

  /** Begins `lines` lines before the end. */
  constructor(file: string, lines: number) {
    this.file = file;
    this.#descriptor = openLog(file);
    this.#position = takenFrom(this.#descriptor) + startOfLastLines(this.#descriptor, lines);
  }

  /** Everything that is new since the last call, in order; after a rotation first the rest of the old file. */
  *read(): Generator<LogChunk> {
    yield* this.#readToEnd();
    while (this.#hasLostItsName()) {
      const next = openLog(this.file);
      // Whoever renamed it may have written to it up to now.
      yield* this.#readToEnd();
      const stats = fstatSync(next);
      if (!this.#left.has(identity(stats))) yield* this.#readBackupsUntil(stats.ino);
      this.#goOnIn(next);
      yield* this.#readToEnd();
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  *#readToEnd(): Generator<LogChunk> {
    for (;;) {
      const taken = takenFrom(this.#descriptor);
      if (this.#position < taken) {
        yield* this.#readTaken(taken);
        continue;
      }
      const offset = this.#position - taken;
      const bytes = Buffer.alloc(65536);
      const count = readSync(this.#descriptor, bytes, 0, bytes.length, offset);
      const isNotThereYet = count > 0 && isHidden(this.#descriptor, offset);
      const isTruncated = fstatSync(this.#descriptor).size < offset;
      // It lost its head between the two questions, so this may be from anywhere.
      if (takenFrom(this.#descriptor) !== taken) continue;
      // As copytruncate does.
      if (isTruncated) this.#position = taken;
      else if (count === 0 || isNotThereYet) return;
      else {
        this.#position += count;
        yield this.#chunk(bytes.subarray(0, count));
      }
    }
  }

  /** What was taken out of the file before we came to it is the end of its backups, or gone. */
  *#readTaken(taken: number): Generator<LogChunk> {
    const missing = taken - this.#position;
    const contents = this.#readSteadily((backups) => {
      // A copy of the head counts when the head is gone.
      const isStillThere = isHidden(this.#descriptor, 0);
      const counted = this.#withRenamed(backups).filter(
        ({ path }) => !isStillThere || path !== rotationNames.copied(this.file),
      );
      let found = 0;
      const enough = counted.findIndex(({ bytes }) => {
        found += bytes;
        return found >= missing;
      });
      return enough === -1 ? counted : counted.slice(0, enough + 1);
    });
    // There are more of them by now.
    if (takenFrom(this.#descriptor) !== taken) return;
    const whole = Buffer.concat(contents);
    this.#position = taken;
    if (whole.length > 0) yield this.#chunk(whole.subarray(Math.max(0, whole.length - missing)));
  }

  /** The backups that were logs after ours, which was renamed, and before the one that is open as the next. */
  *#readBackupsUntil(next: number): Generator<LogChunk> {
    const ours = fstatSync(this.#descriptor);
    const contents = this.#readSteadily((backups) => {
      const older = backups.slice(backups.findIndex(({ inode }) => inode === next) + 1);
      const slot = older.findIndex(({ inode }) => inode === ours.ino);
      // By the time as well: others may number them the other way round.
      const oldestMs = ours.mtimeMs + (slot === -1 ? SAME_MS : -SAME_MS);
      const newer = slot === -1 ? older : older.slice(0, slot);
      return newer.filter(({ modifiedMs }) => modifiedMs > oldestMs);
    });
    for (const bytes of contents) yield this.#chunk(bytes);
  }

  #withRenamed(backups: readonly BackupFile[]): readonly BackupFile[] {
    const renamed = this.#renamedTo === null ? null : lookAtBackup(this.#renamedTo, false);
    if (renamed === null || backups.some(({ inode }) => inode === renamed.inode)) return backups;
    return [...backups, renamed].sort((a, b) => b.modifiedMs - a.modifiedMs);
  }

  /** The contents of the chosen backups, the oldest first. Looks again when their names have moved on meanwhile. */
  #readSteadily(choose: (backups: readonly BackupFile[]) => readonly BackupFile[]): Buffer[] {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
      const contents = choose(listBackups(this.file)).map(readBackup);
      if (!contents.includes(null)) return (contents as Buffer[]).reverse();
    }
    return [];
  }

  #hasLostItsName(): boolean {
    const now = statOrNull(this.file);
    const ours = fstatSync(this.#descriptor);
    return now !== null && (now.ino !== ours.ino || now.dev !== ours.dev);
  }

  #goOnIn(next: number): void {
    const left = { position: this.#position, name: presentName(this.#descriptor) };
    this.#left.set(identity(fstatSync(this.#descriptor)), left);
    closeSync(this.#descriptor);
    this.#descriptor = next;
    const back = this.#left.get(identity(fstatSync(next)));
    this.#position = back?.position ?? takenFrom(next);
    this.#renamedTo = back?.name ?? null;
  }

  #chunk(bytes: Uint8Array): LogChunk {
    return { file: this.file, bytes };
  }
}

/** A compressed backup has the time of its original, but for what is lost in between. */
const SAME_MS = 0.5;

/** Backups that move on faster than they are read are thrown away faster, too. */
const MOST_ATTEMPTS = 100;

/** null: it cannot be told. */
function presentName(descriptor: number): string | null {
  try {
    return decodeBytes(readlinkSync(`/proc/self/fd/${descriptor}`, 'buffer'));
  } catch {
    // No /proc: then this file is not one that gets its name back.
    return null;
  }
}

/** An inode's number is given to another file soon after it was removed. */
const identity = ({ dev, ino, birthtimeMs }: Stats): string => `${dev}:${ino}:${birthtimeMs}`;

/** Calls back when a file of the directories may have changed. The directory is watched, so a rotation is seen too. */
export function watchFiles(files: readonly string[], changed: () => void): { [Symbol.dispose](): void } {
  const names = new Set(files.map((file) => basename(file)));
  const folders = new Set(files.map((file) => dirname(file)));
  const watchers = [...folders].map((folder) =>
    watch(encodeBytes(folder), { encoding: 'buffer' }, (_, name) => {
      if (name === null || names.has(decodeBytes(name as Buffer))) changed();
    }),
  );
  return {
    [Symbol.dispose]() {
      for (const watcher of watchers) watcher.close();
    },
  };
}

function openLog(file: string): number {
  try {
    return openSync(encodeBytes(file), 'r');
  } catch (error) {
    throw systemError(`cannot read log ${file}`, error, file);
  }
}

function statOrNull(path: string): Stats | null {
  try {
    return statSync(encodeBytes(path));
  } catch (error) {
    if (errnoNameOf(error) === 'ENOENT') return null;
    throw systemError(`cannot read log ${path}`, error, path);
  }
}

/** Where the last `lines` lines begin; the file is read backwards, so its size does not matter. */
function startOfLastLines(descriptor: number, lines: number): number {
  const { size } = fstatSync(descriptor);
  if (lines === 0) return size;
  const piece = Buffer.alloc(65536);
  let newlines = 0;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - piece.length);
    const count = readSync(descriptor, piece, 0, end - start, start);
    for (let index = count - 1; index >= 0; index -= 1) {
      // The newline that ends the last line does not begin another one.
      if (piece[index] !== 10 || start + index === size - 1) continue;
      newlines += 1;
      if (newlines === lines) return start + index + 1;
    }
    end = start;
  }
  return 0;
}
