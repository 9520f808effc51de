// A main process that is not our child, because somebody else started it: its pidfd tells when it ends, and how is asked
// of the kernel.
import type { Ending } from '../core/restart-policy.js';
import { endingOf } from '../os/invoke.js';
import type { ProcessHandle } from '../os/process-handle.js';
import { readStat } from '../os/processes.js';

export class ForeignMain {
  readonly handle: ProcessHandle;
  #isHeld = true;

  /** Takes the handle over; `ended` is called unless it was let go before. */
  constructor(handle: ProcessHandle, ended: (ending: Ending) => void) {
    this.handle = handle;
    void this.#awaitEnd(ended);
  }

  [Symbol.dispose](): void {
    this.#isHeld = false;
    this.handle[Symbol.dispose]();
  }

  async #awaitEnd(ended: (ending: Ending) => void): Promise<void> {
    const hasEnded = await this.handle.ended(Number.POSITIVE_INFINITY);
    if (!hasEnded || !this.#isHeld) return;
    // It may have become our child, when its parent ended: then it is ours to reap, and that is told as any end is.
    if (readStat(this.handle.pid)?.parent === process.pid) return;
    const end = this.handle.howItEnded();
    ended(end === null ? { how: 'unseen' } : endingOf(end));
  }
}
