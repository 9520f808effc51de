// The reading end of a pipe whose bytes go into a file. splice(2) moves them inside the kernel, and what it has taken
// out of the pipe it has written: whoever is killed meanwhile loses nothing.
import { read, readSync, write } from 'node:fs';
import {
  F_SETPIPE_SZ,
  linuxSyscalls,
  SPLICE_F_MOVE,
  SPLICE_F_NONBLOCK,
} from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { askLibc, callLibc, callLibcInPool, type LibcArguments } from '../../native-bindings/libc.js';
import { errnoNameOf } from '../errors.js';
import { monotonicMs } from './clock.js';
import { makePrivatePipe, type Pipe } from './descriptors.js';

const COPY_BYTES = 65_536;

/**
 * Room for what a program writes until its reader has got up; a pipe has 64 KiB by default. Only for one that was half
 * full: a user has so much in pipes, and who has used it up gets smaller ones everywhere.
 */
const PIPE_BYTES = 262_144;
const HALF_FULL = 32_768;

/** So much at once, then the event loop has its turn. */
const MOVE_BYTES = 4 * PIPE_BYTES;

/** A call that takes longer than this waited for a slow disk. For a while others may wait for it, on the pool's threads. */
const SLOW_MS = 10;
const SLOW_FOR_MS = 5000;

/** Where what is looked at is for a moment. */
let mirror: Pipe | null = null;
/** One for all: to ask for so much memory each time costs more than to fill it. */
let peeked: Buffer | null = null;

function makeMirror(): Pipe {
  const pipe = makePrivatePipe();
  enlarge(pipe.write);
  return pipe;
}

