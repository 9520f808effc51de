// The full parser: help, version, suggestions for mistyped words, and one line for every mistake.
import { Option, Command as Program } from 'commander';
import { UsageError } from '../errors.js';
import { type Command, type CommandName, commands, type Flag } from './commands.js';
import { keyOf, type ParsedCommand } from './parse-plain.js';
import { version } from './version.js';

/** Returns what was asked for; 'shown' after help or version. Throws UsageError. */
export function parseWithCommander(args: readonly string[]): ParsedCommand | 'shown' {
  let parsed: ParsedCommand | undefined;
  const program = new Program('tsdaemon')
    .description('Detach processes the classic way, find them again, and stop exactly them.')
    .version(version(), '-V, --version', 'print the version')
    .enablePositionalOptions()
    .configureOutput({ outputError: () => undefined })
    .exitOverride()
    // commander takes -9 for an argument, unless a digit is an option somewhere.
    .addOption(new Option('-0').hideHelp())
    .on('option:0', () => {
      throw new UsageError("unknown option '-0'", '-0');
    });
  for (const command of commands as readonly Command[]) {
    addCommand(program, command, (result) => {
      parsed = result;
    });
  }
  if (args.length === 0) throw new UsageError("no command given: try 'tsdaemon --help'");
  try {
    program.parse([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof Error) || !('code' in error)) throw error;
    if (['commander.help', 'commander.helpDisplayed', 'commander.version'].includes(String(error.code)))
      return 'shown';
    throw new UsageError(error.message.replace(/^error: /, '').replaceAll('\n', ' '));
  }
  return parsed ?? 'shown';
}

function addCommand(program: Program, command: Command, done: (parsed: ParsedCommand) => void): void {
  const sub = program.command(command.name).summary(command.summary).description(command.summary);
  const { kind, usage } = command.operands;
  sub.usage(command.flags.length === 0 ? usage : `[options] ${usage}`);
  if (kind === 'command') sub.argument('<command...>').passThroughOptions();
  else if (kind === 'action') sub.argument('[action...]').passThroughOptions();
  else if (kind === 'names') sub.argument('[names...]');
  else if (kind === 'name-and-signal') sub.argument('<name-or-signal>').argument('[signal]');
  for (const flag of command.flags) addFlag(sub, flag);
  sub.action((..._args: unknown[]) => {
    done({ command: command.name as CommandName, flags: flagsOf(command, sub), operands: sub.args });
  });
}

function addFlag(sub: Program, flag: Flag): void {
  const names = flag.short === undefined ? flag.name : `${flag.short}, ${flag.name}`;
  if (flag.value === undefined) {
    sub.option(names, flag.help);
    return;
  }
  const take = (value: string, before: string | string[] | undefined): string | string[] => {
    if (flag.repeat === true) return [...((before as string[] | undefined) ?? []), value];
    if (before !== undefined) throw new UsageError(`option ${flag.name} was given twice`, flag.name);
    return value;
  };
  sub.option(`${names} <${flag.value}>`, flag.help, take);
}

/** Back to the table's names: commander makes camel case of them, and of --no-kill a `kill` that is true by default. */
function flagsOf(command: Command, sub: Program): ParsedCommand['flags'] {
  const given = sub.opts<Record<string, string | boolean | string[] | undefined>>();
  const flags: Record<string, string | true | readonly string[]> = {};
  for (const flag of command.flags) {
    const isNegation = flag.name.startsWith('--no-');
    const key = keyOf(flag).replace(/^no-/, '');
    const value = given[key.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())];
    if (isNegation) {
      if (value === false) flags[keyOf(flag)] = true;
    } else if (value !== undefined && value !== false) flags[keyOf(flag)] = value;
  }
  return flags;
}
