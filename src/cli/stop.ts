import { NotReadyError } from '../errors.js';
import type { Caller } from '../os/caller.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { DaemonTarget } from '../runtime/find-daemon.js';
import { READY_TIMEOUT_MS } from '../runtime/health-options.js';
import {
  adoptableRecord,
  prepareRestart,
  requestFromRecord,
  restartDaemonized,
} from '../runtime/restart-daemon.js';
import { startDaemon } from '../runtime/start-daemon.js';
import { startWatched } from '../runtime/start-watched.js';
import { statusOf } from '../runtime/status.js';
import { type StopOptions, type StopResult, stopDaemon } from '../runtime/stop-daemon.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import { type Handler, secondsFlag, signalFlag, targets, userState } from './context.js';
import { print, printJson } from './output.js';
import type { ParsedCommand } from './parse-plain.js';
import { type ReportedError, reportError } from './report-error.js';
import { type Announced, announce, asJson } from './run.js';

/** All of them side by side; one that fails does not keep the others from being stopped. */
export const stopCommand: Handler = async (parsed, caller) => {
  const all = targets(parsed, caller);
  const state = userState();
  const options = stopOptions(parsed);
  const outcomes = await Promise.allSettled(all.map((target) => stopDaemon(target, options, state)));
  const results: (StopResult | ReportedError)[] = [];
  let exitCode = 0;
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === 'fulfilled') {
      results.push(outcome.value);
      if (parsed.flags.json !== true) print(describe(outcome.value, all[index]!));
    } else {
      const reported = reportError(outcome.reason, parsed.command);
      results.push(reported.json);
      exitCode = Math.max(exitCode, reported.exitCode);
    }
  }
  if (parsed.flags.json === true) printJson(all.length === 1 ? results[0] : results);
  return exitCode;
};

function describe({ name, pid, by }: StopResult, target: { name: string } | { pidfile: string }): string {
  const what = name ?? ('pidfile' in target ? target.pidfile : target.name);
  if (pid === null) return `${what}: was not running`;
  return `${what}: stopped process ${pid}${by === 'SIGKILL' ? ' with SIGKILL' : ''}`;
}

/** One after the other; one that fails does not keep the others down. */
export const restartCommand: Handler = async (parsed, caller) => {
  const state = userState();
  const all = targets(parsed, caller);
  const answers: unknown[] = [];
  let exitCode = 0;
  for (const target of all) {
    try {
      answers.push(await restart(target, parsed, state, caller));
    } catch (error) {
      const reported = reportError(error, parsed.command);
      answers.push(reported.json);
      exitCode = Math.max(exitCode, reported.exitCode);
    }
  }
  if (parsed.flags.json === true) printJson(all.length === 1 ? answers[0] : answers);
  return exitCode;
};

async function restart(
  target: DaemonTarget,
  parsed: ParsedCommand,
  state: StateDirectory,
  caller: Caller,
): Promise<unknown> {
  const record = await prepareRestart(target, stopOptions(parsed), state);
  if (record.launchedBy !== 'daemonize') {
    const daemon = startAgain(record, state, caller);
    if (parsed.flags.json !== true) announce(daemon, parsed);
    return asJson(daemon);
  }
  // The app is its own launcher, and has said itself what went wrong.
  const exitCode = restartDaemonized(record);
  if (exitCode !== 0)
    throw new NotReadyError(
      `cannot restart '${record.spec.name}': it ended with exit code ${exitCode}`,
      exitCode,
    );
  const status = statusOf(target, state);
  if (parsed.flags.json !== true) print(String(status.pid));
  return status;
}

export const adoptCommand: Handler = (parsed, caller) => {
  const state = userState();
  for (const target of targets(parsed, caller))
    announce(startAgain(adoptableRecord(target, state), state, caller), parsed);
  return 0;
};

function startAgain(record: DaemonRecord, state: StateDirectory, caller: Caller): Announced {
  const request = requestFromRecord(record, state);
  if (record.launchedBy !== 'watchdog') return startDaemon(request);
  const {
    pid,
    outputs,
    record: started,
  } = startWatched(request, record.spec.start.timeoutMs ?? READY_TIMEOUT_MS, caller.waitingShell);
  return { pid, record: { ...started, outputs } };
}

function stopOptions(parsed: ParsedCommand): StopOptions {
  return {
    signal: signalFlag(parsed),
    timeoutMs: secondsFlag(parsed, 'timeout'),
    kill: parsed.flags['no-kill'] !== true,
    group: parsed.flags.group === true,
  };
}
