// The end of a daemon's output files, and what is written to them from now on, across rotation and truncation.
import { closeSync, fstatSync, openSync, readSync, type Stats, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { errnoNameOf, NotFoundError, systemError } from '../errors.js';
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

/** One open log and how far it has been read. */
export class LogReader {
  readonly file: string;
  #descriptor: number;
  #offset: number;

  /** Begins `lines` lines before the end. */
  constructor(file: string, lines: number) {
    this.file = file;
    this.#descriptor = openLog(file);
    this.#offset = startOfLastLines(this.#descriptor, lines);
  }

  /** Everything that is new since the last call, in order; after a rotation first the rest of the old file. */
  *read(): Generator<LogChunk> {
    yield* this.#readToEnd();
    const now = statOrNull(this.file);
    if (now === null) return;
    const ours = fstatSync(this.#descriptor);
    if (now.ino !== ours.ino || now.dev !== ours.dev) {
      // Renamed away: what was written to the old file up to now is still ours to show.
      yield* this.#readToEnd();
      closeSync(this.#descriptor);
      this.#descriptor = openLog(this.file);
      this.#offset = 0;
      yield* this.#readToEnd();
    } else if (ours.size < this.#offset) {
      // Truncated in place, as copytruncate does.
      this.#offset = 0;
      yield* this.#readToEnd();
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  *#readToEnd(): Generator<LogChunk> {
    for (;;) {
      const bytes = Buffer.alloc(65536);
      const count = readSync(this.#descriptor, bytes, 0, bytes.length, this.#offset);
      if (count === 0) return;
      this.#offset += count;
      yield { file: this.file, bytes: bytes.subarray(0, count) };
    }
  }
}

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
