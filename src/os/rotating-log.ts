// A log that this very process writes: whole pieces, appended, and after the piece that reaches the limit the file is
// moved on to FILE.1 and begun anew, as supervisord's loggers do it.
import { closeSync, existsSync, fstatSync, renameSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { errnoNameOf } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';
import { openLogOf } from './outputs.js';

export interface RotatingLogOptions {
  readonly path: string;
  /** null: never rotated, as devices and pipes cannot be. */
  readonly maxBytes: number | null;
  /** 0: the file is begun anew and nothing is kept. */
  readonly backups: number;
  /** Called when writing begins to fail, not for every piece: a full disk must not fill a log; and by `reopen`. */
  readonly failed: (error: unknown) => void;
}

export class RotatingLog {
  readonly #options: RotatingLogOptions;
  #descriptor: number;
  #size: number;
  #isFailing = false;

  /** Throws SystemError. */
  constructor(options: RotatingLogOptions) {
    this.#options = options;
    [this.#descriptor, this.#size] = this.#open();
  }

  get path(): string {
    return this.#options.path;
  }

  /** What the disk does not take is lost; what was written before stands. Never throws. */
  write(bytes: Uint8Array): void {
    try {
      for (let written = 0; written < bytes.length; )
        written += writeSync(this.#descriptor, bytes, written, bytes.length - written);
      this.#size += bytes.length;
      if (this.#options.maxBytes !== null && this.#size >= this.#options.maxBytes) this.#rotate();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#options.failed(error);
      this.#isFailing = true;
    }
  }

  /** After somebody has renamed the file. Never throws: where no file can be had, it goes on with the old one. */
  reopen(): void {
    try {
      this.#begin();
    } catch (error) {
      this.#options.failed(error);
    }
  }

  /** Removes the file and begins a new one. Throws SystemError. */
  clear(): void {
    rmSync(encodeBytes(this.path), { force: true });
    this.#begin();
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  #begin(): void {
    const old = this.#descriptor;
    [this.#descriptor, this.#size] = this.#open();
    closeSync(old);
  }

  #open(): [number, number] {
    const descriptor = openLogOf(this.#options.path);
    const stats = fstatSync(descriptor);
    return [descriptor, stats.isFile() ? stats.size : 0];
  }

  #rotate(): void {
    // No file is there where none could be made the last time, as without descriptors: nothing is moved on twice.
    if (existsSync(encodeBytes(this.path))) this.#moveOn();
    this.#begin();
  }

  #moveOn(): void {
    const { path, backups } = this.#options;
    if (backups === 0) unlinkSync(encodeBytes(path));
    for (let number = backups; number > 0; number -= 1)
      renameIfThere(number === 1 ? path : `${path}.${number - 1}`, `${path}.${number}`);
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(encodeBytes(from), encodeBytes(to));
  } catch (error) {
    if (errnoNameOf(error) !== 'ENOENT') throw error;
  }
}
