// Memory that a burst of work needed and a quiet process does not.
import { callLibc } from '../../native-bindings/libc.js';
import { monotonicMs } from './clock.js';

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

/** Less than this is not worth a collection. */
const WORTH_BYTES = 1_048_576;
/** Longer than most programs take to become RUNNING. */
const QUIET_MS = 3000;

/** Gives memory back once when all is quiet again, after work that has left enough behind. */
export class GarbageWatch {
  #bytes = 0;
  #madeAt = 0;
  #timer: NodeJS.Timeout | null = null;

  /** So many bytes have been used for a moment, by a rough guess. */
  made(bytes: number): void {
    this.#bytes += bytes;
    this.#madeAt = monotonicMs();
    if (this.#bytes >= WORTH_BYTES && this.#timer === null) this.#lookIn(QUIET_MS);
  }

  #lookIn(waitMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const quietMs = monotonicMs() - this.#madeAt;
      if (quietMs < QUIET_MS - 1) return this.#lookIn(QUIET_MS - quietMs);
      this.#bytes = 0;
      giveBackMemory();
    }, waitMs);
  }
}

function collect(): void {
  globalThis.gc?.();
  try {
    callLibc('malloc_trim', 0);
  } catch {
    // Only glibc has it; elsewhere free pages stay ours, which is no harm.
  }
}
