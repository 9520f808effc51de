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
  /** What comes after the flags. `command` and `action` take everything from the first word on, options and all. */
  readonly operands: {
    readonly kind: 'command' | 'action' | 'names' | 'none' | 'name-and-signal';
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
const configuration: Flag = {
  name: '--configuration',
  short: '-c',
  value: 'FILE',
  help: 'the configuration (searched for if not given)',
};
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
      {
        name: '--restart',
        value: 'no|always|on-failure|unexpected',
        help: 'keep it alive: a watchdog restarts it',
      },
      { name: '--ok-exit-codes', value: 'CODES', help: 'exits that are no failure (default: 0)' },
      { name: '--delay', value: 'SECONDS', help: 'wait before a restart (default: 0)' },
      {
        name: '--backoff',
        value: 'SECONDS',
        help: 'and this much more after each failure in a row (default: 1)',
      },
      {
        name: '--backoff-factor',
        value: 'N',
        help: 'multiply the delay after each failure in a row (default: 1)',
      },
      { name: '--backoff-max', value: 'SECONDS', help: 'never wait longer (default: 60)' },
      { name: '--jitter', value: 'SHARE', help: 'let chance take off up to this share of the wait, 0 to 1' },
      {
        name: '--reset-after',
        value: 'SECONDS',
        help: 'a run of this length clears the failures (default: 10)',
      },
      { name: '--max-restarts', value: 'N', help: 'then FATAL; -1 for ever (default: -1)' },
      { name: '--within', value: 'SECONDS', help: 'count restarts in a window of this length, not in a row' },
      { name: '--fatal-retry-after', value: 'SECONDS', help: 'try a FATAL program again' },
      {
        name: '--ready',
        value: 'WORD',
        help: 'exec, stay-up, notify, fd:N, tcp:HOST:PORT, http://URL, log:REGEX or cmd:COMMAND',
      },
      { name: '--ready-fd', value: 'N', help: 'ready when it writes to descriptor N' },
      { name: '--stay-up', value: 'SECONDS', help: 'ready when it stayed up for so long' },
      { name: '--ready-timeout', value: 'SECONDS', help: 'stop it if it is not ready by then (default: 30)' },
      { name: '--liveness', value: 'WORD', help: 'tcp:, http:// or cmd:, asked again and again' },
      { name: '--liveness-interval', value: 'SECONDS', help: 'how often (default: 10)' },
      { name: '--liveness-timeout', value: 'SECONDS', help: 'for an answer (default: 5)' },
      { name: '--liveness-failures', value: 'N', help: 'in a row mean that it hangs (default: 3)' },
      { name: '--heartbeat', value: 'SECONDS', help: 'it must send WATCHDOG=1 at least this often' },
      { name: '--abort-signal', value: 'SIGNAL', help: 'ends it when it hangs (default: ABRT)' },
      {
        name: '--max-memory',
        value: 'BYTES[K|M|G]',
        help: 'restart it when all its processes hold more than this',
      },
      {
        name: '--watch',
        value: 'PATH',
        repeat: true,
        help: 'restart it when something changes here or below',
      },
      { name: '--cron', value: 'EXPR', help: 'start it at these times, never twice at once' },
      { name: '--daemonizes', help: 'it goes into the background by itself, and is followed there' },
      { name: '--program-pidfile', value: 'FILE', help: 'the pidfile that it writes itself then' },
      {
        name: '--kill-mode',
        value: 'process|group|tree|mixed',
        help: 'whom stop signals reach (default: group; mixed if it daemonizes)',
      },
      { name: '--watchdog-pidfile', value: 'FILE', help: 'write the pid of the watchdog here' },
      {
        name: '--log-max-bytes',
        value: 'BYTES',
        help: 'rotate the log when it is as long as this, as 10M',
      },
      { name: '--log-max-age', value: 'SECONDS', help: 'rotate the log when it is as old as this' },
      { name: '--log-backups', value: 'N', help: 'how many rotated logs are kept (default: 10)' },
      { name: '--log-compress', help: 'gzip the rotated logs' },
      { name: '--timestamps', help: 'put the time before each line of the log' },
      { name: '--json-lines', help: 'make each line of the log a JSON object: time, stream, text' },
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
  {
    name: 'adopt',
    operands: { kind: 'names', usage: '[NAME...]' },
    summary: 'give a program whose watchdog was killed a new one, without restarting it',
    flags: [pidfile, json],
  },
  {
    name: 'upgrade',
    operands: { kind: 'names', usage: '[NAME...]' },
    summary: 'exchange the code of watchdogs and supervisors in place, without restarting their programs',
    flags: [pidfile, { name: '--all', help: 'every watchdog and supervisor of this user' }, json],
  },
  {
    name: 'reopen',
    operands: { kind: 'names', usage: '[NAME...]' },
    summary: 'tell watchdogs that somebody else has renamed the logs, so that they go on under their names',
    flags: [pidfile, { name: '--all', help: 'every watchdog of this user' }, json],
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
    name: 'supervise',
    operands: { kind: 'none', usage: '' },
    summary: 'supervise the programs of a supervisord.conf, in the place of supervisord',
    flags: [
      configuration,
      { name: '--nodaemon', short: '-n', help: 'stay in the foreground' },
      { name: '--silent', short: '-s', help: 'in the foreground, do not log to stdout' },
      { name: '--user', short: '-u', value: 'USER', help: 'become this user' },
      { name: '--umask', short: '-m', value: 'MODE', help: 'file mode mask of the daemon (default: 022)' },
      { name: '--directory', short: '-d', value: 'DIR', help: 'working directory of the daemon' },
      { name: '--logfile', short: '-l', value: 'FILE', help: 'the main log' },
      {
        name: '--logfile_maxbytes',
        short: '-y',
        value: 'BYTES',
        help: 'rotate the main log when it is so long',
      },
      { name: '--logfile_backups', short: '-z', value: 'N', help: 'how many old main logs to keep' },
      {
        name: '--loglevel',
        short: '-e',
        value: 'LEVEL',
        help: 'critical, error, warn, info, debug, trace or blather',
      },
      { name: '--pidfile', short: '-j', value: 'FILE', help: 'where the pid of the supervisor goes' },
      { name: '--identifier', short: '-i', value: 'NAME', help: 'the name of this supervisor' },
      { name: '--childlogdir', short: '-q', value: 'DIR', help: 'where AUTO logs of programs go' },
      { name: '--nocleanup', short: '-k', help: 'keep AUTO logs of earlier supervisors' },
      { name: '--minfds', short: '-a', value: 'N', help: 'how many open files it needs' },
      { name: '--strip_ansi', short: '-t', help: 'take escape sequences out of the logs of programs' },
      { name: '--minprocs', value: 'N', help: 'how many processes it needs' },
      { name: '--version', short: '-v', help: 'the version of Supervisor that is implemented' },
    ],
  },
  {
    name: 'check',
    operands: { kind: 'none', usage: '' },
    summary: 'tell every mistake in a supervisord.conf, and start nothing',
    flags: [configuration, json],
  },
  {
    name: 'plan',
    operands: { kind: 'none', usage: '' },
    summary: 'what a reload would start, stop and restart, and which key is why',
    flags: [configuration, json],
  },
  {
    name: 'why',
    operands: { kind: 'names', usage: 'NAME...' },
    summary: 'what brought a program to the state in which it is, and what it waits for',
    flags: [
      { name: '--configuration', short: '-c', value: 'FILE', help: 'the supervisor with this configuration' },
      json,
    ],
  },
  {
    name: 'ctl',
    operands: { kind: 'action', usage: '[ACTION [ARG...]]' },
    summary: 'control a supervisor as supervisorctl does; a shell without an action',
    flags: [
      { name: '--configuration', short: '-c', value: 'FILE', help: 'where the [supervisorctl] section is' },
      {
        name: '--serverurl',
        short: '-s',
        value: 'URL',
        help: 'the supervisor: unix:///PATH or http://HOST:PORT',
      },
      { name: '--username', short: '-u', value: 'USER', help: 'for a server that asks for it' },
      { name: '--password', short: '-p', value: 'PASSWORD', help: 'for a server that asks for it' },
      { name: '--history_file', short: '-r', value: 'FILE', help: 'remember the lines of the shell here' },
      { name: '--interactive', short: '-i', help: 'ask before `shutdown` and `reload`, and for a password' },
      { name: '--json', help: 'print one JSON array on stdout, with one object for each result' },
    ],
  },
  {
    name: 'nohup',
    operands: { kind: 'command', usage: 'COMMAND [ARG...]' },
    summary: 'what nohup does, in place',
    flags: [],
  },
] as const satisfies readonly Command[];

export type CommandName = (typeof commands)[number]['name'];
