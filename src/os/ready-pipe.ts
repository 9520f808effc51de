// The pipe of `--ready-fd`: the program inherits the write end and writes to it when it is ready, as under
// s6.
import { readSync } from 'node:fs';
import { closeDescriptor, keepOnExec, makePrivatePipe } from './descriptors.js';
import { stopWaiting, whenReadable } from './exit-watch.js';
import { waitReadable } from './poll.js';

/** `closed`: every process that could have written has let go of it, so nothing will come. */
export type ReadyPipeOutcome = 'ready' | 'closed' | 'timeout' | 'disposed';

export class ReadyPipe {
  readonly #read: number;
  #write: number | null;
  #isOpen = true;
  #hasSpoken = false;

  /** Neither end outlives an exec by itself: whoever else is started must not hold the write end. */
  constructor(pipe: { readonly read: number; readonly write: number | null } = makePrivatePipe()) {
    this.#read = pipe.read;
    this.#write = pipe.write;
  }

  /** Goes on with the read end of one that was handed over. */
  static adopt(read: number): ReadyPipe {
    return new ReadyPipe({ read, write: null });
  }

  /** The read end, which is kept over the next exec: to a program without a reader its word would be its death. */
  handOver(): number {
    keepOnExec(this.#read);
    return this.#read;
  }

  /** The end for the program, to be mapped to the number it expects. */
  get writeEnd(): number | null {
    return this.#write;
  }

  /**
   * Call it when the program has been started: while we hold the write end ourselves, its end is never seen.
   */
  closeWriteEnd(): void {
    if (this.#write !== null) closeDescriptor(this.#write);
    this.#write = null;
  }

  /** Any byte will do: s6 asks for a newline, others write a word. Wait once at a time. */
  async ready(timeoutMs: number): Promise<ReadyPipeOutcome> {
    this.closeWriteEnd();
    if (!this.#isOpen) return 'disposed';
    const isReadable = await whenReadable(this.#read, timeoutMs);
    if (!this.#isOpen) return 'disposed';
    if (this.#hasSpoken) return 'ready';
    if (!isReadable) return 'timeout';
    return readSync(this.#read, Buffer.alloc(512)) > 0 ? 'ready' : 'closed';
  }

  /** Whether something has been written, without waiting. */
  look(): boolean {
    if (this.#hasSpoken || !this.#isOpen) return this.#hasSpoken;
    this.#hasSpoken = waitReadable(this.#read, 0) && readSync(this.#read, Buffer.alloc(512)) > 0;
    return this.#hasSpoken;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.closeWriteEnd();
    stopWaiting(this.#read);
    closeDescriptor(this.#read);
  }
}
