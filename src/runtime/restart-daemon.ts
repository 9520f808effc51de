import { commandCandidates } from '../core/command-path.js';
import { variable } from '../core/environment.js';
import { NotFoundError, UsageError } from '../errors.js';
import { exitCodeOf, reap, spawn } from '../os/invoke.js';
import type { StateDirectory } from '../os/state-directory.js';
import { enterDirectory } from '../os/working-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import { type DaemonTarget, requireDaemon } from './find-daemon.js';
import type { StartRequest } from './start-request.js';
import { type StopOptions, stopDaemon } from './stop-daemon.js';

/** What was recorded, stopped if it ran, and how to start it again. */
export async function prepareRestart(
  target: DaemonTarget,
  options: StopOptions,
  state: StateDirectory,
): Promise<DaemonRecord> {
  const { record, what } = requireDaemon(target, state);
  if (record === null)
    throw new NotFoundError(
      `cannot restart ${what}: it was not started here, so nothing is recorded to start again`,
    );
  // What to supervise is not in the record, and its programs would all be stopped.
  if (record.launchedBy === 'supervise')
    throw new UsageError(
      `cannot restart ${what}: it is a supervisor: 'tsdaemon upgrade' and 'tsdaemon ctl reload' exchange it in place`,
    );
  await stopDaemon(target, options, state);
  return record;
}

/** The record of a program that runs without its watchdog. */
export function adoptableRecord(target: DaemonTarget, state: StateDirectory): DaemonRecord {
  const { record, what, isOrphaned } = requireDaemon(target, state);
  if (record === null || isOrphaned !== true)
    throw new UsageError(`cannot adopt ${what}: it is no program that runs without its watchdog`);
  return record;
}

export function requestFromRecord(record: DaemonRecord, state: StateDirectory): StartRequest {
  const { spec, inherited, named } = record;
  const { command } = spec;
  return {
    spec: {
      ...spec,
      command: { ...command, cwd: command.cwd ?? inherited.cwd, umask: command.umask ?? inherited.umask },
      // Their descriptors belonged to the shell of that day.
      detach: { ...spec.detach, keepFds: [] },
    },
    named,
    callerCwd: inherited.cwd,
    callerOpenFiles: inherited.openFiles,
    stateDirectory: state.path,
    launchedBy: record.launchedBy,
  };
}

/** An app that calls daemonize() is its own launcher: run it as at the first time and pass on its exit code. */
export function restartDaemonized({ spec, inherited }: DaemonRecord): number {
  const { argv, env } = spec.command;
  if (inherited.cwd !== null) enterDirectory(inherited.cwd);
  process.umask(inherited.umask);
  const candidates = commandCandidates(argv[0], variable(env, 'PATH'), inherited.cwd);
  const pid = spawn(
    { candidates, argv, env },
    new Map([
      [0, 0],
      [1, 1],
      [2, 2],
    ]),
    'default',
  );
  return exitCodeOf(reap(pid, true));
}
