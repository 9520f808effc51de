// What a supervisor knows when it takes the place of another: of its own former self before an exec, or of one that was
// killed, by its journal.
import { firstStart } from '../core/restart-policy.js';
import type { ServiceState } from '../core/service-machine.js';
import { TsdaemonError } from '../errors.js';
import type { GroupConfig, SupervisordConfig } from '../formats/supervisord/config.js';
import { now } from '../os/clock.js';
import { identityOf } from '../os/identity.js';
import { ProcessHandle } from '../os/process-handle.js';
import { allProcesses, openFilesOf } from '../os/processes.js';
import type { ProcessIdentity } from '../spec/daemon-record.js';
import { idOf } from '../spec/supervision.js';
import { idOfStdin } from './child-streams.js';
import type { BusMemory } from './event-bus.js';
import { judgeIdentity, situationOfPidfile } from './situation.js';
import type { SupervisedMemory } from './supervised-process.js';
import { type ProcessRecord, readSupervisorJournal } from './supervisor-journal.js';

/** All that a successor needs; plain data. */
export interface SupervisorMemory {
  readonly config: SupervisordConfig;
  readonly groups: readonly GroupConfig[];
  readonly processes: Readonly<Record<string, ProcessRecord>>;
  /** Of listeners, by group. */
  readonly pools: Readonly<Record<string, BusMemory>>;
  /** Descriptors of the listening sockets of FastCGI groups, where they survive; by group. */
  readonly sockets: Readonly<Record<string, number>>;
}

/** What a supervisor that was killed has written down; null: there is nothing, or it lives, or another boot wrote it. */
export function readLeft(
  folder: string,
  config: SupervisordConfig,
): SupervisorMemory | { readonly heldBy: number } | null {
  const journal = readSupervisorJournal(folder);
  if (journal === null) return null;
  const { holder: former, groups, pools } = journal;
  if (former.pid !== process.pid && judgeIdentity(former).is === 'alive') return { heldBy: former.pid };
  if (former.bootId !== identityOf(process.pid).bootId) return null;
  const processes = Object.fromEntries(
    Object.entries(journal.processes).map(([id, record]) => [id, asStranger(record)]),
  );
  takeStrays(folder, processes);
  takeDaemons(groups, processes);
  return { config, groups, processes, pools, sockets: {} };
}

/** The children of a supervisor that was killed are nobody's now, and not ours. */
const asStranger = (record: ProcessRecord): ProcessRecord => ({
  ...record,
  memory: { ...record.memory, program: { ...record.memory.program, isChild: false } },
});

/** The process that a former supervisor left, if it lives and is not our child; null else. */
export function adoptable({ program }: SupervisedMemory): ProcessHandle | null {
  const { process: left, isChild } = program;
  if (left === null || isChild || judgeIdentity(left).is !== 'alive') return null;
  return ProcessHandle.open(left.pid, left.startTime);
}

/**
 * A supervisor that is killed may have started programs that it had no time to write down. They lead the process groups
 * that it gave them, and hold the FIFOs that it made for them: as standard input, or, while a shell reads from elsewhere,
 * under another number.
 */
function takeStrays(folder: string, processes: Record<string, ProcessRecord>): void {
  for (const { pid, processGroup, startTime } of allProcesses()) {
    if (processGroup !== pid) continue;
    const id =
      openFilesOf(pid)
        .map((file) => idOfStdin(folder, file))
        .find((found) => found !== null) ?? null;
    const record = id === null ? undefined : processes[id];
    if (id === null || record === undefined) continue;
    const { process: known } = record.memory.program;
    // Never are there two of one service: who was started later has taken the other's place.
    const isKnownOne = known?.startTime != null && known.startTime >= startTime;
    if (isKnownOne && judgeIdentity(known).is === 'alive') continue;
    processes[id] = taken(record, identityOf(pid), false);
  }
}

/** What went into the background by itself holds no such FIFO any more, but stands in the pidfile that it wrote. */
function takeDaemons(groups: readonly GroupConfig[], processes: Record<string, ProcessRecord>): void {
  for (const instance of groups.flatMap((group) => group.processes)) {
    const id = idOf(instance);
    const record = processes[id];
    if (instance.pid_file === null || record === undefined) continue;
    const { process: known } = record.memory.program;
    if (known !== null && judgeIdentity(known).is === 'alive') continue;
    const named = livingIn(instance.pid_file);
    if (named !== null) processes[id] = taken(record, named, true);
  }
}

function livingIn(pidfile: string): ProcessIdentity | null {
  try {
    const situation = situationOfPidfile(pidfile);
    return situation?.judgement.is === 'alive' ? situation.process : null;
  } catch (error) {
    // EACCES and the like: nobody can be told by it.
    if (!(error instanceof TsdaemonError)) throw error;
    return null;
  }
}

/** `isSettled`: it is the main process of one that goes into the background by itself. */
function taken(record: ProcessRecord, process: ProcessIdentity, isSettled: boolean): ProcessRecord {
  const { memory } = record;
  const { program } = memory;
  return {
    ...record,
    memory: {
      ...memory,
      program: {
        ...program,
        state: startedState(program.state),
        process,
        life: { ...program.life, lastPid: process.pid },
        following: program.following === null ? null : { isSettled, waiting: null },
      },
    },
  };
}

/** It runs, whatever was written down last of another process; what that one did is not held against it. */
const startedState = (last: ServiceState): ServiceState =>
  last.name === 'STARTING' || last.name === 'RUNNING'
    ? last
    : { name: 'RUNNING', tally: firstStart(now()), since: now(), wakeAt: null };
