// What a start is asked for and what it answers: plain data, as it travels to a copy of the launcher and back.
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceSpec } from '../spec/service-spec.js';

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
}

export interface StartedDaemon {
  readonly pid: number;
  readonly record: DaemonRecord;
  /** Output files that were not there before. */
  readonly created: readonly string[];
}
