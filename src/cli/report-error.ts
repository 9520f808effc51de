// Errors become one line on stderr and an exit code here, and nowhere else.
import { SpawnError, TsdaemonError } from '../errors.js';
import { printJson, write } from './output.js';
import type { ParsedCommand } from './parse-plain.js';

/** 125 is what nohup, env and timeout use for "not the program, but us". */
const LAUNCHER_FAILED = 125;
const BUG = 70;

/** Prints the error and returns the exit code. */
export function reportError(error: unknown, parsed: Pick<ParsedCommand, 'command' | 'flags'> | null): number {
  const isOurs =
    error instanceof TsdaemonError || (error instanceof Error && error.name === 'BindingMissingError');
  const message = isOurs
    ? error.message
    : `please report this: ${error instanceof Error ? error.stack : String(error)}`;
  const code = error instanceof TsdaemonError ? error.code : isOurs ? 'TSD_BINDING_MISSING' : 'TSD_BUG';
  write(2, `tsdaemon: ${message}\n`);
  if (parsed?.flags.json === true) printJson({ error: { code, message } });
  return exitCodeFor(error, code, parsed?.command ?? null);
}

function exitCodeFor(error: unknown, code: string, command: ParsedCommand['command'] | null): number {
  if (code === 'TSD_BUG') return BUG;
  if (error instanceof SpawnError) return error.exitCode;
  // An error of the launcher's copy brings its exit code along.
  if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number')
    return error.exitCode;
  if (command === 'run' || command === 'nohup') return LAUNCHER_FAILED;
  if (command === 'status') return 4;
  return code === 'TSD_USAGE' || code === 'TSD_CONFIG' ? 2 : 1;
}
