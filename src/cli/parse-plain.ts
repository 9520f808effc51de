// Takes the command lines that are plain (known command, known flags, every value there) straight from the table.
// Anything else, help and mistakes included, goes to commander, which costs 4 ms more than a whole `run`. A test
// holds the two against each other.
import type { Caller } from '../os/caller.js';
import { type Command, type CommandName, commands, type Flag } from './commands.js';

export interface ParsedCommand {
  readonly command: CommandName;
  /** By flag name without its dashes: true for a switch, a list for one that may be repeated. */
  readonly flags: Readonly<Record<string, string | true | readonly string[]>>;
  readonly operands: readonly string[];
  /** The link that was called, where that is not us: messages name it. */
  readonly calledAs?: string;
}

/** What was asked for; an exit code instead where the answer has been given already. */
export type LinkedCommand = (caller: Caller) => ParsedCommand | number;

/** null: not plain. */
export function parsePlain(args: readonly string[]): ParsedCommand | null {
  const command: Command | undefined = commands.find(({ name }) => name === args[0]);
  if (command === undefined) return null;
  const flags: Record<string, string | true | string[]> = {};
  const operands: string[] = [];
  for (let index = 1; index < args.length; index += 1) {
    const word = args[index]!;
    if (word === '--') {
      operands.push(...args.slice(index + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      operands.push(word);
      if (command.operands.kind !== 'command' && command.operands.kind !== 'action') continue;
      operands.push(...args.slice(index + 1));
      break;
    }
    const equals = word.startsWith('--') ? word.indexOf('=') : -1;
    const name = equals === -1 ? word : word.slice(0, equals);
    const flag = command.flags.find((candidate) => candidate.name === name || candidate.short === name);
    if (flag === undefined) return null;
    if (flag.value === undefined) {
      if (equals !== -1) return null;
      flags[keyOf(flag)] = true;
      continue;
    }
    const value = equals === -1 ? args[++index] : word.slice(equals + 1);
    if (value === undefined) return null;
    if (flag.repeat === true)
      flags[keyOf(flag)] = [...((flags[keyOf(flag)] as string[] | undefined) ?? []), value];
    else if (flags[keyOf(flag)] !== undefined) return null;
    else flags[keyOf(flag)] = value;
  }
  return hasItsOperands(command, operands) ? { command: command.name as CommandName, flags, operands } : null;
}

export const keyOf = (flag: Flag): string => flag.name.slice(2);

function hasItsOperands({ operands: { kind } }: Command, operands: readonly string[]): boolean {
  if (kind === 'command') return operands.length > 0;
  if (kind === 'none') return operands.length === 0;
  return kind === 'names' || kind === 'action' || operands.length === 1 || operands.length === 2;
}
