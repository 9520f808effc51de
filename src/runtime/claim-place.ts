// Whether a daemon may start under its name and pidfile, and which name it gets if the user chose none. Asked
// while the start lock is held.
import { AlreadyRunningError, IdentityError } from '../errors.js';
import { readPidfile } from '../os/pidfile.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceSpec } from '../spec/service-spec.js';
import { settleRecord } from './settle-record.js';
import { type Situation, situationOfPidfile } from './situation.js';

/** Returns the name. Throws AlreadyRunningError for a live daemon, IdentityError where it cannot be told. */
export function claimPlace(spec: ServiceSpec, named: boolean, state: StateDirectory): string {
  const { pidfile } = spec.detach;
  if (pidfile !== null) refusePidfileInUse(pidfile, state);
  if (named) {
    const record = state.read(spec.name);
    if (record !== null)
      refuseIfNotGone(`'${spec.name}'`, settleRecord(record, state), record.spec.detach.pidfile);
    return spec.name;
  }
  return (pidfile === null ? null : state.nameByPidfile(pidfile)) ?? freeName(spec.name, state);
}

function refusePidfileInUse(pidfile: string, state: StateDirectory): void {
  const name = state.nameByPidfile(pidfile);
  const record = name === null ? null : state.read(name);
  if (record !== null) refuseIfNotGone(`with pidfile ${pidfile}`, settleRecord(record, state), pidfile);
  const content = readPidfile(pidfile);
  // The record's own process has been judged by its start time; anybody else's pid is judged by the file's time.
  if (content.kind === 'pid' && content.pid === record?.process?.pid) return;
  const situation = situationOfPidfile(pidfile);
  if (situation !== null) refuseIfNotGone(`with pidfile ${pidfile}`, situation, pidfile);
}

function refuseIfNotGone(what: string, { judgement, process }: Situation, path: string | null): void {
  if (judgement.is === 'alive') throw new AlreadyRunningError(what, process!.pid, path);
  if (judgement.is === 'unknowable')
    throw new IdentityError(`cannot start ${what}: cannot tell whether it runs already: ${judgement.reason}`);
}

/** `sleep`, else `sleep-2`, ...: the first that nobody uses. A name that was made up is free again once its daemon is gone. */
function freeName(base: string, state: StateDirectory): string {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? base : `${base}-${number}`;
    const record: DaemonRecord | null = state.read(name);
    if (record === null) return name;
    if (
      !record.named &&
      record.spec.detach.pidfile === null &&
      settleRecord(record, state).judgement.is === 'gone'
    )
      return name;
  }
}
