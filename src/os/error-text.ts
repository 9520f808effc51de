import { constants } from 'node:os';
import { callLibc } from '../../native-bindings/libc.js';
import { readCString } from '../../native-bindings/structs.js';

/** What strerror(3) says, as C programs print it: "No such file or directory". */
export function strerror(errnoName: string): string {
  const number = constants.errno[errnoName as keyof typeof constants.errno];
  return number === undefined ? errnoName : readCString(callLibc('strerror', number), 256).toString();
}
