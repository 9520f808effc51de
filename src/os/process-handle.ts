// A process held fast: once opened, signals reach this process or nobody, whatever becomes of its pid.

import { linuxSyscalls, PIDFD_GET_INFO, PIDFD_INFO_EXIT } from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { addressOf, callLibc, isLibcAvailable, whileReferenced } from '../../native-bindings/libc.js';
import { pidfdInfoFields, readWaitStatus } from '../../native-bindings/structs.js';
import { errnoNameOf, SystemError } from '../errors.js';
import type { SignalName } from '../spec/service-spec.js';
import { monotonicMs } from './clock.js';
import { closeDescriptor } from './descriptors.js';
import { stopWaiting, whenReadable } from './exit-watch.js';
import type { ProcessEnd } from './invoke.js';
import { isOurs, isZombie, readStat, sightProcess } from './processes.js';
import { signalNumber } from './signals.js';

export class ProcessHandle {
  readonly pid: number;
  /** null where the kernel has no pidfds (before 5.3, macOS, some sandboxes) or libc cannot be reached. */
  readonly #pidfd: number | null;
  readonly #startTime: number | null;

  private constructor(pid: number, pidfd: number | null, startTime: number | null) {
    this.pid = pid;
    this.#pidfd = pidfd;
    this.#startTime = startTime;
  }

  /**
   * Holds the process of this pid, if it has this start time; null if it has not, or has ended. The order is the
   * point: first hold, then compare. What is held cannot change any more.
   */
  static open(pid: number, startTime: number | null): ProcessHandle | null {
    let pidfd: number | null;
    try {
      pidfd = openPidfd(pid);
    } catch (error) {
      if (error instanceof LibcError && error.code === 'ESRCH') return null;
      throw error;
    }
    const handle = new ProcessHandle(pid, pidfd, startTime);
    if (handle.#isTheSame()) return handle;
    handle[Symbol.dispose]();
    return null;
  }

  /** Readable when it has ended; null where there are no pidfds. */
  get descriptor(): number | null {
    return this.#pidfd;
  }

  /** Whether the process that is held still runs. */
  isThere(): boolean {
    return this.#isTheSame();
  }

  /** Returns false if it has ended already. Throws SystemError where we may not (EPERM). */
  signal(signal: SignalName): boolean {
    try {
      if (this.#pidfd !== null) {
        const { pidfd_send_signal } = linuxSyscalls;
        callLibc('syscall', pidfd_send_signal, this.#pidfd, signalNumber(signal), 0, 0, 0, 0);
        return true;
      }
      // Without a pidfd the check stands as close to the signal as it can; some microseconds remain.
      if (!this.#isTheSame()) return false;
      return process.kill(this.pid, signalNumber(signal));
    } catch (error) {
      const errnoName = errnoNameOf(error);
      if (errnoName === 'ESRCH') return false;
      if (errnoName === null) throw error;
      throw new SystemError(
        `cannot send ${signal} to process ${this.pid}`,
        { syscall: 'kill', errnoName },
        error,
      );
    }
  }

  /** Resolves to true when the process has ended (reaped or not), to false when the time is over. */
  async ended(timeoutMs: number): Promise<boolean> {
    if (this.#pidfd !== null) return whenReadable(this.#pidfd, timeoutMs);
    const deadline = monotonicMs() + timeoutMs;
    while (this.#isTheSame()) {
      if (monotonicMs() >= deadline) return false;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return true;
  }

  /**
   * How it ended, for one that was not our child; null where nobody can tell. As long as its parent has not reaped it
   * /proc does, and from then on the kernel, since Linux 6.15.
   */
  howItEnded(): ProcessEnd | null {
    const stat = readStat(this.pid);
    const isLeft = stat !== null && isZombie(stat) && stat.startTime === this.#startTime;
    if (isLeft && isOurs(this.pid)) return readWaitStatus(stat.exitStatus);
    if (this.#pidfd === null) return null;
    const info = Buffer.alloc(pidfdInfoFields.bytes);
    info.writeBigUInt64LE(BigInt(PIDFD_INFO_EXIT), pidfdInfoFields.mask);
    if (!askKernel(this.#pidfd, info)) return null;
    const isKept = (info.readBigUInt64LE(pidfdInfoFields.mask) & BigInt(PIDFD_INFO_EXIT)) !== 0n;
    return isKept ? readWaitStatus(info.readInt32LE(pidfdInfoFields.exitCode)) : null;
  }

  /** A wait for its end that is under way is answered with false. */
  [Symbol.dispose](): void {
    if (this.#pidfd === null) return;
    stopWaiting(this.#pidfd);
    closeDescriptor(this.#pidfd);
  }

  #isTheSame(): boolean {
    const seen = sightProcess(this.pid);
    if (seen.kind === 'absent') return false;
    // Hidden: it exists and cannot be compared; whoever asked for it without a start time accepts that.
    if (seen.kind === 'hidden') return this.#startTime === null;
    return !seen.isDead && (this.#startTime === null || seen.startTime === this.#startTime);
  }
}

/** false: this kernel does not answer. */
function askKernel(pidfd: number, info: Buffer): boolean {
  try {
    whileReferenced([info], () =>
      callLibc('syscall', linuxSyscalls.ioctl, pidfd, PIDFD_GET_INFO, addressOf(info), 0, 0, 0),
    );
    return true;
  } catch (error) {
    // ENOTTY and EINVAL before Linux 6.15. ESRCH: it was reaped, and its exit was not kept.
    if (error instanceof LibcError) return false;
    throw error;
  }
}

function openPidfd(pid: number): number | null {
  if (process.platform !== 'linux' || !isLibcAvailable()) return null;
  try {
    return callLibc('syscall', linuxSyscalls.pidfd_open, pid, 0, 0, 0, 0, 0);
  } catch (error) {
    // ENOSYS before Linux 5.3; EPERM under seccomp filters that do not know the call.
    if (error instanceof LibcError && (error.code === 'ENOSYS' || error.code === 'EPERM')) return null;
    throw error;
  }
}
