// The pipe of `--ready-fd`: the program inherits the write end and writes to it when it is ready, as under
// s6.
import { closeSync, readSync } from 'node:fs';
import { makePrivatePipe } from './descriptors.js';
import { stopWaiting, whenReadable } from './exit-watch.js';

/** `closed`: every process that could have written has let go of it, so nothing will come. */
export type ReadyPipeOutcome = 'ready' | 'closed' | 'timeout' | 'disposed';

export class ReadyPipe {
  readonly #read: number;
  #write: number | null;
  #isOpen = true;

  /** Neither end outlives an exec by itself: whoever else is started must not hold the write end. */
  constructor() {
    const { read, write } = makePrivatePipe();
    this.#read = read;
    this.#write = write;
  }

  /** The end for the program, to be mapped to the number it expects. */
  get writeEnd(): number | null {
    return this.#write;
  }

  /**
   * Call it when the program has been started: while we hold the write end ourselves, its end is never seen.
   */
  closeWriteEnd(): void {
    if (this.#write !== null) closeSync(this.#write);
    this.#write = null;
  }

  /** Any byte will do: s6 asks for a newline, others write a word. Wait once at a time. */
  async ready(timeoutMs: number): Promise<ReadyPipeOutcome> {
    this.closeWriteEnd();
    if (!this.#isOpen) return 'disposed';
    const isReadable = await whenReadable(this.#read, timeoutMs);
    if (!this.#isOpen) return 'disposed';
    if (!isReadable) return 'timeout';
    return readSync(this.#read, Buffer.alloc(512)) > 0 ? 'ready' : 'closed';
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.closeWriteEnd();
    stopWaiting(this.#read);
    closeSync(this.#read);
  }
}
