import { readPidfile, writePidfile } from '../os/pidfile.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import { findProgram, judgeIdentity, type Situation, situationOfRecord } from './situation.js';

/**
 * The situation of a record, and where its launcher was killed half-way, the launcher's work done to the end: the
 * daemon it had started gets its record and its pidfile.
 */
export function settleRecord(record: DaemonRecord, state: StateDirectory): Situation {
  const situation = situationOfRecord(record);
  const found = situation.record;
  if (found !== null && found !== record && found.process !== null) {
    // A watchdog writes its program's pidfile itself.
    const pidfile = found.launchedBy === 'watchdog' ? null : found.spec.detach.pidfile;
    if (pidfile !== null && readPidfile(pidfile).kind !== 'unusable')
      writePidfile(pidfile, found.process.pid);
    state.write(found);
  }
  return withOrphan(situation, state);
}

/** A watchdog that was killed leaves its program running. */
function withOrphan(situation: Situation, state: StateDirectory): Situation {
  const { record, judgement } = situation;
  if (record?.launchedBy !== 'watchdog' || judgement.is !== 'gone') return situation;
  const life = state.readLife(record.spec.name);
  const known = life?.process ?? null;
  const isAlive = known !== null && judgeIdentity(known).is === 'alive';
  // Killed between its spawn and its record, a watchdog leaves a program that is written down nowhere.
  const program = isAlive ? known : findProgram(record);
  if (program === null) return situation;
  if (!isAlive && life !== null) {
    const name = record.spec.start.readiness === 'exec' ? 'RUNNING' : 'STARTING';
    state.writeLife(record.spec.name, { ...life, state: name, process: program, lastPid: program.pid });
  }
  const reason = 'the program runs, but its watchdog was killed: `adopt` gives it a new one';
  return { judgement: { is: 'alive', reason }, process: program, record, isOrphaned: true };
}
