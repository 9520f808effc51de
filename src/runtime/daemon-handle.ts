// What a daemon that called daemonize() holds in its hands: its pidfile, its word to the launcher, its log files.
import { closeSync, openSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { AlreadyRunningError, errnoNameOf, SystemError } from '../errors.js';
import { duplicate } from '../os/descriptors.js';
import { lockDirectory, tryFlock } from '../os/lock.js';
import { readUnnamedFile } from '../os/message.js';
import { openOutput } from '../os/outputs.js';
import { checkPidfilePlace, readPidfile, removePidfile, writePidfile } from '../os/pidfile.js';
import { setDisposition } from '../os/signals.js';
import { encodeBytes } from '../spec/byte-text.js';
import type { ServiceSpec } from '../spec/service-spec.js';
import { situationOfPidfile } from './situation.js';

/** The daemon's own end of the arrangement. */
export interface DaemonHandle extends Disposable {
  readonly pid: number;
  /** Tells the launcher that all is well: it exits with 0. Safe to call twice, and without a launcher. */
  ready(): void;
  /** Opens the output files anew under their names, for a logrotate that has renamed them. */
  reopenLogs(): void;
  /** Removes the pidfile, if it still names this process. Also done when the process exits by itself. */
  dispose(): void;
}

/** Node gives SIGHUP its default action at start and again when the last listener goes. */
export function keepHangupIgnored(): void {
  setDisposition('SIGHUP', 'ignore');
  process.on('removeListener', (event) => {
    if (event === 'SIGHUP' && process.listenerCount('SIGHUP') === 0) setDisposition('SIGHUP', 'ignore');
  });
}

/** This process's pidfile, locked for life: whoever can take the lock knows that the daemon is gone. */
export class LockedPidfile {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    // The launcher holds this lock until the pidfile stands; if it was killed, we finish its work.
    using _lock = lockDirectory(dirname(path));
    const content = readPidfile(path);
    if (content.kind !== 'pid' || content.pid !== process.pid) {
      checkPidfilePlace(path);
      const situation = situationOfPidfile(path);
      if (situation !== null && situation.judgement.is !== 'gone')
        throw new AlreadyRunningError(`with pidfile ${path}`, situation.process?.pid ?? 0, path);
      writePidfile(path, process.pid);
    }
    // Never closed: the kernel frees the lock with the process.
    tryFlock(openSync(encodeBytes(path), 'r'));
  }

  remove(): void {
    removePidfile(this.#path, process.pid);
  }
}

export function makeHandle(
  pidfile: LockedPidfile | null,
  stdio: ServiceSpec['stdio'] | null,
  verdict: number | null,
): DaemonHandle {
  let open: number | null = verdict;
  const dispose = (): void => {
    process.off('exit', atExit);
    pidfile?.remove();
  };
  const atExit = (): void => {
    try {
      dispose();
    } catch (error) {
      // The pidfile of a daemon that took another user is root's; the next start finds it stale.
      const isRefused =
        error instanceof SystemError && ['EACCES', 'EPERM', 'EROFS'].includes(error.errnoName);
      if (!isRefused) throw error;
    }
  };
  process.on('exit', atExit);
  const handle: DaemonHandle = {
    pid: process.pid,
    ready() {
      if (open === null) return;
      if (stdio !== null) leaveLaunchersError(stdio);
      try {
        writeSync(open, 'r');
      } catch (error) {
        // EPIPE: the launcher was killed, or lost patience; the daemon lives its own life.
        if (errnoNameOf(error) !== 'EPIPE') throw error;
      }
      closeSync(open);
      open = null;
    },
    reopenLogs() {
      if (stdio === null) return;
      const output = openOutput({ ...stdio.stdout, open: 'append' });
      duplicate(output.descriptor, 1);
      closeSync(output.descriptor);
      openErrorOutput(stdio);
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
  return handle;
}

/** Until the daemon is ready its error output is kept for the launcher; from then on it goes where it was asked to. */
function leaveLaunchersError(stdio: ServiceSpec['stdio']): void {
  const sofar = readUnnamedFile(2);
  openErrorOutput(stdio);
  if (sofar.length > 0) writeSync(2, sofar);
}

function openErrorOutput({ stderr }: ServiceSpec['stdio']): void {
  if (stderr === 'as-stdout') return duplicate(1, 2);
  const output = openOutput({ ...stderr, open: 'append' });
  duplicate(output.descriptor, 2);
  closeSync(output.descriptor);
}
