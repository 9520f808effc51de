// What every command is given, and how it answers.
import { UsageError } from '../errors.js';
import type { Caller } from '../os/caller.js';
import { StateDirectory } from '../os/state-directory.js';
import type { DaemonTarget } from '../runtime/find-daemon.js';
import { callersPath, checkName, requireSignal } from '../runtime/run-options.js';
import type { SignalName } from '../spec/service-spec.js';
import { commands } from './commands.js';
import type { ParsedCommand } from './parse-plain.js';

/** A command's answer is its exit code. */
export type Handler = (parsed: ParsedCommand, caller: Caller) => number | Promise<number>;

export function userState(): StateDirectory {
  return StateDirectory.ofUser(process.env);
}

export function text(parsed: ParsedCommand, flag: string): string | undefined {
  return parsed.flags[flag] as string | undefined;
}

/** The daemons that names or --pidfile mean; at least one. */
export function targets({ flags, operands, command }: ParsedCommand, caller: Caller): DaemonTarget[] {
  const named = operands.map((name) => {
    checkName(name);
    return { name };
  });
  const pidfile = flags.pidfile as string | undefined;
  const all =
    pidfile === undefined ? named : [...named, { pidfile: callersPath(pidfile, '--pidfile', caller.cwd) }];
  if (all.length > 0) return all;
  const takesAll = commands.find(({ name }) => name === command)!.flags.some(({ name }) => name === '--all');
  throw new UsageError(`${command}: give a NAME${takesAll ? ', --all' : ''} or --pidfile FILE`);
}

export function signalFlag(parsed: ParsedCommand): SignalName | undefined {
  const given = text(parsed, 'signal');
  return given === undefined ? undefined : requireSignal(given, '--signal');
}

/** Seconds on the command line, milliseconds inside. */
export function secondsFlag(parsed: ParsedCommand, flag: string): number | undefined {
  const given = text(parsed, flag);
  if (given === undefined) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN;
  if (!(seconds <= 1e6))
    throw new UsageError(`cannot use --${flag} '${given}': expected seconds`, `--${flag}`);
  return seconds * 1000;
}
