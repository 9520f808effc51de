import { errnoNameOf } from '../errors.js';
import type { ProcessHandle } from '../os/process-handle.js';
import { readStat } from '../os/processes.js';
import { signalNumber } from '../os/signals.js';
import type { SignalName } from '../spec/service-spec.js';

/** As kill(2) takes them: one call for the group, and one for a main process that has left it. */
export function groupTargets(main: number, isMainAlive: boolean): number[] {
  const hasLeft = isMainAlive && readStat(main)?.processGroup !== main;
  return hasLeft ? [-main, main] : [-main];
}

/**
 * Once to each: many programs take a second SIGTERM for "now really". A stopped process hears nothing before SIGCONT.
 * `targets` are as kill(2) takes them. `held`: one of them that may be gone without our having been told, as one that is not our child.
 */
export function deliverSignal(
  signal: SignalName,
  targets: Iterable<number>,
  held: ProcessHandle | null,
  host: { complain(attempt: string, error: unknown): void },
): void {
  for (const each of signal === 'SIGKILL' ? [signal] : [signal, 'SIGCONT' as const]) {
    for (const target of targets) {
      try {
        if (target === held?.pid) held.signal(each);
        else process.kill(target, signalNumber(each));
      } catch (error) {
        // ESRCH: gone meanwhile. EPERM: a set-uid program; what comes of it shows when the grace is over.
        if (errnoNameOf(error) !== 'ESRCH') host.complain(`cannot send ${each} to process ${target}`, error);
      }
    }
  }
}
