import { prepareRestart, requestFromRecord, restartDaemonized } from '../runtime/restart-daemon.js';
import { startDaemon } from '../runtime/start-daemon.js';
import { type StopOptions, type StopResult, stopDaemon } from '../runtime/stop-daemon.js';
import { type Handler, secondsFlag, signalFlag, targets, userState } from './context.js';
import { print, printJson } from './output.js';
import type { ParsedCommand } from './parse-plain.js';
import { reportError } from './report-error.js';
import { announce } from './run.js';

/** All of them side by side; one that fails does not keep the others from being stopped. */
export const stopCommand: Handler = async (parsed, caller) => {
  const all = targets(parsed, caller);
  const state = userState();
  const options = stopOptions(parsed);
  const outcomes = await Promise.allSettled(all.map((target) => stopDaemon(target, options, state)));
  const results: StopResult[] = [];
  let exitCode = 0;
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === 'rejected') exitCode = Math.max(exitCode, reportError(outcome.reason, parsed));
    else {
      results.push(outcome.value);
      if (parsed.flags.json !== true) print(describe(outcome.value, all[index]!));
    }
  }
  if (parsed.flags.json === true && (exitCode === 0 || all.length > 1))
    printJson(all.length === 1 ? results[0] : results);
  return exitCode;
};

function describe({ name, pid, by }: StopResult, target: { name: string } | { pidfile: string }): string {
  const what = name ?? ('pidfile' in target ? target.pidfile : target.name);
  if (pid === null) return `${what}: was not running`;
  return `${what}: stopped process ${pid}${by === 'SIGKILL' ? ' with SIGKILL' : ''}`;
}

export const restartCommand: Handler = async (parsed, caller) => {
  const state = userState();
  for (const target of targets(parsed, caller)) {
    const record = await prepareRestart(target, stopOptions(parsed), state);
    if (record.launchedBy === 'daemonize') {
      const exitCode = restartDaemonized(record);
      if (exitCode !== 0) return exitCode;
    } else announce(startDaemon(requestFromRecord(record, state)), parsed);
  }
  return 0;
};

function stopOptions(parsed: ParsedCommand): StopOptions {
  return {
    signal: signalFlag(parsed),
    timeoutMs: secondsFlag(parsed, 'timeout'),
    kill: parsed.flags['no-kill'] !== true,
    group: parsed.flags.group === true,
  };
}
