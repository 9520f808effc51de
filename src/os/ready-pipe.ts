// The pipe of `--ready-fd`: the program inherits the write end and writes to it when it is ready, as under
// s6.
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { errnoNameOf } from '../errors.js';
import { copyCloseOnExec, makePipe } from './descriptors.js';
import { whenReadable } from './exit-watch.js';

/** `closed`: every process that could have written has let go of it, so nothing will come. */
export type ReadyPipeOutcome = 'ready' | 'closed' | 'timeout' | 'disposed';

export class ReadyPipe {
  readonly #read: number;
  #write: number | null;
  #isWaiting = false;
  #isOpen = true;

  /** Neither end outlives an exec by itself: whoever else is started must not hold the write end. */
  constructor() {
    const { read, write } = makePipe();
    this.#read = moveToCloseOnExec(read);
    this.#write = moveToCloseOnExec(write);
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
    this.#isWaiting = true;
    const isReadable = await whenReadable(this.#read, timeoutMs);
    this.#isWaiting = false;
    if (!this.#isOpen) {
      closeSync(this.#read);
      return 'disposed';
    }
    if (!isReadable) return 'timeout';
    return readSync(this.#read, Buffer.alloc(512)) > 0 ? 'ready' : 'closed';
  }

  /** The read end stays open until a wait for it is over, so that its number is nobody else's by then. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.closeWriteEnd();
    if (this.#isWaiting) wakeReader(this.#read);
    else closeSync(this.#read);
  }
}

function moveToCloseOnExec(descriptor: number): number {
  const copy = copyCloseOnExec(descriptor);
  closeSync(descriptor);
  return copy;
}

/** Writes into the pipe by way of its read end, for which the kernel has a name. */
function wakeReader(read: number): void {
  try {
    const write = openSync(`/dev/fd/${read}`, 'w');
    writeSync(write, '.');
    closeSync(write);
  } catch (error) {
    // Where /dev/fd gives no second way in (macOS), the wait ends with its time or with the last writer.
    if (errnoNameOf(error) === null) throw error;
  }
}
