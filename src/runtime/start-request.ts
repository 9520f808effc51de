// What a start is asked for and what it answers: plain data, as it travels to a copy of the launcher and back.
import { packageFile } from '../os/package-file.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceSpec } from '../spec/service-spec.js';
import type { ProgramMemory } from './program-memory.js';

/** All that a start needs; plain data, so that it can be handed to a copy of the launcher. */
export interface StartRequest {
  readonly spec: ServiceSpec;
  /** Whether the user chose spec.name; else it is a proposal. */
  readonly named: boolean;
  /** The directory that a relative command without --cwd means; null where it has been removed. */
  readonly callerCwd: string | null;
  readonly callerOpenFiles: number | null;
  readonly stateDirectory: string;
  readonly launchedBy: DaemonRecord['launchedBy'];
  /** What the started process is to hold, for a watchdog: recorded in place of `spec`, which is the watchdog's own. */
  readonly program?: ServiceSpec;
}

export interface StartedDaemon {
  readonly pid: number;
  readonly record: DaemonRecord;
  /** Output files that were not there before. */
  readonly created: readonly string[];
}

/** What a watchdog is told by its launcher, through WATCH_ORDER_DESCRIPTOR. */
export interface WatchOrder {
  readonly record: DaemonRecord;
  readonly stateDirectory: string;
  /** From its own former self: what it knew before it exchanged its code. */
  readonly memory?: WatchdogMemory;
}

export interface WatchdogMemory extends ProgramMemory {
  readonly upgrades: number;
  readonly reopens: number;
}

export const WATCH_ORDER_DESCRIPTOR = 3;
export const WATCH_VERDICT_DESCRIPTOR = 4;

/** Flags for a process that does little and lives for months: none of them may cost it memory that it does not need. */
export const longLivedNode: readonly [string, ...string[]] = [
  process.execPath,
  // A small young generation is collected more often.
  '--max-semi-space-size=1',
  // See giveBackMemory.
  '--expose-gc',
  // Optimised code and what its compiler holds are 3 MiB after a crash loop; lines cost a third more without. No
  // baseline code either (--lite-mode) would save half a MiB more, and lines would cost double.
  '--no-opt',
  // Each helper thread has memory of its own, and wakes up for every collection.
  '--v8-pool-size=1',
  '--single-threaded-gc',
];

export const watchdogCommand = (): [string, ...string[]] => [...longLivedNode, packageFile('watchdog.cjs')];

/** Asks a watchdog to exchange its code. By default the signal is ignored, so one that is too old survives it. */
export const UPGRADE_SIGNAL = 'SIGWINCH';

/** Tells a watchdog that its logs have been renamed; what daemons have taken it for since logrotate. */
export const REOPEN_SIGNAL = 'SIGUSR2';
