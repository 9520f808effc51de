// What a watchdog writes down about the program it holds: how it fares, not what it is.
import type { ProcessIdentity } from './daemon-record.js';
import type { Reach, SignalName } from './service-spec.js';

/** What `tsdaemon stop` wants done otherwise than the program's own rules say; absent: as they say. */
export interface StopWish {
  readonly signal?: SignalName;
  /** null: no SIGKILL. */
  readonly graceMs?: number | null;
  readonly reach?: Reach;
  readonly killReach?: Reach;
}

export interface ServiceLife {
  readonly state: 'STOPPED' | 'STARTING' | 'RUNNING' | 'BACKOFF' | 'STOPPING' | 'EXITED' | 'FATAL';
  /** Why, where the state alone does not say it. */
  readonly reason: string | null;
  /** The program's process; null between two runs. */
  readonly process: ProcessIdentity | null;
  /** Whom the pidfile names, or named last. */
  readonly lastPid: number | null;
  readonly restarts: number;
  /** How often the watchdog has exchanged its own code in place. */
  readonly upgrades: number;
  /** How often the watchdog has reopened the logs, and why the last time failed; null: it did not. */
  readonly reopens: number;
  readonly reopenFailure: string | null;
  /** How the last run ended, in words; null: there was none. */
  readonly lastExit: string | null;
  /** The files that the program's streams really go to. */
  readonly outputs: readonly string[];
  /** The directory of the cgroup that holds all its processes; null: it has none. */
  readonly cgroup: string | null;
  /** What it says of itself on NOTIFY_SOCKET; null: it is not asked to. */
  readonly notify: {
    readonly address: string;
    readonly status: string | null;
    readonly isReloading: boolean;
  } | null;
  /** Wall times in milliseconds, only shown: when it came to its state, and when it leaves it by itself. */
  readonly changedAt: number;
  readonly nextStartAt: number | null;
}
