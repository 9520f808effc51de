// What has left a FIFO and is not in the log yet, in files, so that a kill -9 in between neither loses a byte nor
// writes one twice. Bytes get from the FIFO into a spool file by splice(2), which cannot be interrupted between
// taking and writing them. From there to the log there are only files, and a record of how far it is:
//
//   1. record: lines are being written behind the first `base` bytes of the log; the spool is dealt with up to `done`
//   2. the lines are written
//   3. record: the log is longer now, and `done` is further
//
// Killed between 1 and 3, the log is cut to `base` again and the lines are made anew, maybe with another time in
// them. The record is one write within a page, which happens or does not. A spool that is dealt with, but for a line
// that is not whole yet, is left for a second file; the record says which of the two counts.
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { systemError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';
import { removeIfThere } from './log-backups.js';

interface Progress<State> {
  /** Which of the two files counts, and up to where it is dealt with. */
  readonly file: 0 | 1;
  readonly done: number;
  /** So many bytes before that are needed again by who goes on. */
  readonly kept: number;
  readonly state: State;
}

interface SpoolRecord<State> {
  readonly isWriting: boolean;
  /** The log's inode, and how long it was. */
  readonly inode: number;
  readonly base: number;
  readonly streams: Readonly<Record<string, Progress<State>>>;
}

const RECORD_BYTES = 1024;

/** A file is exchanged for the other one when so much of it is dealt with. */
const EXCHANGE_BYTES = 4 * 1_048_576;

/** `State`: what who goes on has to know of each stream; plain data, and little of it. */
export class Spool<State> {
  readonly #paths: readonly string[];
  readonly #recordFile: number;
  readonly #files: ReadonlyMap<string, readonly [number, number]>;
  readonly #initial: State;
  #record: SpoolRecord<State>;

  /** Opens what is there, or makes it. `folder` is private to the service, and the streams' names are unique in it. */
  constructor(folder: string, streams: readonly string[], initial: State) {
    const record = recordPath(folder, streams);
    const pairs = streams.map((stream) => [0, 1].map((file) => join(folder, `${stream}.spool-${file}`)));
    this.#paths = [record, ...pairs.flat()];
    const [recordFile, ...files] = openAll(this.#paths);
    this.#recordFile = recordFile!;
    this.#files = new Map(
      streams.map((stream, index) => [stream, [files[2 * index]!, files[2 * index + 1]!]]),
    );
    this.#initial = initial;
    this.#record = { isWriting: false, inode: 0, base: 0, streams: {} };
    try {
      const known = readRecord<State>(this.#recordFile);
      // A disk that is full now cannot fail later.
      if (known === null) this.#write(this.#record);
      else this.#record = known;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Whether there is one that was not removed. */
  static isThere(folder: string, streams: readonly string[]): boolean {
    return existsSync(encodeBytes(recordPath(folder, streams)));
  }

  /** Takes lines back that were being written to the log when the process was killed. */
  restore(log: number): void {
    const { isWriting, inode, base } = this.#record;
    const { ino, size } = fstatSync(log);
    // Another file, or shorter: it was rotated, and to the new one nothing was written before the record said so.
    if (isWriting && ino === inode && size > base) ftruncateSync(log, base);
    if (isWriting) this.#write({ ...this.#record, isWriting: false });
  }

  /** Where what comes out of the stream's pipe is to be put. */
  target(stream: string): { readonly file: number; readonly end: number } {
    const file = this.#fileOf(stream);
    return { file, end: fstatSync(file).size };
  }

  /** How many bytes are not dealt with. */
  backlog(stream: string): number {
    return Math.max(0, fstatSync(this.#fileOf(stream)).size - this.#progressOf(stream).done);
  }

  /** The first bytes that are not dealt with. */
  next(stream: string, maxBytes: number): { readonly bytes: Buffer; readonly state: State } {
    const { done, state } = this.#progressOf(stream);
    return { bytes: this.#read(stream, done, Math.min(maxBytes, this.backlog(stream))), state };
  }

  stateOf(stream: string): State {
    return this.#progressOf(stream).state;
  }

  /** What was to be kept of what is dealt with. */
  kept(stream: string): Buffer {
    const { done, kept } = this.#progressOf(stream);
    return this.#read(stream, done - kept, kept);
  }

  /** Lines are about to be written at the end of the log; returns where that is. */
  begin(log: number): number {
    const { ino, size } = fstatSync(log);
    this.#write({ ...this.#record, isWriting: true, inode: ino, base: size });
    return size;
  }

  /** They were written, and stand for so many bytes more of the stream's spool. */
  commit(stream: string, consumed: number, state: State, keeps = 0): void {
    const before = this.#progressOf(stream);
    const done = before.done + consumed;
    const kept = Math.min(keeps, done);
    this.#progress(stream, { file: before.file, done, kept, state });
    if (done - kept >= EXCHANGE_BYTES) this.#exchange(stream);
  }

  get isEmpty(): boolean {
    return [...this.#files.keys()].every((stream) => this.backlog(stream) === 0);
  }

  close(): void {
    closeSync(this.#recordFile);
    for (const file of [...this.#files.values()].flat()) closeSync(file);
  }

  /** The record first: what has none is no spool. */
  remove(): void {
    this.close();
    for (const path of this.#paths) removeIfThere(path);
  }

  #exchange(stream: string): void {
    const { file, done, kept, state } = this.#progressOf(stream);
    const [first, second] = this.#files.get(stream)!;
    const [from, to] = file === 0 ? [first, second] : [second, first];
    const begin = done - kept;
    const rest = this.#read(stream, begin, Math.max(0, fstatSync(from).size - begin));
    // A disk that is full now leaves everything as it was.
    ftruncateSync(to, 0);
    for (let written = 0; written < rest.length; )
      written += writeSync(to, rest, written, rest.length - written, written);
    this.#progress(stream, { file: file === 0 ? 1 : 0, done: kept, kept, state });
    ftruncateSync(from, 0);
  }

  #read(stream: string, position: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(this.#fileOf(stream), bytes, 0, length, position));
  }

  #fileOf(stream: string): number {
    return this.#files.get(stream)![this.#progressOf(stream).file];
  }

  #progressOf(stream: string): Progress<State> {
    return this.#record.streams[stream] ?? { file: 0, done: 0, kept: 0, state: this.#initial };
  }

  #progress(stream: string, progress: Progress<State>): void {
    const streams = { ...this.#record.streams, [stream]: progress };
    this.#write({ ...this.#record, isWriting: false, streams });
  }

  /** What cannot be written down is true all the same: who does it once more writes it twice. */
  #write(record: SpoolRecord<State>): void {
    this.#record = record;
    writeSync(this.#recordFile, JSON.stringify(record).padEnd(RECORD_BYTES), 0);
  }
}

function recordPath(folder: string, streams: readonly string[]): string {
  return join(folder, `${streams.join('+')}.spool`);
}

/** All of them or none: who has no descriptors left will try again. */
function openAll(paths: readonly string[]): number[] {
  const opened: number[] = [];
  try {
    for (const path of paths) opened.push(openSpool(path));
    return opened;
  } catch (error) {
    for (const descriptor of opened) closeSync(descriptor);
    throw error;
  }
}

function openSpool(path: string): number {
  try {
    // No O_APPEND, which splice refuses; made if it is not there, and never emptied.
    return openSync(encodeBytes(path), constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (error) {
    throw systemError(`cannot open ${path}`, error, path);
  }
}

/** null: none was written yet. */
function readRecord<State>(descriptor: number): SpoolRecord<State> | null {
  const bytes = Buffer.alloc(RECORD_BYTES);
  const text = bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, bytes.length, 0)).trim();
  return text === '' ? null : (JSON.parse(text) as SpoolRecord<State>);
}
