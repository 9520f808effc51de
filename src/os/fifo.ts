import { constants, openSync, statSync } from 'node:fs';
import { askLibc } from '../../native-bindings/libc.js';
import { cString } from '../../native-bindings/structs.js';
import { SystemError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';

/** Makes the FIFO, unless it is there: then a program may hold it, and what is in it is not lost. Throws SystemError. */
export function makeFifo(path: string): void {
  const name = encodeBytes(path);
  const made = askLibc('mkfifo', cString(name), 0o600);
  if (made === 0 || (made === 'EEXIST' && statSync(name, { throwIfNoEntry: false })?.isFIFO() === true))
    return;
  throw new SystemError(`cannot make FIFO ${path}`, { syscall: 'mkfifo', errnoName: String(made), path });
}

/** Reading from it and writing to it block and fail for nobody's coming or going. */
export function openBothWays(path: string): number {
  return openSync(encodeBytes(path), constants.O_RDWR);
}
