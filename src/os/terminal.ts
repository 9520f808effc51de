import { callLibc } from '../../native-bindings/libc.js';

/** node:tty would answer too, but brings node:net along: 3 ms at every start. */
export function isTerminal(descriptor: number): boolean {
  return callLibc('isatty', descriptor) === 1;
}
