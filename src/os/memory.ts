// Memory that a burst of work needed and a quiet process does not.
import { callLibc } from '../../native-bindings/libc.js';

/** V8 lets go of the pages that one collection has emptied in the next. */
const SECOND_LOOK_MS = 1000;

/**
 * Collects garbage, where Node was started with --expose-gc, and hands free pages back to the kernel, now and once more
 * a moment later: some 20 ms each.
 */
export function giveBackMemory(): void {
  collect();
  setTimeout(collect, SECOND_LOOK_MS);
}

function collect(): void {
  globalThis.gc?.();
  try {
    callLibc('malloc_trim', 0);
  } catch {
    // Only glibc has it; elsewhere free pages stay ours, which is no harm.
  }
}
