import { constants, openSync, statSync } from 'node:fs';
import { callLibc } from '../../native-bindings/libc.js';
import { cString } from '../../native-bindings/structs.js';
import { errnoNameOf, SystemError, systemError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';

/** Makes the FIFO, unless it is there: then a program may hold it, and what is in it is not lost. */
export function makeFifo(path: string): void {
  // The usual case costs no exception.
  if (statSync(encodeBytes(path), { throwIfNoEntry: false })?.isFIFO() === true) return;
  try {
    callLibc('mkfifo', cString(encodeBytes(path)), 0o600);
  } catch (error) {
    if (errnoNameOf(error) !== 'EEXIST') throw systemError(`cannot make FIFO ${path}`, error, path);
    if (!statSync(encodeBytes(path)).isFIFO())
      throw new SystemError(`cannot make FIFO ${path}`, { syscall: 'mkfifo', errnoName: 'EEXIST', path });
  }
}

/** Reading from it and writing to it block and fail for nobody's coming or going. */
export function openBothWays(path: string): number {
  return openSync(encodeBytes(path), constants.O_RDWR);
}
