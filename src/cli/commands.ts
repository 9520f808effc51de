// Every command and flag, as one table: help, both parsers and the README's tables are made from it.

export interface Flag {
  readonly name: `--${string}`;
  readonly short?: `-${string}`;
  /** What its value is called in help; absent for a switch. */
  readonly value?: string;
  /** May be given more than once. */
  readonly repeat?: true;
  readonly help: string;
}

export interface Command {
  readonly name: string;
  /** What comes after the flags. `command` takes everything from its first word on, options and all. */
  readonly operands: {
    readonly kind: 'command' | 'names' | 'none' | 'name-and-signal';
    readonly usage: string;
  };
  readonly summary: string;
  readonly flags: readonly Flag[];
}

const json: Flag = { name: '--json', help: 'print one JSON object on stdout, and nothing else' };
const pidfile: Flag = { name: '--pidfile', value: 'FILE', help: 'the daemon that this pidfile names' };
const signal: Flag = { name: '--signal', value: 'SIGNAL', help: 'send this first (default: TERM)' };
const timeout: Flag = {
  name: '--timeout',
  value: 'SECONDS',
  help: 'grace between the signal and KILL (default: 10)',
};
const noKill: Flag = { name: '--no-kill', help: 'never send KILL; not ended in time is an error' };
const group: Flag = { name: '--group', help: "signal the daemon's whole process group" };

export const commands = [
  {
    name: 'run',
    operands: { kind: 'command', usage: '[--] COMMAND [ARG...]' },
    summary: 'detach a command: own session, no terminal, output to a file',
    flags: [
      { name: '--pidfile', value: 'FILE', help: 'write the pid here; refuse to start while it lives' },
      {
        name: '--name',
        value: 'NAME',
        help: 'find it again as NAME (default: made from pidfile or command)',
      },
      { name: '--output', value: 'FILE', help: 'both streams (default: nohup.out here, else in $HOME)' },
      { name: '--stdout', value: 'FILE', help: 'standard output, and standard error if not given' },
      { name: '--stderr', value: 'FILE', help: 'standard error' },
      { name: '--append', help: 'append to the output files (default)' },
      { name: '--truncate', help: 'empty the output files first' },
      { name: '--cwd', value: 'DIR', help: 'working directory (default: this one)' },
      { name: '--umask', value: 'MODE', help: 'octal file mode mask (default: inherit)' },
      { name: '--user', value: 'USER[:GROUP]', help: 'run as this user (root only)' },
      { name: '--env', value: 'NAME=VALUE', repeat: true, help: 'set a variable' },
      { name: '--env-file', value: 'FILE', help: 'read NAME=value lines' },
      { name: '--clear-env', help: 'begin with an empty environment' },
      { name: '--nice', value: 'N', help: 'priority, -20 to 19' },
      { name: '--limit', value: 'NAME=SOFT[:HARD]', repeat: true, help: 'resource limit, as nofile=1024' },
      { name: '--hup', value: 'ignore|default', help: 'what SIGHUP does (default: ignore)' },
      { name: '--keep-fd', value: 'N', repeat: true, help: 'let the program inherit descriptor N' },
      { name: '--stop-signal', value: 'SIGNAL', help: 'what `stop` sends it (default: TERM)' },
      { name: '--stop-timeout', value: 'SECONDS', help: 'grace that `stop` gives it (default: 10)' },
      { name: '--dry-run', help: 'print the plan, do nothing' },
      { name: '--quiet', short: '-q', help: 'no line for humans on stderr' },
      json,
    ],
  },
  {
    name: 'stop',
    operands: { kind: 'names', usage: '[NAME...]' },
    summary: 'stop daemons, wait until they have ended, remove their pidfiles',
    flags: [pidfile, signal, timeout, noKill, group, json],
  },
  {
    name: 'restart',
    operands: { kind: 'names', usage: '[NAME...]' },
    summary: 'stop a daemon and start it again as it was started',
    flags: [pidfile, signal, timeout, noKill, group, json],
  },
  {
    name: 'status',
    operands: { kind: 'names', usage: '[NAME...]' },
    summary: 'exit 0 running, 1 dead with a pidfile left, 3 not running, 4 cannot tell',
    flags: [pidfile, json],
  },
  { name: 'list', operands: { kind: 'none', usage: '' }, summary: 'all daemons of this user', flags: [json] },
  {
    name: 'logs',
    operands: { kind: 'names', usage: '[NAME]' },
    summary: "the end of a daemon's output",
    flags: [
      pidfile,
      { name: '--follow', short: '-f', help: 'go on as it grows, across rotation' },
      { name: '--lines', short: '-n', value: 'N', help: 'how many lines (default: 10)' },
      json,
    ],
  },
  {
    name: 'signal',
    operands: { kind: 'name-and-signal', usage: '[NAME] SIGNAL' },
    summary: 'send a signal to a daemon and to nobody else',
    flags: [pidfile, group, json],
  },
  {
    name: 'forget',
    operands: { kind: 'names', usage: 'NAME...' },
    summary: 'remove what is recorded about daemons that do not run',
    flags: [json],
  },
  {
    name: 'nohup',
    operands: { kind: 'command', usage: 'COMMAND [ARG...]' },
    summary: 'what nohup does, in place',
    flags: [],
  },
] as const satisfies readonly Command[];

export type CommandName = (typeof commands)[number]['name'];
