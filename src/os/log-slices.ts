// Parts of log files, as Supervisor's clients ask for them.
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { encodeBytes } from '../spec/byte-text.js';

/** Nobody is given more at once: an answer is built in memory. */
const READ_MAX = 16 * 1024 * 1024;

export function isThere(path: string): boolean {
  return statSync(encodeBytes(path), { throwIfNoEntry: false }) !== undefined;
}

/** `length` bytes from `offset` (0: to the end), or the last ones for a negative offset; null: it cannot be read. */
export function readSlice(path: string, offset: number, length: number): Buffer | null {
  return withFile(path, (descriptor, size) => {
    const from = offset < 0 ? Math.max(0, size + offset) : offset;
    const end = length === 0 ? size : Math.min(size, from + length);
    return readBetween(descriptor, from, end);
  });
}

export interface Tail {
  readonly bytes: Buffer;
  readonly size: number;
  /** There was more between the asked-for offset and the bytes. */
  readonly isCut: boolean;
}

/** The last `length` bytes, none where the file does not reach beyond `offset`; null: it cannot be read. */
export function readTail(path: string, offset: number, length: number): Tail | null {
  return withFile(path, (descriptor, size) => {
    const isCut = size > offset + length;
    const bytes =
      !isCut && offset >= size
        ? Buffer.alloc(0)
        : readBetween(descriptor, Math.max(0, size - Math.max(0, length)), size);
    return { bytes, size, isCut };
  });
}

function withFile<T>(path: string, read: (descriptor: number, size: number) => T): T | null {
  let descriptor: number;
  try {
    descriptor = openSync(encodeBytes(path), 'r');
  } catch {
    // ENOENT, EACCES and the like: the caller has one word for all of them.
    return null;
  }
  try {
    return read(descriptor, fstatSync(descriptor).size);
  } catch {
    // EISDIR, EIO.
    return null;
  } finally {
    closeSync(descriptor);
  }
}

function readBetween(descriptor: number, from: number, end: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, Math.min(end - from, READ_MAX)));
  const count = readSync(descriptor, bytes, 0, bytes.length, from);
  return bytes.subarray(0, count);
}
