// Every section and key: its type, its default as it would be written, and what it is for. Keys of Supervisor stand in
// the order in which it reads them, so the first mistake found is the one that it would find.
import * as extra from './extra-types.js';
import type { Facts } from './value-types.js';
import * as value from './value-types.js';

/** Named as the manual names them. */
export const valueTypes = {
  text: value.plain,
  integer: value.integer,
  boolean: value.boolean,
  'byte size': value.bytes,
  octal: value.octal,
  list: value.strings,
  'exit codes': value.exitCodes,
  autorestart: value.autoRestart,
  signal: value.signal,
  'log level': value.logLevel,
  'path in an existing directory': value.placedPath,
  'existing directory': value.existingDirectory,
  path: value.wholePath,
  'log file': value.logTarget,
  user: value.user,
  'host:port': value.endpoint,
  url: value.serverUrl,
  dependencies: extra.dependencies,
  duration: extra.duration,
  readiness: extra.readiness,
  probe: extra.probe,
  factor: extra.factor,
  share: extra.share,
  'nice value': extra.nice,
  limits: extra.limits,
  killmode: extra.reach,
  'fatal or exited': extra.exitOn,
  cron: extra.cron,
} as const satisfies Readonly<Record<string, (text: string, facts: Facts) => unknown>>;

export interface Directive {
  readonly type: keyof typeof valueTypes;
  /** null: none, and absent is another thing than empty. */
  readonly default: string | null;
  /** Ours are ignored by supervisord. */
  readonly by: 'supervisor' | 'tsdaemon';
  readonly help: string;
}

export type DirectiveTable = Readonly<Record<string, Directive>>;

/** What reading the key gives. */
export type ValueOf<D extends Directive> =
  | ReturnType<(typeof valueTypes)[D['type']]>
  | (D['default'] extends null ? null : never);

// Told to the bundler, who leaves a table out where nobody reads it.
// @__NO_SIDE_EFFECTS__
const key = <const T extends Directive['type'], const D extends string | null>(
  type: T,
  fallback: D,
  help: string,
) => ({ type, default: fallback, by: 'supervisor', help }) as const;

// @__NO_SIDE_EFFECTS__
const ours = <const T extends Directive['type'], const D extends string | null>(
  type: T,
  fallback: D,
  help: string,
) => ({ type, default: fallback, by: 'tsdaemon', help }) as const;

export const supervisordKeys = {
  minfds: key('integer', '1024', 'open files the supervisor must be allowed'),
  minprocs: key('integer', '200', 'processes the supervisor must be allowed'),
  directory: key('existing directory', null, 'changed to when daemonizing'),
  user: key('text', null, 'the supervisor becomes this user'),
  umask: key('octal', '022', 'of the supervisor when daemonizing'),
  logfile: key('path in an existing directory', 'supervisord.log', 'the main log, or syslog'),
  logfile_maxbytes: key('byte size', '50MB', 'rotates the main log; 0: never'),
  logfile_backups: key('integer', '10', 'rotated main logs to keep'),
  loglevel: key('log level', 'info', 'least level that is logged'),
  pidfile: key('path in an existing directory', 'supervisord.pid', 'where the supervisor writes its pid'),
  identifier: key('text', 'supervisor', 'names this supervisor in events and AUTO logs'),
  nodaemon: key('boolean', 'false', 'stay in the foreground'),
  silent: key('boolean', 'false', 'in the foreground, do not log to stdout'),
  childlogdir: key(
    'existing directory',
    null,
    'where AUTO logs go (default: the directory for temporary files)',
  ),
  nocleanup: key('boolean', 'false', 'keep old AUTO logs at start'),
  strip_ansi: key('boolean', 'false', 'take escape sequences out of logs'),
  environment: key('text', '', 'KEY="value",... for every program'),
} as const satisfies DirectiveTable;

/** Read once for a section. */
export const programKeys = {
  priority: key('integer', '999', 'low starts first and stops last'),
  autostart: key('boolean', 'true', 'start with the supervisor'),
  autorestart: key(
    'autorestart',
    'unexpected',
    'true, false, or unexpected: only if the exit code is not in exitcodes',
  ),
  startsecs: key('integer', '1', 'seconds to stay up before it is RUNNING'),
  startretries: key('integer', '3', 'failed starts that are forgiven; -1: any number'),
  stopsignal: key('signal', 'TERM', 'how it is asked to stop'),
  stopwaitsecs: key('integer', '10', 'seconds from that to SIGKILL'),
  stopasgroup: key('boolean', 'false', 'the stop signal goes to the process group'),
  killasgroup: key('boolean', null, 'SIGKILL goes to the process group (default: as stopasgroup)'),
  exitcodes: key('exit codes', '0', 'expected exit codes, separated by commas'),
  redirect_stderr: key('boolean', 'false', 'stderr goes where stdout goes'),
  numprocs: key('integer', '1', 'how many processes'),
  numprocs_start: key('integer', '0', 'process_num of the first'),
  stdout_capture_maxbytes: key('byte size', '0', 'capture mode buffers so much of stdout'),
  stdout_events_enabled: key('boolean', 'false', 'PROCESS_LOG_STDOUT events'),
  stderr_capture_maxbytes: key('byte size', '0', 'the same for stderr'),
  stderr_events_enabled: key('boolean', 'false', 'the same for stderr'),
  serverurl: key('url', null, 'SUPERVISOR_SERVER_URL of the program'),
  user: key('user', null, 'the program runs as this user'),
  umask: key('octal', null, 'of the program'),
} as const satisfies DirectiveTable;

