// argv -> call -> exit code.
import { type Caller, readCaller } from '../os/caller.js';
import type { CommandName } from './commands.js';
import type { Handler } from './context.js';
import { printJson, write } from './output.js';
import { type LinkedCommand, type ParsedCommand, parsePlain } from './parse-plain.js';
import { reportError } from './report-error.js';

/** What a bundle of ours can be asked to do. Loaded when needed: start-up time is a feature. */
export interface Repertoire {
  readonly handlers: { readonly [Name in CommandName]?: () => Promise<Handler> };
  /** Commands that read their words themselves. */
  readonly raw: Readonly<Record<string, (caller: Caller) => Promise<number>>>;
  /** By the name of a link: that of another program, which we then are, options and all. */
  readonly links: Readonly<Record<string, () => Promise<LinkedCommand>>>;
}

/** Resolves to the exit code; never rejects. */
export async function runMain({ handlers, raw, links }: Repertoire): Promise<number> {
  if (process.platform === 'win32') {
    write(2, 'tsdaemon: Windows has no sessions to leave: run it inside WSL\n');
    return 125;
  }
  let parsed: ParsedCommand | 'shown' | null = null;
  try {
    // Even this may need libc, which may not be there.
    const caller = readCaller();
    const linked = await parseAsLink(links, caller);
    if (typeof linked === 'number') return linked;
    const run = linked === null ? named(raw, caller.args[0] ?? '') : undefined;
    if (run !== undefined) return await run(caller);
    parsed =
      linked ??
      parsePlain(caller.args) ??
      (await import('./parse-with-commander.js')).parseWithCommander(caller.args);
    if (parsed === 'shown') return 0;
    const handler = await handlers[parsed.command]!();
    return await handler(parsed, caller);
  } catch (error) {
    const { command, flags } =
      parsed === null || parsed === 'shown' ? asTyped(process.argv.slice(2)) : parsed;
    const { exitCode, json } = reportError(error, command);
    if (flags.json === true) printJson(json);
    return exitCode;
  }
}

/** null: we were called by a name of our own. */
async function parseAsLink(
  links: Repertoire['links'],
  caller: Caller,
): Promise<ParsedCommand | number | null> {
  const { invokedAs } = caller;
  const load = named(links, invokedAs.slice(invokedAs.lastIndexOf('/') + 1));
  return load === undefined ? null : (await load())(caller);
}

/** What is typed may be the name of something that every object has. */
const named = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

/** What an unparsable line was about, as far as the exit code and --json go. */
function asTyped(args: readonly string[]): Pick<ParsedCommand, 'command' | 'flags'> {
  const own = args.slice(0, args.includes('--') ? args.indexOf('--') : undefined);
  return { command: args[0] as CommandName, flags: own.includes('--json') ? { json: true } : {} };
}
