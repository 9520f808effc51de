// What we print goes straight to the descriptor: process.stdout would load Node's streams, 2 ms at every start.
import { writeSync } from 'node:fs';
import { errnoNameOf, systemError } from '../errors.js';
import { visible } from '../spec/byte-text.js';

/** False when nobody reads any more (`tsdaemon logs x | head`), which is no error. */
export function write(descriptor: 1 | 2, content: string | Uint8Array): boolean {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (error) {
      const errnoName = errnoNameOf(error);
      if (errnoName === 'EPIPE') return false;
      if (errnoName !== 'EAGAIN') throw systemError('cannot write the answer', error);
      // Somebody made the pipe non-blocking and it is full: give its reader a moment.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
  return true;
}

/** The messages of Python's parsers have lines, and indent them. */
export const oneLine = (message: string): string => visible(message.replaceAll(/\n\t?/g, ' '));

export function print(line: string): boolean {
  return write(1, `${line}\n`);
}

export function printJson(value: unknown): boolean {
  return print(JSON.stringify(value));
}
