import { lstatSync } from 'node:fs';
import { errnoNameOf } from '../errors.js';
import { commandLine, readStat, residentBytes, startedAt } from '../os/processes.js';
import type { StateDirectory } from '../os/state-directory.js';
import { encodeBytes } from '../spec/byte-text.js';
import type { ServiceLife } from '../spec/service-life.js';
import { type DaemonTarget, type FoundDaemon, findDaemon } from './find-daemon.js';

/** What is known of a daemon now. Times in milliseconds, memory in bytes; null is "does not apply, or cannot be read". */
export interface DaemonStatus {
  readonly name: string | null;
  /** dead: ended without being stopped, and its pidfile is still there. unknown: nobody can tell from here. */
  readonly state: 'running' | 'starting' | 'stopping' | 'waiting' | 'fatal' | 'dead' | 'stopped' | 'unknown';
  /** LSB: 0 running, 1 dead with a pidfile left, 3 not running, 4 cannot tell. */
  readonly code: 0 | 1 | 3 | 4;
  /** Why the state is what it is. */
  readonly reason: string;
  readonly pid: number | null;
  readonly pidfile: string | null;
  readonly command: readonly string[] | null;
  readonly outputs: readonly string[];
  readonly startedAt: string | null;
  readonly uptimeMs: number | null;
  readonly cpuMs: number | null;
  readonly memoryBytes: number | null;
  /** Only of a program under a watchdog. */
  readonly watchdog: {
    readonly pid: number | null;
    readonly restarts: number;
    readonly lastExit: string | null;
    readonly nextStartAt: string | null;
    /** What it says of itself by STATUS=; null: nothing. */
    readonly status: string | null;
    readonly isReloading: boolean;
  } | null;
}

/** Never throws for a daemon that is not there: that is an answer. */
export function statusOf(target: DaemonTarget, state: StateDirectory): DaemonStatus {
  const found = findDaemon(target, state);
  if (found !== null) return describe(found, state);
  const reason = 'name' in target ? 'no daemon of this name is recorded' : 'the pidfile is not there';
  return {
    name: 'name' in target ? target.name : null,
    ...nothingRuns,
    state: 'stopped',
    code: 3,
    reason,
    pidfile: 'pidfile' in target ? target.pidfile : null,
    command: null,
    outputs: [],
    startedAt: null,
    watchdog: null,
  };
}

export function statusOfAll(state: StateDirectory): DaemonStatus[] {
  return state.names().flatMap((name) => {
    const found = findDaemon({ name }, state);
    return found === null ? [] : [describe(found, state)];
  });
}

const nothingRuns = { pid: null, uptimeMs: null, cpuMs: null, memoryBytes: null } as const;

function describe(found: FoundDaemon, state: StateDirectory): DaemonStatus {
  const { record } = found;
  const life = record?.launchedBy === 'watchdog' ? state.readLife(record.spec.name) : null;
  return life === null ? describeProcess(found) : describeWatched(found, life);
}

/** The record names the watchdog; what the user means is the program. */
function describeWatched(found: FoundDaemon, life: ServiceLife): DaemonStatus {
  const isWatched = found.judgement.is === 'alive' && found.isOrphaned !== true;
  const program = {
    ...describeProcess({ ...found, process: life.process ?? found.process }),
    outputs: life.outputs,
    watchdog: {
      pid: isWatched ? found.process!.pid : null,
      restarts: life.restarts,
      lastExit: life.lastExit,
      nextStartAt: life.nextStartAt === null ? null : new Date(life.nextStartAt).toISOString(),
      status: life.notify?.status ?? null,
      isReloading: life.notify?.isReloading ?? false,
    },
  };
  const last = life.lastExit === null ? '' : `, last run: ${life.lastExit}`;
  if (isWatched && life.process !== null)
    return { ...program, state: activeState(life), reason: `held by watchdog ${found.process!.pid}${last}` };
  if (life.state === 'FATAL')
    return { ...program, ...nothingRuns, state: 'fatal', code: 3, reason: `${life.reason}${last}` };
  const isScheduled = life.state === 'STOPPED' || life.state === 'EXITED';
  if (isWatched) {
    const reason = isScheduled ? `to be started at ${program.watchdog.nextStartAt}` : 'to be started again';
    return { ...program, ...nothingRuns, state: 'waiting', code: 3, reason: `${reason}${last}` };
  }
  return program.state === 'running' ? program : { ...program, reason: `${program.reason}${last}` };
}

function activeState({ state }: ServiceLife): 'running' | 'starting' | 'stopping' {
  if (state === 'STARTING') return 'starting';
  return state === 'STOPPING' ? 'stopping' : 'running';
}

function describeProcess({ name, judgement, process, record, pidfile }: FoundDaemon): DaemonStatus {
  const common = {
    name,
    reason: judgement.reason,
    pidfile,
    command: record?.spec.command.argv ?? null,
    outputs: record?.outputs ?? [],
    watchdog: null,
    startedAt: record === null ? null : new Date(record.startedAt).toISOString(),
  };
  if (judgement.is === 'alive') {
    const { pid } = process!;
    const stat = readStat(pid);
    const started = stat === null ? null : startedAt(stat.startTime);
    return {
      ...common,
      state: 'running',
      code: 0,
      pid,
      command: common.command ?? commandLine(pid),
      startedAt: common.startedAt ?? (started === null ? null : new Date(started).toISOString()),
      uptimeMs: started === null ? null : Math.max(0, Math.round(Date.now() - started)),
      cpuMs: stat?.cpuMs ?? null,
      memoryBytes: residentBytes(pid),
    };
  }
  if (judgement.is === 'unknowable') return { ...common, ...nothingRuns, state: 'unknown', code: 4 };
  const isLeft = pidfile !== null && exists(pidfile);
  return {
    ...common,
    ...nothingRuns,
    ...(isLeft ? { state: 'dead', code: 1 } : { state: 'stopped', code: 3 }),
  };
}

function exists(path: string): boolean {
  try {
    lstatSync(encodeBytes(path));
    return true;
  } catch (error) {
    if (errnoNameOf(error) === 'ENOENT') return false;
    throw error;
  }
}
