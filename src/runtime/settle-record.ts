import { readPidfile, writePidfile } from '../os/pidfile.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import { type Situation, situationOfRecord } from './situation.js';

/**
 * The situation of a record, and where its launcher was killed half-way, the launcher's work done to the end: the
 * daemon it had started gets its record and its pidfile.
 */
export function settleRecord(record: DaemonRecord, state: StateDirectory): Situation {
  const situation = situationOfRecord(record);
  const found = situation.record;
  if (found !== null && found !== record && found.process !== null) {
    const { pidfile } = found.spec.detach;
    if (pidfile !== null && readPidfile(pidfile).kind !== 'unusable')
      writePidfile(pidfile, found.process.pid);
    state.write(found);
  }
  return situation;
}
