// Errors become one line on stderr and an exit code here, and nowhere else.
import { ConfigError, NotReadyError, SpawnError, TsdaemonError } from '../errors.js';
import { encodeBytes, visible } from '../spec/byte-text.js';
import type { CommandName } from './commands.js';
import { oneLine, write } from './output.js';

/** 125 is what nohup, env and timeout use for "not the program, but us". */
const LAUNCHER_FAILED = 125;
const BUG = 70;
/** LSB's answer of a status action. */
const CANNOT_TELL = 4;

export interface ReportedError {
  readonly error: { readonly code: string; readonly message: string };
}

/** Prints the one line, and returns the exit code and what --json prints. */
export function reportError(
  error: unknown,
  command: CommandName | null,
): { readonly exitCode: number; readonly json: ReportedError } {
  const isOurs =
    error instanceof TsdaemonError || (error instanceof Error && error.name === 'BindingMissingError');
  const show = error instanceof ConfigError ? oneLine : visible;
  const message = isOurs
    ? show(error.message)
    : `please report this: ${error instanceof Error ? error.stack : String(error)}`;
  const code = isOurs ? (error as TsdaemonError).code : 'TSD_BUG';
  // What the program said itself comes first, as it said it.
  if (error instanceof NotReadyError) write(2, encodeBytes(error.lastWords));
  write(2, `tsdaemon: ${message}\n`);
  return { exitCode: exitCodeFor(error, code, command), json: { error: { code, message } } };
}

function exitCodeFor(error: unknown, code: string, command: CommandName | null): number {
  if (code === 'TSD_BUG') return BUG;
  if (error instanceof SpawnError) return error.exitCode;
  // An error of the launcher's copy brings its exit code along.
  if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number')
    return error.exitCode;
  if (command === 'run' || command === 'nohup') return LAUNCHER_FAILED;
  if (code === 'TSD_USAGE' || code === 'TSD_CONFIG') return 2;
  return command === 'status' ? CANNOT_TELL : 1;
}
