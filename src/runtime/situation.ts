// What became of a recorded daemon: reads the record, looks at the process, and lets core/judge decide.
import { type Judgement, judgeForeignPidfile, judgePlace, judgeProcess } from '../core/judge.js';
import { identityOf, viewpoint } from '../os/identity.js';
import { isLockedByOther, readPidfile } from '../os/pidfile.js';
import { allProcesses, isZombie, sightProcess, startedAt } from '../os/processes.js';
import type { DaemonRecord, ProcessIdentity } from '../spec/daemon-record.js';

export interface Situation {
  readonly judgement: Judgement;
  /** The process that is, or was, the daemon; null if there never was one. */
  readonly process: ProcessIdentity | null;
  /** As it stands now, which is not what was read if a killed launcher's daemon was found again. */
  readonly record: DaemonRecord | null;
  /** The program outlives its watchdog, which was killed: it runs, and nobody would restart it. */
  readonly isOrphaned?: true;
}

export function judgeIdentity(identity: ProcessIdentity): Judgement {
  return judgePlace(identity, viewpoint()) ?? judgeProcess(identity, sightProcess(identity.pid));
}

/** The situation of a record that was read. */
export function situationOfRecord(record: DaemonRecord): Situation {
  if (record.phase === 'starting') return situationOfStart(record);
  if (record.process === null || record.phase === 'stopped')
    return { judgement: { is: 'gone', reason: 'it was stopped' }, process: record.process, record };
  return { judgement: judgeIdentity(record.process), process: record.process, record };
}

/** Between the intent and the final record: the launcher is at work, or it was killed half-way. */
function situationOfStart(record: DaemonRecord): Situation {
  const launcher = judgeIdentity(record.launcher);
  if (launcher.is !== 'gone') {
    const judgement: Judgement = {
      is: 'unknowable',
      reason: `it is being started by process ${record.launcher.pid}`,
    };
    return { judgement, process: null, record };
  }
  const process = judgePlace(record.launcher, viewpoint()) === null ? findOrphan(record) : null;
  if (process === null) {
    const judgement: Judgement = {
      is: 'gone',
      reason: 'its launcher was killed before it had started the program',
    };
    return { judgement, process: null, record };
  }
  const found: DaemonRecord = { ...record, phase: 'running', process };
  return {
    judgement: { is: 'alive', reason: 'found again by its session after its launcher was killed' },
    process,
    record: found,
  };
}

/**
 * What a killed launcher left behind. The program's session id is the launcher's pid, and the kernel gives that
 * number to nobody else while a member of the session lives.
 */
function findOrphan({ launcher, launchedBy }: DaemonRecord): ProcessIdentity | null {
  const START_WITHIN_TICKS = 6000;
  const candidates = allProcesses()
    .filter((stat) => stat.session === launcher.pid && stat.pid !== launcher.pid && !isZombie(stat))
    // A watchdog stays in the launcher's process group; its program has one of its own.
    .filter((stat) => launchedBy !== 'watchdog' || stat.processGroup === launcher.pid)
    .filter(({ startTime }) => {
      const ticks = startTime - (launcher.startTime ?? startTime);
      return ticks >= 0 && ticks < START_WITHIN_TICKS;
    })
    .sort((a, b) => a.startTime - b.startTime || a.pid - b.pid);
  return candidates[0] === undefined ? null : identityOf(candidates[0].pid);
}

/**
 * The program of a killed watchdog: it is in the watchdog's session, whose number is the launcher's pid, and leads a
 * process group of its own. The oldest, for whatever it started itself is younger.
 */
export function findProgram({ launcher, process: watchdog }: DaemonRecord): ProcessIdentity | null {
  if (watchdog === null || judgePlace(watchdog, viewpoint()) !== null) return null;
  const [program] = allProcesses()
    .filter((stat) => stat.session === launcher.pid && stat.pid === stat.processGroup && !isZombie(stat))
    .filter((stat) => stat.pid !== watchdog.pid && stat.startTime >= (watchdog.startTime ?? 0))
    .sort((a, b) => a.startTime - b.startTime || a.pid - b.pid);
  return program === undefined ? null : identityOf(program.pid);
}

/** The situation of a pidfile that has no record here, so was written by another tool or another user. */
export function situationOfPidfile(path: string): Situation | null {
  const content = readPidfile(path);
  if (content.kind === 'absent') return null;
  if (content.kind === 'unusable')
    return {
      judgement: { is: 'unknowable', reason: `the pidfile ${content.reason}` },
      process: null,
      record: null,
    };
  if (content.kind === 'empty')
    return { judgement: { is: 'gone', reason: 'the pidfile is empty' }, process: null, record: null };
  const seen = sightProcess(content.pid);
  const since = seen.kind === 'process' && seen.startTime !== null ? startedAt(seen.startTime) : null;
  let judgement = judgeForeignPidfile(content, seen, since, process.pid);
  if (judgement.is !== 'alive' && seen.kind !== 'absent' && content.trusted && isLockedByOther(path))
    judgement = { is: 'alive', reason: `process ${content.pid} exists and the pidfile is locked` };
  return { judgement, process: identityOf(content.pid), record: null };
}
