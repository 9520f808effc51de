// Memory that a burst of work needed and a quiet process does not.
import { callLibc } from '../../native-bindings/libc.js';

/** Collects garbage, where Node was started with --expose-gc, and hands free pages back to the kernel: some 20 ms. */
export function giveBackMemory(): void {
  globalThis.gc?.();
  try {
    callLibc('malloc_trim', 0);
  } catch {
    // Only glibc has it; elsewhere free pages stay ours, which is no harm.
  }
}
