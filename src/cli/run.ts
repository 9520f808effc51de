import { describeStep } from '../core/detach-plan.js';
import { UsageError } from '../errors.js';
import type { Caller } from '../os/caller.js';
import { isTerminal } from '../os/terminal.js';
import { buildSpec, type RunOptions } from '../runtime/run-options.js';
import { planStart, startDaemon } from '../runtime/start-daemon.js';
import type { StartedDaemon, StartRequest } from '../runtime/start-request.js';
import { type Handler, secondsFlag, text, userState } from './context.js';
import { print, printJson, write } from './output.js';
import type { ParsedCommand } from './parse-plain.js';

export const runCommand: Handler = (parsed, caller) => {
  const request = requestFrom(parsed, caller);
  if (parsed.flags['dry-run'] === true) return printPlan(request, parsed.flags.json === true);
  return announce(startDaemon(request), parsed);
};

/** The pid alone on stdout, for `pid=$(tsdaemon run ...)`; a line for humans only where one is watching. */
export function announce(started: StartedDaemon, { flags }: ParsedCommand): number {
  const { pid, record } = started;
  const { name } = record.spec;
  if (flags.json === true) printJson(asJson(started));
  else print(String(pid));
  if (flags.quiet !== true && isTerminal(2))
    write(2, `tsdaemon: started '${name}' as process ${pid}, output to ${record.outputs.join(' and ')}\n`);
  return 0;
}

export function asJson({ pid, record }: StartedDaemon): object {
  const { name, detach } = record.spec;
  return { name, pid, pidfile: detach.pidfile, outputs: record.outputs };
}

function requestFrom(parsed: ParsedCommand, caller: Caller): StartRequest {
  const options = optionsFrom(parsed);
  return {
    spec: buildSpec(parsed.operands, options, caller),
    named: options.name !== undefined,
    callerCwd: caller.cwd,
    callerOpenFiles: caller.softOpenFiles,
    stateDirectory: userState().path,
    launchedBy: 'run',
  };
}

function optionsFrom(parsed: ParsedCommand): RunOptions {
  const { flags } = parsed;
  if (flags.append === true && flags.truncate === true)
    throw new UsageError('cannot use both --append and --truncate', '--truncate');
  return {
    name: text(parsed, 'name'),
    pidfile: text(parsed, 'pidfile'),
    output: text(parsed, 'output'),
    stdout: text(parsed, 'stdout'),
    stderr: text(parsed, 'stderr'),
    truncate: flags.truncate === true,
    cwd: text(parsed, 'cwd'),
    umask: text(parsed, 'umask'),
    user: text(parsed, 'user'),
    env: flags.env as readonly string[] | undefined,
    envFile: text(parsed, 'env-file'),
    clearEnv: flags['clear-env'] === true,
    nice: text(parsed, 'nice'),
    limits: limitsFrom((flags.limit as readonly string[] | undefined) ?? []),
    hup: text(parsed, 'hup') as RunOptions['hup'],
    keepFds: flags['keep-fd'] as readonly string[] | undefined,
    stopSignal: text(parsed, 'stop-signal'),
    stopTimeoutMs: secondsFlag(parsed, 'stop-timeout'),
  };
}

function limitsFrom(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((limit) => {
      const equals = limit.indexOf('=');
      if (equals < 1)
        throw new UsageError(`cannot use --limit '${limit}': expected NAME=SOFT[:HARD]`, '--limit');
      return [limit.slice(0, equals), limit.slice(equals + 1)];
    }),
  );
}

function printPlan(request: StartRequest, json: boolean): number {
  const steps = planStart(request).map((step) => ({ step: step.name, ...describeStep(step) }));
  if (json) printJson({ name: request.spec.name, steps });
  else {
    for (const [index, { step, call, reason }] of steps.entries())
      print(`${String(index + 1).padStart(2)}  ${step.padEnd(18)}  ${call}\n${' '.repeat(24)}${reason}`);
  }
  return 0;
}
