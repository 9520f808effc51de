// Tells once that a file has been written to. A thousand logs of which nobody writes to any are one descriptor and no
// work; node:fs.watch would be a descriptor's worth of objects for each of them, and an event for each write.
import { readSync } from 'node:fs';
import {
  IN_CLOEXEC,
  IN_IGNORED,
  IN_MODIFY,
  IN_NONBLOCK,
  IN_ONESHOT,
  IN_Q_OVERFLOW,
  INOTIFY_EVENT_BYTES,
} from '../../native-bindings/constants.js';
import { askLibc, callLibc } from '../../native-bindings/libc.js';
import { cString } from '../../native-bindings/structs.js';
import { errnoNameOf } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';
import { whenReadable } from './exit-watch.js';

/** As many events as are read at once. */
const EVENTS = 256;

export class WriteWatch<T> {
  readonly #written: (file: T) => void;
  readonly #files = new Map<number, T>();
  /** null: none yet, or the kernel has none to spare. */
  #inotify: number | null = null;
  #isWaiting = false;

  /** `written` is told the file that add() was given, once for each add(). */
  constructor(written: (file: T) => void) {
    this.#written = written;
  }

  /**
   * From now on; what was written before is not told. Returns what remove() takes, or null: the file is gone, or the
   * kernel has no watch to spare (max_user_watches, max_user_instances), so it has to be looked at.
   */
  add(path: string, file: T): number | null {
    try {
      this.#inotify ??= callLibc('inotify_init1', IN_NONBLOCK | IN_CLOEXEC);
      const watch = callLibc(
        'inotify_add_watch',
        this.#inotify,
        cString(encodeBytes(path)),
        (IN_MODIFY | IN_ONESHOT) >>> 0,
      );
      this.#files.set(watch, file);
      if (!this.#isWaiting) void this.#wait();
      return watch;
    } catch (error) {
      if (errnoNameOf(error) === null) throw error;
      return null;
    }
  }

  remove(watch: number): void {
    // EINVAL: it has been told, or its file is gone.
    if (this.#files.delete(watch)) askLibc('inotify_rm_watch', this.#inotify!, watch);
  }

  async #wait(): Promise<void> {
    this.#isWaiting = true;
    while (this.#files.size > 0) {
      await whenReadable(this.#inotify!, Number.POSITIVE_INFINITY);
      this.#read();
    }
    this.#isWaiting = false;
  }

  /** The kernel had more to tell than it keeps (max_queued_events). */
  #tellAll(): void {
    const files = [...this.#files];
    for (const [watch, file] of files) {
      this.remove(watch);
      this.#written(file);
    }
  }

  #read(): void {
    const events = Buffer.allocUnsafe(EVENTS * INOTIFY_EVENT_BYTES);
    let length: number;
    try {
      length = readSync(this.#inotify!, events);
    } catch (error) {
      if (errnoNameOf(error) === 'EAGAIN') return;
      throw error;
    }
    for (let at = 0; at < length; at += INOTIFY_EVENT_BYTES) {
      const watch = events.readInt32LE(at);
      const mask = events.readUInt32LE(at + 4);
      if ((mask & IN_Q_OVERFLOW) !== 0) return this.#tellAll();
      const file = this.#files.get(watch);
      // Each one-shot watch says IN_IGNORED after its event: by then its number is not ours any more.
      if (file === undefined) continue;
      this.#files.delete(watch);
      if ((mask & IN_IGNORED) === 0) this.#written(file);
    }
  }
}