export class PipeEnd {
  /** Has O_NONBLOCK. */
  readonly descriptor: number;
  #canSplice = process.platform === 'linux';
  #isEnlarged = false;
  #slowUntil = 0;
  /** Where there is no splice: what was read and is not written yet, since the disk is full. */
  #held: Buffer = Buffer.alloc(0);

  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /**
   * Moves at most `maxBytes` that are in the pipe to the file's `offset`, and rather less than more; 0: the pipe is
   * empty. The file's descriptor has no O_APPEND, which splice refuses. When this throws, what could not be written
   * is still there.
   */
  async moveTo(file: number, offset: number, maxBytes: number): Promise<number> {
    if (!this.#canSplice) return noneIfEmpty(this.#copy(file, offset, maxBytes));
    try {
      return await this.#splice(file, offset, Math.min(maxBytes, MOVE_BYTES));
    } catch (error) {
      // A file system that cannot splice; it will not learn.
      if (errnoNameOf(error) !== 'EINVAL') throw error;
      this.#canSplice = false;
      return this.moveTo(file, offset, maxBytes);
    }
  }

  /**
   * The same before this returns, whatever the disk does meanwhile; null: it cannot be moved, so it has to be read.
   */
  moveNow(file: number, offset: number, maxBytes: number): number | null {
    if (!this.#canSplice) return null;
    const most = Math.min(maxBytes, MOVE_BYTES);
    let moved = 0;
    while (moved < most) {
      const count = askLibc('splice', ...this.#splicing(file, offset + moved, most - moved));
      if (count === 'EINVAL') this.#canSplice = false;
      if (count === 0 || count === 'EAGAIN' || count === 'EINTR') break;
      // A full disk and the like: the same again is what is to be told.
      if (typeof count === 'string') return moved > 0 ? moved : null;
      moved += count;
    }
    this.#learn(moved);
    return moved;
  }

  /** What is first in it, and stays there; none: it is empty. null: it cannot be looked at. Lent until the next look. */
  peekNow(maxBytes: number): Buffer | null {
    if (!this.#canSplice) return null;
    mirror ??= makeMirror();
    const most = Math.min(maxBytes, PIPE_BYTES);
    const count = askLibc('tee', this.descriptor, mirror.write, most, SPLICE_F_NONBLOCK);
    if (typeof count === 'string' && count !== 'EAGAIN') return null;
    peeked ??= Buffer.allocUnsafeSlow(PIPE_BYTES);
    const bytes = peeked.subarray(0, typeof count === 'number' ? count : 0);
    for (let got = 0; got < bytes.length; )
      got += readSync(mirror.read, bytes, got, bytes.length - got, null);
    return bytes;
  }

  /** Some of what is in it; none: it is empty. */
  readNow(): Buffer {
    const bytes = Buffer.allocUnsafe(COPY_BYTES);
    try {
      return bytes.subarray(0, readSync(this.descriptor, bytes));
    } catch (error) {
      if (errnoNameOf(error) === 'EAGAIN') return bytes.subarray(0, 0);
      throw error;
    }
  }

  /**
   * On this thread, which is twice as fast as on one of the pool (1.8 against 0.8 GB/s), as long as the disk keeps
   * up: then the file is memory.
   */
  async #splice(file: number, offset: number, maxBytes: number): Promise<number> {
    let moved = 0;
    while (moved < maxBytes) {
      const before = monotonicMs();
      const isSlow = before < this.#slowUntil;
      const count = await noneIfEmpty(this.#spliceOnce(file, offset + moved, maxBytes - moved, isSlow));
      if (!isSlow && monotonicMs() - before > SLOW_MS) this.#slowUntil = monotonicMs() + SLOW_FOR_MS;
      if (count === 0) break;
      moved += count;
    }
    this.#learn(moved);
    return moved;
  }

  async #spliceOnce(file: number, offset: number, maxBytes: number, inPool: boolean): Promise<number> {
    const splicing = this.#splicing(file, offset, maxBytes);
    return inPool ? callLibcInPool('splice', ...splicing) : callLibc('splice', ...splicing);
  }

  #splicing(file: number, offset: number, maxBytes: number): LibcArguments<'splice'> {
    const position = Buffer.alloc(8);
    position.writeBigInt64LE(BigInt(offset));
    return [this.descriptor, 0, file, position, maxBytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK];
  }

  #learn(moved: number): void {
    if (this.#isEnlarged || moved < HALF_FULL) return;
    this.#isEnlarged = true;
    enlarge(this.descriptor);
  }

  async #copy(file: number, offset: number, maxBytes: number): Promise<number> {
    if (this.#held.length === 0) this.#held = await readSome(this.descriptor, COPY_BYTES);
    if (this.#held.length === 0) return 0;
    const count = await writeSome(file, this.#held.subarray(0, maxBytes), offset);
    this.#held = this.#held.subarray(count);
    return count;
  }
}

/** EAGAIN is what an empty pipe says; after EINTR it is asked again when it is readable. */
async function noneIfEmpty(count: Promise<number>): Promise<number> {
  try {
    return await count;
  } catch (error) {
    const errnoName = errnoNameOf(error);
    if (errnoName === 'EAGAIN' || errnoName === 'EINTR') return 0;
    throw error;
  }
}

function enlarge(pipe: number): void {
  try {
    callLibc('syscall', linuxSyscalls.fcntl, pipe, F_SETPIPE_SZ, PIPE_BYTES, 0, 0, 0);
  } catch (error) {
    // EPERM: this user has too much in pipes already. EBUSY: there is more in it than that. It works as it is.
    if (!(error instanceof LibcError)) throw error;
  }
}

function readSome(descriptor: number, maxBytes: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(maxBytes);
  return new Promise((resolve, reject) => {
    read(descriptor, bytes, 0, maxBytes, null, (error, count) =>
      error === null ? resolve(bytes.subarray(0, count)) : reject(error),
    );
  });
}

/** Writes some of it, at least one byte. */
export function writeSome(descriptor: number, bytes: Buffer, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, 0, bytes.length, offset, (error, count) =>
      error === null ? resolve(count) : reject(error),
    );
  });
}
