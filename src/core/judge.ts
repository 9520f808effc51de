// Whether a recorded process still is what the record says. Pure: what was seen comes in, a verdict with its
// reason goes out. The rule of the house: when in doubt say so, never guess "gone" (a second copy would start)
// and never guess "running" (a stranger would be signalled).
import type { HostIdentity, PidfileContent, ProcessIdentity } from '../spec/daemon-record.js';

/** Where the judge stands: the same facts as in a record, read now. */
export interface Viewpoint {
  readonly bootId: string | null;
  readonly pidNamespace: string | null;
  readonly host: HostIdentity;
}

/** What is seen under a pid. `hidden` is a process that exists but whose data we may not read. */
export type Sighting =
  | { readonly kind: 'absent' }
  | { readonly kind: 'hidden' }
  | { readonly kind: 'process'; readonly startTime: number | null; readonly isDead: boolean };

export type Judgement =
  | { readonly is: 'alive'; readonly reason: string }
  | { readonly is: 'gone'; readonly reason: string }
  | { readonly is: 'unknowable'; readonly reason: string };

const alive = (reason: string): Judgement => ({ is: 'alive', reason });
const gone = (reason: string): Judgement => ({ is: 'gone', reason });
const unknowable = (reason: string): Judgement => ({ is: 'unknowable', reason });

/**
 * Whether the pid means here what it meant when it was written down; null if it does. Judged before anything is
 * looked up under that pid.
 */
export function judgePlace(recorded: ProcessIdentity, here: Viewpoint): Judgement | null {
  const sameName = recorded.host.name === here.host.name;
  if (recorded.bootId !== null && here.bootId !== null && recorded.bootId !== here.bootId) {
    // Another boot id is this machine after a reboot, or another machine that shares the directory.
    return sameName
      ? gone('the machine has been restarted since')
      : unknowable(`it was started on another host, ${recorded.host.name}`);
  }
  if ((recorded.bootId === null || here.bootId === null) && !sameName)
    return unknowable(`it was started on another host, ${recorded.host.name}`);
  if (
    recorded.pidNamespace !== null &&
    here.pidNamespace !== null &&
    recorded.pidNamespace !== here.pidNamespace
  ) {
    // A restarted container has the old name in a new UTS namespace. An equal one (unshare, a pod, --uts=host) or
    // another name may well be a neighbour that is alive.
    const [then, now] = [recorded.host.utsNamespace, here.host.utsNamespace];
    return sameName && then !== null && now !== null && then !== now
      ? gone('the container has been restarted since')
      : unknowable(`it was started in another pid namespace, ${recorded.pidNamespace}`);
  }
  return null;
}

export function judgeProcess(recorded: ProcessIdentity, seen: Sighting): Judgement {
  switch (seen.kind) {
    case 'absent':
      return gone(`process ${recorded.pid} has ended`);
    case 'hidden':
      return unknowable(`process ${recorded.pid} exists, but its start time cannot be read`);
    case 'process':
      // Dead as it is, it does not matter whose number it was.
      if (seen.isDead) return gone(`process ${recorded.pid} has ended and waits to be reaped by its parent`);
      if (recorded.startTime === null || seen.startTime === null)
        return unknowable(`process ${recorded.pid} exists, but its start time was not recorded`);
      if (recorded.startTime !== seen.startTime)
        return gone(`process ${recorded.pid} has ended, and its number was given to another process`);
      return alive(`process ${recorded.pid} has the start time that was recorded`);
  }
}

/**
 * A pidfile without a record, so written by another tool: its process must have started before the file was written.
 * Both times are wall clock, in milliseconds; `startedAt` is null for a process that is absent or hidden.
 */
export function judgeForeignPidfile(
  file: Extract<PidfileContent, { kind: 'pid' }>,
  seen: Sighting,
  startedAt: number | null,
  ownPid: number,
): Judgement {
  if (file.pid === ownPid) return gone(`process ${file.pid} is this command itself`);
  if (seen.kind === 'absent') return gone(`process ${file.pid} has ended`);
  if (seen.kind === 'process' && seen.isDead)
    return gone(`process ${file.pid} has ended and waits to be reaped by its parent`);
  if (startedAt === null) return unknowable(`process ${file.pid} exists, but its start time cannot be read`);
  if (startedAt > file.writtenAt + CLOCK_TOLERANCE_MS)
    return gone(`process ${file.pid} started after the pidfile was written, so it is a stranger`);
  if (!file.trusted) return unknowable('the pidfile, or its directory, can be changed by other users');
  return alive(`process ${file.pid} started before the pidfile was written`);
}

/**
 * Start times count from boot in 10 ms ticks and are put on the wall clock through the boot time, which the kernel
 * gives in whole seconds and which moves when the clock is set. Two seconds cover both.
 */
const CLOCK_TOLERANCE_MS = 2000;
