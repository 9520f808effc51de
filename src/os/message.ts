// One message to a process that we start: a file without a name, inherited as a descriptor. Any size (a pipe holds
// 64 KiB), no trace in the environment or the command line, read whenever the other side is ready.
import { closeSync, fstatSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callLibc } from '../../native-bindings/libc.js';
import { cString } from '../../native-bindings/structs.js';

/** The name shows in /proc/PID/fd and lets a receiver recognise its order. */
export function makeMessage(name: string, content: unknown): number {
  const descriptor = makeUnnamedFile(name);
  const bytes = Buffer.from(JSON.stringify(content));
  for (let written = 0; written < bytes.length; ) written += writeSync(descriptor, bytes, written);
  return descriptor;
}

/** A file that is gone with its last descriptor. */
export function makeUnnamedFile(name: string): number {
  if (process.platform === 'linux') return callLibc('memfd_create', cString(name), 0);
  const path = join(tmpdir(), `${name}-${process.pid}-${Math.random().toString(36).slice(2)}`);
  const descriptor = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  return descriptor;
}

export function readMessage(descriptor: number): unknown {
  const bytes = readUnnamedFile(descriptor);
  closeSync(descriptor);
  return JSON.parse(bytes.toString());
}

/** The whole content, wherever the descriptor stands. */
export function readUnnamedFile(descriptor: number): Buffer {
  const bytes = Buffer.alloc(fstatSync(descriptor).size);
  for (let read = 0; read < bytes.length; ) {
    const count = readSync(descriptor, bytes, read, bytes.length - read, read);
    if (count === 0) break;
    read += count;
  }
  return bytes;
}

/** Reads until every writer has closed its end. Blocks. */
export function readToEnd(descriptor: number): Buffer {
  const pieces: Buffer[] = [];
  const piece = Buffer.alloc(65536);
  for (let count = readSync(descriptor, piece); count > 0; count = readSync(descriptor, piece))
    pieces.push(Buffer.from(piece.subarray(0, count)));
  return Buffer.concat(pieces);
}
