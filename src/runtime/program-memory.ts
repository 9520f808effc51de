// What a holder of programs has to know of one when it goes on as another: after it exchanged its code in place, or
// in another process after it was killed. Plain data, as it travels.
import type { Ending } from '../core/restart-policy.js';
import type { ServiceState } from '../core/service-machine.js';
import type { ProcessIdentity } from '../spec/daemon-record.js';
import type { ServiceLife } from '../spec/service-life.js';

/** How it fares, as it is written down. */
export type ProgramLife = Omit<ServiceLife, 'upgrades' | 'reopens' | 'reopenFailure'>;

export interface ProgramMemory {
  readonly state: ServiceState;
  /** null between two runs. */
  readonly process: ProcessIdentity | null;
  /** Whether the process is a child of the holder, or was found running. */
  readonly isChild: boolean;
  readonly life: ProgramLife;
  /** Descriptors that are kept over the exec: of its NOTIFY_SOCKET, and of the pipe for its word that it is ready. */
  readonly watch: { readonly socket: number | null; readonly pipe: number | null };
  /** Of one that goes into the background by itself: whether its main process is known, and whose end began the search. */
  readonly following: {
    readonly isSettled: boolean;
    readonly waiting: { readonly pid: number; readonly ending: Ending } | null;
  } | null;
}
