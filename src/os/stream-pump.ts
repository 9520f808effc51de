// The reading end of a FIFO whose bytes go to a log, and the two ways there: as they are, inside the kernel, or, where
// something else has to be made of them, by way of a spool. On both of them whoever is killed loses nothing and writes
// nothing twice. What cannot go there, as on a full disk or to a device, is read and written, as far as it can be.
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { encodeBytes } from '../spec/byte-text.js';
import { stopWaiting } from './exit-watch.js';
import { Spool } from './log-spool.js';
import { PipeEnd } from './pipe-end.js';
import { eventLoop, pump } from './pump.js';
import type { RotatingLog } from './rotating-log.js';

/** As much as a pipe may hold. */
const PIPE_BYTES = 1_048_576;

/** The longest piece that a listener is told at once. */
const HEARD_BYTES = 65_536;

/** What one look at a spool brings into memory. */
const MADE_BYTES = 262_144;

/** Where something had to be made of what came, so does it probably of what comes next. */
const STEPS_TO_PEEK = 16;

const RETRY_MS = 1000;

/** Somebody who wants to see what goes to the log as it is. */
export interface Listening {
  /** Asked each time: else nobody has to read what was moved. */
  isHeard(): boolean;
  hear(bytes: Buffer): void;
}

/** Makes something else of a stream. The bytes that it is given are only lent. */
export interface Making {
  /** Whether the next bytes would be logged as they are, and nothing of them is to be remembered. */
  passes(bytes: Buffer): boolean;
  /** Returns what is to be logged. */
  make(bytes: Buffer): Uint8Array;
  /** The run is over. Returns what was held back. */
  end(): Uint8Array;
  /** What a successor has to know: little and plain data, and so many of the bytes that were given last. */
  memory(): { readonly state: unknown; readonly needs: number };
  resume(state: unknown, needed: Buffer): void;
}

interface Way extends Disposable {
  /** How many bytes have been taken; 0: the pipe is empty. */
  step(pipe: PipeEnd): number;
  end(): void;
}

export interface StreamPumpOptions {
  readonly fifo: string;
  readonly log: RotatingLog;
  readonly way: Listening | Making;
  readonly failed: (error: unknown) => void;
}

/** Pumps by itself. Need not be disposed: exit, exec and SIGKILL may come at any moment, and the next one goes on. */
export class StreamPump {
  readonly #pipe: PipeEnd;
  readonly #way: Way;
  readonly #failed: (error: unknown) => void;
  readonly #closing = new AbortController();
  #isFailing = false;

  /** Throws SystemError. */
  constructor({ fifo, log, way, failed }: StreamPumpOptions) {
    this.#failed = failed;
    // Opened for writing too: there is no end of file while no program runs.
    const descriptor = openSync(encodeBytes(fifo), constants.O_RDWR | constants.O_NONBLOCK);
    try {
      this.#way = 'make' in way ? new ThroughSpool(fifo, log, way) : new AsItIs(log, way);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    this.#pipe = new PipeEnd(descriptor);
    void this.#pump();
  }

  /** Whether one that was killed may have left something that is not in the log yet. */
  static isLeft(fifo: string): boolean {
    return Spool.isThere(dirname(fifo), [basename(fifo)]);
  }

  /** Takes now what is there already: before the end of a program is told, its last words have to be. */
  end(): void {
    // No more than was there: others may write without end.
    for (let total = 0; total < PIPE_BYTES; ) {
      const moved = this.#step();
      if (typeof moved !== 'number' || moved === 0) break;
      total += moved;
    }
    this.#try(() => this.#way.end());
  }

  [Symbol.dispose](): void {
    const { descriptor } = this.#pipe;
    this.#closing.abort();
    stopWaiting(descriptor);
    closeSync(descriptor);
    this.#way[Symbol.dispose]();
  }

  async #pump(): Promise<void> {
    await eventLoop();
    await pump(this.#pipe.descriptor, this.#closing.signal, () => this.#step());
  }

  #step(): number | { retryMs: number } {
    return this.#try(() => this.#way.step(this.#pipe)) ?? { retryMs: RETRY_MS };
  }

  #try<T>(work: () => T): T | null {
    try {
      const result = work();
      this.#isFailing = false;
      return result;
    } catch (error) {
      if (!this.#isFailing) this.#failed(error);
      this.#isFailing = true;
      return null;
    }
  }
}

class AsItIs implements Way {
  readonly #log: RotatingLog;
  readonly #listening: Listening;

