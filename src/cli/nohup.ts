// nohup's own command line, which is not ours: only leading options count, and the messages are GNU's.
import { writeSync } from 'node:fs';
import type { Caller } from '../os/caller.js';
import { nohup } from '../runtime/nohup.js';

const HELP = `Usage: tsdaemon nohup COMMAND [ARG]...
  or:  tsdaemon nohup OPTION
Run COMMAND, ignoring hangup signals.

      --help     display this help and exit
      --version  output version information and exit

If standard input is a terminal, redirect it from an unreadable file.
If standard output is a terminal, append output to 'nohup.out' if possible,
'$HOME/nohup.out' otherwise.
If standard error is a terminal, redirect it to standard output.
To save output to FILE, use 'tsdaemon nohup COMMAND > FILE'.
`;

/** Becomes the command, or returns an exit code. */
export function nohupCommand(args: readonly string[], caller: Caller, version: () => string): number {
  const first = args[0];
  if (first === '--help' || first === '--version') {
    writeSync(1, first === '--help' ? HELP : `nohup (tsdaemon) ${version()}\n`);
    return 0;
  }
  const command = first === '--' ? args.slice(1) : args;
  if (command.length > 0 && (first === '--' || !/^-./.test(first!))) return nohup(command, caller);
  writeSync(
    2,
    `nohup: ${complaint(first === '--' ? undefined : first)}\nTry 'nohup --help' for more information.\n`,
  );
  return process.env.POSIXLY_CORRECT === undefined ? 125 : 127;
}

function complaint(option: string | undefined): string {
  if (option === undefined) return 'missing operand';
  return option.startsWith('--') ? `unrecognized option '${option}'` : `invalid option -- '${option[1]}'`;
}
