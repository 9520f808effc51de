// From what a user types, a name or a pidfile, to a daemon and its situation.
import { ConfigError, NotFoundError } from '../errors.js';
import { canonicalPidfile } from '../os/pidfile.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { DaemonRecord, ProcessIdentity } from '../spec/daemon-record.js';
import { settleRecord } from './settle-record.js';
import { type Situation, situationOfPidfile } from './situation.js';

/** Which daemon is meant. A pidfile may have been written by another tool. */
export type DaemonTarget = { readonly name: string } | { readonly pidfile: string };

export interface FoundDaemon extends Situation {
  readonly name: string | null;
  /** 'web', or the pidfile: for messages. */
  readonly what: string;
  readonly pidfile: string | null;
}

/** null: no record and no pidfile. */
export function findDaemon(target: DaemonTarget, state: StateDirectory): FoundDaemon | null {
  if ('name' in target) {
    const { name } = target;
    const record = readRecord(name, state);
    if (record === null) return null;
    const what = `'${name}'`;
    if ('damage' in record) return { what, name, pidfile: null, ...record.damage };
    return { what, name, pidfile: record.spec.detach.pidfile, ...settleRecord(record, state) };
  }
  const pidfile = canonicalPidfile(target.pidfile);
  const name = state.nameByPidfile(pidfile);
  const record: DaemonRecord | null = name === null ? null : state.read(name);
  const found = record === null ? null : settleRecord(record, state);
  // A record whose daemon is gone says nothing about what somebody else wrote into the pidfile since.
  const situation =
    found !== null && found.judgement.is !== 'gone' ? found : (situationOfPidfile(pidfile) ?? found);
  if (situation === null) return null;
  const isRecorded = found !== null && situation.process?.pid === found.process?.pid;
  const known = isRecorded ? found : situation;
  return { what: `pidfile ${target.pidfile}`, name: known.record?.spec.name ?? null, pidfile, ...known };
}

/** A record that cannot be read says that there is, or was, a daemon, and no more. */
function readRecord(
  name: string,
  state: StateDirectory,
): DaemonRecord | { readonly damage: Situation } | null {
  try {
    return state.read(name);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const judgement = { is: 'unknowable', reason: error.message } as const;
    return { damage: { judgement, process: null, record: null } };
  }
}

export function requireDaemon(target: DaemonTarget, state: StateDirectory): FoundDaemon {
  const found = findDaemon(target, state);
  if (found !== null) return found;
  if ('name' in target) throw new NotFoundError(`no daemon is named '${target.name}' in ${state.path}`);
  throw new NotFoundError(`no daemon is known for pidfile ${target.pidfile}, and the file is not there`);
}

/** The program's own process: a watched daemon's record names the watchdog. null: none runs. */
export function programOf({ record, process }: FoundDaemon, state: StateDirectory): ProcessIdentity | null {
  if (record?.launchedBy !== 'watchdog') return process;
  return state.readLife(record.spec.name)?.process ?? null;
}
