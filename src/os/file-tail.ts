// The end of a file and what is added to it, by bytes, for a reader that may be slow: nothing is read before it is asked
// for, and nothing is polled.
import {
  closeSync,
  constants,
  type FSWatcher,
  fstatSync,
  openSync,
  readSync,
  statSync,
  watch,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { errnoNameOf } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';

/** What supervisord's readers are told when a file became shorter. */
const TRUNCATED = Buffer.from('==> File truncated <==\n');
const PIECE_BYTES = 16_384;

export class FileTail {
  readonly modifiedAt: Date;
  readonly #path: string;
  #descriptor: number;
  #offset: number;
  readonly #piece = Buffer.allocUnsafe(PIECE_BYTES);
  readonly #watcher: FSWatcher;

  /** Begins so many bytes before the end; null where there is no such regular file, or it cannot be read. */
  static open(path: string, bytes: number, changed: () => void): FileTail | null {
    const descriptor = openRegular(path);
    if (descriptor === null) return null;
    try {
      return new FileTail(path, descriptor, bytes, changed);
    } catch (error) {
      closeSync(descriptor);
      if (errnoNameOf(error) === null) throw error;
      // ENOSPC and EMFILE: the watches are used up; a tail that would never go on is none.
      return null;
    }
  }

  private constructor(path: string, descriptor: number, bytes: number, changed: () => void) {
    const { size, mtime } = fstatSync(descriptor);
    this.modifiedAt = mtime;
    this.#path = path;
    this.#descriptor = descriptor;
    this.#offset = Math.max(0, size - bytes);
    const name = basename(path);
    // The directory, so that the file that follows after a rotation is seen.
    this.#watcher = watch(dirname(path), { persistent: false }, (_, changedName) => {
      if (changedName === null || changedName === name) changed();
    });
    this.#watcher.on('error', () => {});
  }

  /** What comes next, until the next call; null: nothing for now. */
  read(): Buffer | null {
    const piece = this.#readPiece();
    if (piece !== null) return piece;
    if (fstatSync(this.#descriptor).size < this.#offset) {
      this.#offset = 0;
      return TRUNCATED;
    }
    return this.#isReplaced() && this.#reopen() ? this.#readPiece() : null;
  }

  #readPiece(): Buffer | null {
    const count = readSync(this.#descriptor, this.#piece, 0, PIECE_BYTES, this.#offset);
    this.#offset += count;
    return count === 0 ? null : this.#piece.subarray(0, count);
  }

  #isReplaced(): boolean {
    const now = statSync(encodeBytes(this.#path), { throwIfNoEntry: false });
    return now !== undefined && now.ino !== fstatSync(this.#descriptor).ino;
  }

  #reopen(): boolean {
    const descriptor = openRegular(this.#path);
    if (descriptor === null) return false;
    closeSync(this.#descriptor);
    this.#descriptor = descriptor;
    this.#offset = 0;
    return true;
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
    closeSync(this.#descriptor);
  }
}

function openRegular(path: string): number | null {
  try {
    // A FIFO would hold us until somebody writes to it.
    const descriptor = openSync(encodeBytes(path), constants.O_RDONLY | constants.O_NONBLOCK);
    if (fstatSync(descriptor).isFile()) return descriptor;
    closeSync(descriptor);
    return null;
  } catch (error) {
    if (errnoNameOf(error) === null) throw error;
    return null;
  }
}
