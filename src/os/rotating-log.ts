// A log that this very process writes: whole pieces, appended, and after the piece that reaches the limit the file is
// moved on to FILE.1 and begun anew, as supervisord's loggers do it.
import { closeSync, existsSync, fstatSync, writeSync } from 'node:fs';
import { encodeBytes } from '../spec/byte-text.js';
import { LogBackups } from './log-backups.js';
import { openForMoving, openLogOf, truncateIfThere } from './outputs.js';

export interface RotatingLogOptions {
  readonly path: string;
  /** null: never rotated, as devices and pipes cannot be. */
  readonly maxBytes: number | null;
  /** 0: the file is begun anew and nothing is kept. */
  readonly backups: number;
  readonly compress: boolean;
  /** Whether it is to be moved to by the kernel, where it can be. */
  readonly isMovedTo: boolean;
  /** Called when writing begins to fail, not for every piece: a full disk must not fill a log; and by `reopen`. */
  readonly failed: (error: unknown) => void;
}

/** What is written down beside a piece, so that nobody writes it twice. */
export interface Ledger {
  /** The piece will be written at the end of the file. */
  begin(file: number): void;
  /** It was, or as much of it as the disk took. */
  commit(): void;
}

/** A piece that is moved may reach beyond the limit by so much. */
const LEAST_ROOM = 65_536;

export class RotatingLog {
  readonly #options: RotatingLogOptions;
  readonly #backups: LogBackups;
  #descriptor = -1;
  #isMovable = false;
  #isShared = false;
  #isFailing = false;

  /** Throws SystemError. */
  constructor(options: RotatingLogOptions) {
    const { path, maxBytes, backups, compress, failed } = options;
    this.#options = options;
    this.#backups = new LogBackups(path, { maxBytes, maxAgeMs: null, backups, compress }, (notice) => {
      if (notice.name === 'trouble') failed(new Error(notice.reason));
    });
    this.#open();
  }

  get path(): string {
    return this.#options.path;
  }

  /** To be moved to, and to be read; null: it can only be written to. */
  get file(): number | null {
    return this.#isMovable ? this.#descriptor : null;
  }

  /** What the disk does not take is lost; what was written before stands. Never throws. */
  write(bytes: Uint8Array, ledger: Ledger | null = null): void {
    try {
      try {
        ledger?.begin(this.#descriptor);
        this.#append(bytes);
      } finally {
        ledger?.commit();
      }
      this.#rotateIfDue();
      this.#isFailing = false;
    } catch (error) {
      this.#tell(error);
    }
  }

  /** `move` puts bytes behind the end of the file, about so many at the most, and says how many; null: it cannot. */
  take(move: (file: number, end: number, maxBytes: number) => number | null): number | null {
    const { maxBytes } = this.#options;
    const { size } = fstatSync(this.#descriptor);
    const room = maxBytes === null ? Number.MAX_SAFE_INTEGER : Math.max(LEAST_ROOM, maxBytes - size);
    const moved = move(this.#descriptor, size, room);
    if (moved === null || moved === 0) return moved;
    try {
      this.#rotateIfDue();
      this.#isFailing = false;
    } catch (error) {
      this.#tell(error);
    }
    return moved;
  }

  /** After somebody has renamed the file. Never throws: where no file can be had, it goes on with the old one. */
  reopen(): void {
    try {
      this.#begin();
    } catch (error) {
      this.#options.failed(error);
    }
  }

  /** Somebody else appends to it, too, so nothing can be moved to its end any more. Never throws. */
  share(): void {
    this.#isShared = true;
    if (this.#isMovable) this.reopen();
  }

  /** Not by a new file: another stream may write to this one. What is no file is left alone. Throws SystemError. */
  clear(): void {
    this.#begin();
    truncateIfThere(this.path);
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  #begin(): void {
    const old = this.#descriptor;
    this.#open();
    closeSync(old);
  }

  #open(): void {
    const { path, isMovedTo } = this.#options;
    const appending = openLogOf(path);
    const movable = isMovedTo && !this.#isShared ? openForMoving(appending, path) : null;
    if (movable !== null) closeSync(appending);
    this.#descriptor = movable ?? appending;
    this.#isMovable = movable !== null;
  }

  #append(bytes: Uint8Array): void {
    // Where there is no O_APPEND the end has to be asked for: others may have written to it, or have emptied it.
    const end = this.#isMovable ? fstatSync(this.#descriptor).size : null;
    for (let written = 0; written < bytes.length; ) {
      const position = end === null ? null : end + written;
      written += writeSync(this.#descriptor, bytes, written, bytes.length - written, position);
    }
  }

  #rotateIfDue(): void {
    const { path, maxBytes } = this.#options;
    if (maxBytes === null) return;
    const stats = fstatSync(this.#descriptor);
    if (!stats.isFile() || stats.size < maxBytes) return;
    // No file is there where none could be made the last time, as without descriptors: nothing is moved on twice.
    if (existsSync(encodeBytes(path))) this.#backups.add(path);
    this.#begin();
  }

  #tell(error: unknown): void {
    if (!this.#isFailing) this.#options.failed(error);
    this.#isFailing = true;
  }
}
