// A sentry: a process that stays where we leave from, in the foreground of the terminal, and falls when a ^C, a lost
// terminal or whatever else is meant for us reaches its process group.
import { closeDescriptor, closeOnExecAboveTwo, makePrivatePipe } from './descriptors.js';
import { reap, spawn } from './invoke.js';
import { ProcessHandle } from './process-handle.js';
import { signalsIgnoredBy } from './processes.js';
import { signalNumber } from './signals.js';

export class Sentry {
  readonly #handle: ProcessHandle;
  /** It lives as long as this is open, so it does not outlive us. */
  readonly #lifeline: number;

  private constructor(handle: ProcessHandle, lifeline: number) {
    this.#handle = handle;
    this.#lifeline = lifeline;
  }

  /**
   * Posted before we leave. `caller`: the process in whose place we are; null where ^C is nothing to it, as in the
   * background of a script, or where a fall could not be seen.
   */
  static post(caller: number): Sentry | null {
    if (signalsIgnoredBy(caller).includes(signalNumber('SIGINT'))) return null;
    closeOnExecAboveTwo();
    const { read, write } = makePrivatePipe();
    try {
      const reader = { candidates: ['/bin/sh'], argv: ['sh', '-c', 'read line'], env: [] };
      const pid = spawn(reader, new Map([0, 1, 2].map((standard) => [standard, read])), 'default');
      const handle = ProcessHandle.open(pid, null);
      if (handle !== null) return new Sentry(handle, write);
      closeDescriptor(write);
      return null;
    } finally {
      closeDescriptor(read);
    }
  }

  /** Readable when it has fallen; null: that cannot be waited for. */
  get descriptor(): number | null {
    return this.#handle.descriptor;
  }

  [Symbol.dispose](): void {
    closeDescriptor(this.#lifeline);
    reap(this.#handle.pid, true);
    this.#handle[Symbol.dispose]();
  }
}
