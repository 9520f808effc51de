// Whether a daemon may start under its name and pidfile, and which name it gets if the user chose none. Asked
// while the start lock is held.
import { AlreadyRunningError, IdentityError } from '../errors.js';
import { readPidfile } from '../os/pidfile.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceSpec } from '../spec/service-spec.js';
import { settleRecord } from './settle-record.js';
import { type Situation, situationOfPidfile } from './situation.js';

/**
 * Returns the name. Throws AlreadyRunningError for a live daemon, IdentityError where it cannot be told. A new
 * watchdog may take the place of one that was killed, and adopts the program that it left.
 */
export function claimPlace(
  spec: ServiceSpec,
  named: boolean,
  isWatched: boolean,
  state: StateDirectory,
): string {
  const { pidfile } = spec.detach;
  const holder = pidfile === null ? null : state.nameByPidfile(pidfile);
  const name = named ? spec.name : (holder ?? freeName(spec.name, state));
  const claim: Claim = { name, isWatched, path: pidfile };
  if (pidfile !== null) refusePidfileInUse(pidfile, holder, claim, state);
  const record = state.read(name);
  if (record !== null) refuseIfNotGone(`'${name}'`, settleRecord(record, state), claim, state);
  return name;
}

interface Claim {
  /** Under which the daemon is going to be recorded. */
  readonly name: string;
  readonly isWatched: boolean;
  readonly path: string | null;
}

function refusePidfileInUse(
  pidfile: string,
  holder: string | null,
  claim: Claim,
  state: StateDirectory,
): void {
  const record = holder === null ? null : state.read(holder);
  const recorded = record === null ? null : settleRecord(record, state);
  if (recorded !== null) refuseIfNotGone(`with pidfile ${pidfile}`, recorded, claim, state);
  const content = readPidfile(pidfile);
  // The record's own process has been judged by its start time; anybody else's pid is judged by the file's time.
  if (content.kind === 'pid' && content.pid === recorded?.process?.pid) return;
  const situation = situationOfPidfile(pidfile);
  if (situation !== null) refuseIfNotGone(`with pidfile ${pidfile}`, situation, claim, state);
}

function refuseIfNotGone(what: string, situation: Situation, claim: Claim, state: StateDirectory): void {
  const { judgement, process, record } = situation;
  if (situation.isOrphaned === true && claim.isWatched && record?.spec.name === claim.name) return;
  if (judgement.is === 'alive') {
    const life = record?.launchedBy === 'watchdog' ? state.readLife(record.spec.name) : null;
    throw new AlreadyRunningError(what, life?.process?.pid ?? process!.pid, claim.path);
  }
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
