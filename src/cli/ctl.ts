// tsdaemon ctl, and supervisorctl where that is the name of the link: one action, or a shell.
import { RpcClient } from '../control/rpc-client.js';
import { runLine } from '../core/ctl/run-line.js';
import type { Session } from '../core/ctl/script.js';
import { visibleLines } from '../core/ctl/words.js';
import { ConfigError, UsageError } from '../errors.js';
import type { SupervisorctlSection } from '../formats/supervisord/config.js';
import type { Caller } from '../os/caller.js';
import type { LineInput } from '../os/line-input.js';
import { readCtlSettings } from '../runtime/ctl-settings.js';
import { type Handler, text } from './context.js';
import { perform } from './ctl-perform.js';
import { write } from './output.js';
import type { ParsedCommand } from './parse-plain.js';

export const ctlCommand: Handler = async (parsed, caller) => {
  const { flags, operands } = parsed;
  const isJson = flags.json === true;
  if (isJson && operands.length === 0) throw new UsageError('ctl: --json needs an action', '--json');
  const settings = readSettings(parsed, caller);
  if (settings === null) return 2;
  const { serverurl, username, password } = settings;
  const session: Session = {
    serverUrl: serverurl,
    username,
    password,
    isJson,
    // Nobody is asked anything where the answer is for a program.
    interactive: !isJson && (flags.interactive === true || operands.length === 0),
  };
  if (operands.length === 0) return (await import('./ctl-shell.js')).runShell(session, settings, connect);
  let opened: LineInput | null = null;
  const input = async (): Promise<LineInput> => {
    const { LineInput: Input } = await import('../os/line-input.js');
    opened ??= new Input({ history: [], complete: async () => [[], ''] });
    return opened;
  };
  const outcome = await perform(runLine(operands.join(' '), session), { session, connect, input });
  return outcome.exitCode;
};

const connect = ({ serverUrl: url, username, password }: Session): RpcClient =>
  new RpcClient({ url, username, password });

/** null: what is wrong with them has been said, in supervisorctl's words. */
function readSettings(parsed: ParsedCommand, { invokedAs }: Caller): SupervisorctlSection | null {
  try {
    const keys = ['serverurl', 'username', 'password', 'history_file'] as const;
    const given = keys.map((key) => [key, text(parsed, key)]).filter(([, value]) => value !== undefined);
    const overrides = Object.fromEntries(given) as Partial<SupervisorctlSection>;
    return readCtlSettings({ configuration: text(parsed, 'configuration'), overrides, invokedAs });
  } catch (error) {
    // Where the answer is for a program, it is as that of any other command.
    if (!(error instanceof ConfigError) || parsed.flags.json === true) throw error;
    const help = parsed.calledAs === undefined ? 'tsdaemon ctl --help' : `${parsed.calledAs} -h`;
    write(2, visibleLines(`Error: ${error.message}\nFor help, use ${help}\n`));
    return null;
  }
}
