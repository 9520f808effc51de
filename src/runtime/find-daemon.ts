// From what a user types, a name or a pidfile, to a daemon and its situation.
import { NotFoundError } from '../errors.js';
import { canonicalPidfile } from '../os/pidfile.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import { settleRecord } from './settle-record.js';
import { type Situation, situationOfPidfile } from './situation.js';

/** Which daemon is meant. A pidfile may have been written by another tool. */
export type DaemonTarget = { readonly name: string } | { readonly pidfile: string };

export interface FoundDaemon extends Situation {
  /** 'web', or the pidfile: for messages. */
  readonly what: string;
  readonly pidfile: string | null;
}

/** null: no record and no pidfile. */
export function findDaemon(target: DaemonTarget, state: StateDirectory): FoundDaemon | null {
  if ('name' in target) {
    const record = state.read(target.name);
    if (record === null) return null;
    return { what: `'${target.name}'`, pidfile: record.spec.detach.pidfile, ...settleRecord(record, state) };
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
  return { what: `pidfile ${target.pidfile}`, pidfile, ...(isRecorded ? found : situation) };
}

export function requireDaemon(target: DaemonTarget, state: StateDirectory): FoundDaemon {
  const found = findDaemon(target, state);
  if (found !== null) return found;
  if ('name' in target) throw new NotFoundError(`no daemon is named '${target.name}' in ${state.path}`);
  throw new NotFoundError(`no daemon is known for pidfile ${target.pidfile}, and the file is not there`);
}
