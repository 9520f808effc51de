// argv -> call -> exit code.
import { type Caller, readCaller } from '../os/caller.js';
import { exitNow } from '../os/invoke.js';
import type { CommandName } from './commands.js';
import type { Handler } from './context.js';
import { links } from './links.js';
import { printJson, write } from './output.js';
import { type ParsedCommand, parsePlain } from './parse-plain.js';
import { reportError } from './report-error.js';

/** Loaded when needed: start-up time is a feature. */
const handlers: Readonly<Record<Exclude<CommandName, 'nohup' | 'supervise'>, () => Promise<Handler>>> = {
  run: async () => (await import('./run.js')).runCommand,
  stop: async () => (await import('./stop.js')).stopCommand,
  restart: async () => (await import('./stop.js')).restartCommand,
  upgrade: async () => (await import('./upgrade.js')).upgradeCommand,
  reopen: async () => (await import('./reopen.js')).reopenCommand,
  adopt: async () => (await import('./stop.js')).adoptCommand,
  status: async () => (await import('./status.js')).statusCommand,
  list: async () => (await import('./status.js')).listCommand,
  logs: async () => (await import('./logs.js')).logsCommand,
  signal: async () => (await import('./signal.js')).signalCommand,
  forget: async () => (await import('./forget.js')).forgetCommand,
  check: async () => (await import('./check.js')).checkCommand,
  plan: async () => (await import('./plan.js')).planCommand,
  why: async () => (await import('./why.js')).whyCommand,
  ctl: async () => (await import('./ctl.js')).ctlCommand,
};

/** Resolves to the exit code; never rejects. */
export async function main(): Promise<number> {
  if (process.platform === 'win32') {
    write(2, 'tsdaemon: Windows has no sessions to leave: run it inside WSL\n');
    return 125;
  }
  let parsed: ParsedCommand | 'shown' | null = null;
  try {
    // Even this may need libc, which may not be there.
    const caller = readCaller();
    const linked = await parseAsLink(caller);
    if (typeof linked === 'number') return linked;
    if (linked === null && caller.args[0] === 'nohup') return await runNohup(caller);
    if (linked === null && caller.args[0] === 'supervise') return await runSupervise(caller);
    parsed =
      linked ??
      parsePlain(caller.args) ??
      (await import('./parse-with-commander.js')).parseWithCommander(caller.args);
    if (parsed === 'shown') return 0;
    const handler = await handlers[parsed.command as keyof typeof handlers]();
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
async function parseAsLink(caller: Caller): Promise<ParsedCommand | number | null> {
  const { invokedAs } = caller;
  const load = links[invokedAs.slice(invokedAs.lastIndexOf('/') + 1)];
  return load === undefined ? null : (await load())(caller);
}

async function runSupervise(caller: Caller): Promise<number> {
  const { superviseCommand } = await import('./supervise.js');
  return superviseCommand(caller.args.slice(1), caller, 'tsdaemon supervise');
}

async function runNohup(caller: Caller): Promise<number> {
  const { nohupCommand } = await import('./nohup.js');
  const { version } = await import('./version.js');
  return nohupCommand(caller.args.slice(1), caller, version);
}

/** What an unparsable line was about, as far as the exit code and --json go. */
function asTyped(args: readonly string[]): Pick<ParsedCommand, 'command' | 'flags'> {
  const own = args.slice(0, args.includes('--') ? args.indexOf('--') : undefined);
  return { command: args[0] as CommandName, flags: own.includes('--json') ? { json: true } : {} };
}

export { exitNow };