  constructor(log: RotatingLog, listening: Listening) {
    this.#log = log;
    this.#listening = listening;
  }

  step(pipe: PipeEnd): number {
    return (this.#log.file === null ? null : this.#move(pipe)) ?? this.#pass(pipe);
  }

  end(): void {}

  [Symbol.dispose](): void {}

  #move(pipe: PipeEnd): number | null {
    return this.#log.take((file, end, maxBytes) => {
      const moved = pipe.moveNow(file, end, maxBytes);
      if (moved !== null && moved > 0 && this.#listening.isHeard()) this.#hearBack(file, end, moved);
      return moved;
    });
  }

  #hearBack(file: number, from: number, length: number): void {
    for (let heard = 0; heard < length; ) {
      const bytes = Buffer.allocUnsafe(Math.min(HEARD_BYTES, length - heard));
      const count = readSync(file, bytes, 0, bytes.length, from + heard);
      // Somebody has emptied the log meanwhile.
      if (count === 0) return;
      this.#listening.hear(bytes.subarray(0, count));
      heard += count;
    }
  }

  #pass(pipe: PipeEnd): number {
    const bytes = pipe.readNow();
    if (bytes.length === 0) return 0;
    this.#listening.hear(bytes);
    this.#log.write(bytes);
    return bytes.length;
  }
}

class ThroughSpool implements Way {
  readonly #stream: string;
  readonly #log: RotatingLog;
  readonly #making: Making;
  readonly #spool: Spool<unknown>;
  #stepsToPeek = 0;

  constructor(fifo: string, log: RotatingLog, making: Making) {
    this.#stream = basename(fifo);
    this.#log = log;
    this.#making = making;
    this.#spool = new Spool<unknown>(dirname(fifo), [this.#stream], null);
    try {
      if (log.file !== null) this.#spool.restore(log.file);
      making.resume(this.#spool.stateOf(this.#stream), this.#spool.kept(this.#stream));
      this.#empty();
    } catch (error) {
      this.#spool.close();
      throw error;
    }
  }

  step(pipe: PipeEnd): number {
    if (this.#log.file !== null && this.#stepsToPeek === 0) {
      const moved = this.#log.take((file, end, maxBytes) => this.#movePassing(pipe, file, end, maxBytes));
      if (moved !== null) return moved;
      this.#stepsToPeek = STEPS_TO_PEEK;
    }
    this.#stepsToPeek = Math.max(0, this.#stepsToPeek - 1);
    return this.#moveThroughSpool(pipe);
  }

  /** What is logged as it is needs no spool; null: something has to be made of it. */
  #movePassing(pipe: PipeEnd, file: number, end: number, maxBytes: number): number | null {
    const bytes = pipe.peekNow(maxBytes);
    if (bytes === null || !this.#making.passes(bytes)) return null;
    if (bytes.length === 0) return 0;
    const { state } = this.#making.memory();
    const moved = pipe.moveNow(file, end, bytes.length);
    if (moved === null) return null;
    this.#making.make(bytes.subarray(0, moved));
    // Where it was cut is no end of anything.
    if (moved < bytes.length) this.#making.resume(state, bytes.subarray(0, 0));
    return moved;
  }

  #moveThroughSpool(pipe: PipeEnd): number {
    const { file, end } = this.#spool.target(this.#stream);
    const moved = pipe.moveNow(file, end, PIPE_BYTES);
    if (moved !== null) {
      this.#empty();
      return moved;
    }
    const bytes = pipe.readNow();
    if (bytes.length > 0) this.#log.write(this.#making.make(bytes));
    return bytes.length;
  }

  end(): void {
    this.#write(this.#making.end(), 0);
  }

  [Symbol.dispose](): void {
    this.#spool.remove();
  }

  #empty(): void {
    for (;;) {
      const { bytes } = this.#spool.next(this.#stream, MADE_BYTES);
      if (bytes.length === 0) return;
      this.#write(this.#making.make(bytes), bytes.length);
    }
  }

  #write(output: Uint8Array, consumed: number): void {
    const { state, needs } = this.#making.memory();
    const commit = (): void => this.#spool.commit(this.#stream, consumed, state, needs);
    // What others append to as well must not be cut by a successor.
    const begin = (file: number): void => void (this.#log.file !== null && this.#spool.begin(file));
    if (output.length === 0) commit();
    else this.#log.write(output, { begin, commit });
  }
}
