// What a supervisor's process is told by its launcher, or by its own former self. Plain data.

import type { SupervisordConfig } from '../formats/supervisord/config.js';
import { packageFile } from '../os/package-file.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ConfigPlace } from './load-supervisord-config.js';
import { longLivedNode } from './start-request.js';
import type { SupervisorMemory } from './supervisor-memory.js';

export interface SuperviseOrder {
  readonly place: ConfigPlace;
  readonly inherited: DaemonRecord['inherited'];
  /** Where it keeps its journal. */
  readonly folder: string;
  /** In the foreground there is a terminal to log to, and nobody waits for a verdict. */
  readonly isForeground: boolean;
  /** From its own former self: what it knew before it exchanged its code. */
  readonly memory?: SupervisorMemory;
  /** The configuration that goes on, or was read just now; absent: it is read anew. */
  readonly kept?: SupervisordConfig;
  /** How often it has exchanged its code. */
  readonly exchanges?: number;
}

/** How the start came out; null: it supervises. A text is for standard error. */
export interface SuperviseVerdict {
  readonly failure: string | null;
}

/**
 * Of our own Node: options and certificates are for the programs; and one arena for all threads, which else keep two
 * megabytes each.
 */
export const supervisorEnvironment = ({ environment }: ConfigPlace): string[] => [
  ...environment.filter((entry) => !/^(NODE_OPTIONS|NODE_EXTRA_CA_CERTS|MALLOC_ARENA_MAX)=/.test(entry)),
  'MALLOC_ARENA_MAX=1',
];

export const supervisorCommand = (): [string, ...string[]] => [
  ...longLivedNode,
  packageFile('supervisor.cjs'),
];
