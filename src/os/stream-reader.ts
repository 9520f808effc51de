// The reading end of a FIFO into which a program writes what this process wants to see, and no file is to keep. The
// program holds it open for reading and writing, so that it need not fear SIGPIPE when this process dies, and what it
// wrote waits for the next.
import { constants, openSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { errnoNameOf } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';

/** As much as a pipe may hold. */
const PIPE_BYTES = 1_048_576;

export class StreamReader {
  readonly #descriptor: number;
  readonly #heard: (bytes: Buffer) => void;
  readonly #socket: Socket;

  /** Opened for writing too: there is no end of file while no program runs. */
  constructor(fifo: string, heard: (bytes: Buffer) => void) {
    this.#heard = heard;
    this.#descriptor = openSync(encodeBytes(fifo), constants.O_RDWR | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd: this.#descriptor, readable: true, writable: false });
    this.#socket.on('data', heard);
    // EIO and the like: nothing more comes, and the program is none the wiser.
    this.#socket.on('error', () => undefined);
  }

  /** Hears now what is there already: before the end of a program is told, its last words have to be. */
  drain(): void {
    const piece = Buffer.allocUnsafe(65_536);
    // No more than was there: others may write without end.
    for (let total = 0; total < PIPE_BYTES; ) {
      let count: number;
      try {
        count = readSync(this.#descriptor, piece);
      } catch (error) {
        if (errnoNameOf(error) === 'EAGAIN') return;
        throw error;
      }
      if (count === 0) return;
      total += count;
      this.#heard(Buffer.from(piece.subarray(0, count)));
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/**
 * Writes into a FIFO that a program reads, all of it and in order: what does not fit now follows when there is room, and
 * nobody waits for a program that does not read. It is open only while something is on its way.
 */
export class FifoWriter {
  readonly #fifo: string;
  #socket: Socket | null = null;

  constructor(fifo: string) {
    this.#fifo = fifo;
  }

  /** Returns false when the program has no reading end (any more). */
  write(bytes: Uint8Array): boolean {
    const socket = this.#socket ?? this.#open();
    if (socket === null) return false;
    this.#socket = socket;
    socket.write(bytes, () => {
      if (socket.writableLength === 0) this.#close(socket);
    });
    return true;
  }

  /** What has not been read yet was meant for another process. */
  reset(): void {
    if (this.#socket !== null) this.#close(this.#socket);
  }

  #open(): Socket | null {
    try {
      const fd = openSync(encodeBytes(this.#fifo), constants.O_WRONLY | constants.O_NONBLOCK);
      const socket = new Socket({ fd, readable: false, writable: true });
      // EPIPE: it closed its end.
      socket.on('error', () => this.#close(socket));
      return socket;
    } catch (error) {
      // ENXIO where nobody has it open for reading, ENOENT where nothing was ever started.
      if (errnoNameOf(error) === null) throw error;
      return null;
    }
  }

  #close(socket: Socket): void {
    socket.destroy();
    if (this.#socket === socket) this.#socket = null;
  }
}
