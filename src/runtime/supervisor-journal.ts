// The journal of a supervisor as others read it: its successor, and those who want to know how its programs fare.
import type { GroupConfig } from '../formats/supervisord/config.js';
import { Journal } from '../os/journal.js';
import type { ProcessIdentity } from '../spec/daemon-record.js';
import type { AutoLogs } from './auto-logs.js';
import type { BusMemory } from './event-bus.js';
import type { ConfigPlace } from './load-supervisord-config.js';
import type { SupervisedMemory } from './supervised-process.js';

export interface SupervisorJournal {
  readonly holder: ProcessIdentity;
  readonly about: AboutSupervisor;
  readonly groups: readonly GroupConfig[];
  /** By `group:name`. */
  readonly processes: Readonly<Record<string, ProcessRecord>>;
  readonly pools: Readonly<Record<string, BusMemory>>;
}

/** What a supervisor writes down of itself. */
export interface AboutSupervisor {
  readonly identifier: string;
  /** How it reads its configuration. */
  readonly place: ConfigPlace;
  /** null: it has none that is a file. */
  readonly mainLog: string | null;
  /** How often it has exchanged its code in place. */
  readonly exchanges: number;
}

export interface ProcessRecord {
  readonly memory: SupervisedMemory;
  readonly autoLogs: AutoLogs;
}

/** null: there is none. */
export function readSupervisorJournal(folder: string): SupervisorJournal | null {
  const entries = Journal.read(folder);
  const holder = entries.get('supervisor') as ProcessIdentity | undefined;
  const about = entries.get('about') as AboutSupervisor | undefined;
  if (holder === undefined || about === undefined) return null;
  const groups: GroupConfig[] = [];
  const processes: Record<string, ProcessRecord> = {};
  const pools: Record<string, BusMemory> = {};
  for (const [key, value] of entries) {
    if (key.startsWith('group ')) groups.push(value as GroupConfig);
    if (key.startsWith('pool ')) pools[key.slice('pool '.length)] = value as BusMemory;
    if (key.startsWith('process ')) processes[key.slice('process '.length)] = value as ProcessRecord;
  }
  return { holder, about, groups, processes, pools };
}