/** Read for every process, whose process_num they may name. */
export const processKeys = {
  directory: key('text', null, 'working directory of the program'),
  stdout_logfile: key('log file', 'AUTO', 'path, AUTO, NONE or syslog'),
  stdout_logfile_backups: key('integer', '10', 'rotated logs to keep'),
  stdout_logfile_maxbytes: key('byte size', '50MB', 'rotates the log; 0: never'),
  stdout_syslog: key('boolean', 'false', 'to syslog too'),
  stderr_logfile: key('log file', 'AUTO', 'the same for stderr'),
  stderr_logfile_backups: key('integer', '10', 'the same for stderr'),
  stderr_logfile_maxbytes: key('byte size', '50MB', 'the same for stderr'),
  stderr_syslog: key('boolean', 'false', 'the same for stderr'),
} as const satisfies DirectiveTable;

/** Ours, read for every process. */
export const extraKeys = {
  depends_on: ours('dependencies', '', 'start after these: db, db:ready, db:started'),
  ready: ours('readiness', null, 'what makes it RUNNING (default: startsecs)'),
  ready_timeout: ours('duration', '30', 'with ready: a failed start after so long'),
  liveness: ours('probe', null, 'asked again and again; silence restarts it'),
  liveness_interval: ours('duration', '10', 'how often'),
  heartbeat: ours('duration', null, 'it must say WATCHDOG=1 at least this often'),
  max_memory: ours('byte size', null, 'restarted above'),
  cron: ours('cron', null, 'started at these times'),
  restart_delay: ours(
    'duration',
    null,
    'wait before every restart (default: 0, or 1 second with backoff_factor)',
  ),
  backoff_factor: ours('factor', null, 'the wait grows by this factor, not by one second'),
  backoff_max: ours('duration', null, 'longest wait'),
  jitter: ours('share', '0', 'share of the wait that chance may take off'),
  limit: ours('limits', '', 'nofile=1024:4096, core=0'),
  nice: ours('nice value', null, 'scheduling priority'),
  env_file: ours('text', null, 'file of NAME=value lines, under environment'),
  essential: ours('boolean', 'false', 'the same as exit_on=exited'),
  exit_on: ours('fatal or exited', null, 'the supervisor ends when it is FATAL, or when it ended in any way'),
  killmode: ours('killmode', null, 'whom signals reach (default: by stopasgroup and killasgroup)'),
  log_compress: ours('boolean', 'false', 'gzip rotated logs'),
  log_max_age: ours('duration', null, 'rotate logs when they are as old as this'),
  reload_signal: ours(
    'signal',
    null,
    'sent at a reload that leaves it running: it reads its own configuration again',
  ),
  pid_file: ours('text', null, 'it daemonizes itself, and writes its pid here'),
} as const satisfies DirectiveTable;

/** Read in their own ways: the command, the name and the environment decide about the others. */
export const commandKeys = {
  command: key('text', null, 'what to run; words as in a shell, but nothing is expanded'),
  process_name: key('text', '%(program_name)s', 'with %(process_num)s where numprocs is above 1'),
  environment: key('text', '', 'KEY="value",... over those of [supervisord]'),
} as const satisfies DirectiveTable;

export const listenerKeys = {
  priority: key('integer', '-1', 'of the pool'),
  buffer_size: key('integer', '10', 'events kept while every listener is busy'),
  result_handler: key('text', 'supervisor.dispatchers:default_handler', 'judges the answer of a listener'),
  events: key('list', '', 'which events it wants'),
} as const satisfies DirectiveTable;

export const fcgiKeys = {
  socket_backlog: key('integer', null, 'of listen(2), 1 to 65535'),
  socket_owner: key('text', null, 'user or user:group that owns the unix socket'),
  socket_mode: key('text', null, 'octal mode of the unix socket (default: 0700)'),
  socket: key('text', null, 'unix:///path or tcp://host:port'),
} as const satisfies DirectiveTable;

export const groupKeys = {
  programs: key('list', '', 'its members'),
  priority: key('integer', '999', 'low starts first and stops last'),
} as const satisfies DirectiveTable;

const credentials = {
  username: key('text', null, 'asked of clients'),
  password: key('text', null, 'plain, or {SHA} and the hex digest'),
} as const satisfies DirectiveTable;

export const inetServerKeys = {
  ...credentials,
  port: key(
    'host:port',
    null,
    'host:port; a port alone is open to all interfaces (without a password: to this machine only)',
  ),
  allow_remote_without_password: ours(
    'boolean',
    'false',
    'without a password too, let other machines in: whoever reaches the port can run commands',
  ),
} as const satisfies DirectiveTable;

export const unixServerKeys = {
  file: key('text', null, 'path of the socket'),
  ...credentials,
  chown: key('text', null, 'user or user:group that owns the socket'),
  chmod: key('text', null, 'octal mode of the socket (default: 0700)'),
} as const satisfies DirectiveTable;

export const supervisorctlKeys = {
  serverurl: key('text', 'http://localhost:9001', 'unix://path or http://host:port'),
  prompt: key('text', 'supervisor', 'of the interactive shell'),
  username: key('text', null, 'sent to the server'),
  password: key('text', null, 'sent to the server'),
  history_file: key('text', null, 'of the interactive shell'),
} as const satisfies DirectiveTable;

export const includeKeys = {
  files: key('text', null, 'globs, separated by blanks, relative to this file'),
} as const satisfies DirectiveTable;
