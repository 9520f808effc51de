// The whole command: dist/cli.cjs.
import type { CommandName } from './commands.js';
import { type Repertoire, runMain } from './main.js';

const everything: Repertoire = {
  handlers: {
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
  } satisfies Record<Exclude<CommandName, 'nohup' | 'supervise'>, unknown>,
  raw: {
    supervise: async (caller) => {
      const { superviseCommand } = await import('./supervise.js');
      return superviseCommand(caller.args.slice(1), caller, 'tsdaemon supervise');
    },
    nohup: async (caller) => {
      const { nohupCommand } = await import('./nohup.js');
      const { version } = await import('./version.js');
      return nohupCommand(caller.args.slice(1), caller, version);
    },
  },
  links: {
    supervisord: async () => (await import('./supervise.js')).supervisordCommand,
    supervisorctl: async () => (await import('./supervisorctl-options.js')).parseSupervisorctl,
  },
};

export const main = (): Promise<number> => runMain(everything);
export { exitNow } from '../os/invoke.js';
