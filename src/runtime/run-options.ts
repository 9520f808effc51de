// What may be asked of `run`, as a caller writes it; buildSpec makes the one data model of it.
import { readFileSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { variable, withVariables } from '../core/environment.js';
import { ConfigError, systemError, UsageError } from '../errors.js';
import { readEnvFile } from '../formats/env-file.js';
import type { Caller } from '../os/caller.js';
import { findAccount } from '../os/credentials.js';
import { isOpen } from '../os/descriptors.js';
import { isResource, resourceNames } from '../os/limits.js';
import { canonicalPidfile } from '../os/pidfile.js';
import { parseSignal } from '../os/signals.js';
import { decodeBytes, encodeBytes } from '../spec/byte-text.js';
import type {
  FileSink,
  Limit,
  LimitValue,
  ServiceSpec,
  SignalName,
  Sink,
  UserName,
} from '../spec/service-spec.js';
import { buildLogKeeping } from './log-options.js';
import { buildWatch, parseReach, type WatchOptions } from './watch-options.js';

/** Options of `run`. Relative paths are the caller's, whatever `cwd` says. */
export interface RunOptions {
  /** Finds the daemon again (`stop web`): letters, digits, `-`, `.` and `_`. Default: made from pidfile or command. */
  readonly name?: string | undefined;
  /** Written atomically with `PID\n`; refused while the daemon it names lives. */
  readonly pidfile?: string | undefined;
  /** Both streams. Default: nohup.out in the working directory, else in $HOME, as nohup does. */
  readonly output?: string | undefined;
  readonly stdout?: string | undefined;
  readonly stderr?: string | undefined;
  /** Empty the output files at start instead of appending. */
  readonly truncate?: boolean | undefined;
  readonly cwd?: string | undefined;
  /** A number, or octal digits as text. Default: inherit. */
  readonly umask?: number | string | undefined;
  /** `user` or `user:group`; needs root. HOME, USER, LOGNAME and SHELL follow. */
  readonly user?: string | undefined;
  /** Variables over the caller's environment. */
  readonly env?: Readonly<Record<string, string>> | readonly string[] | undefined;
  /** A file of NAME=value lines, under `env`. */
  readonly envFile?: string | undefined;
  /** Begin with an empty environment. */
  readonly clearEnv?: boolean | undefined;
  /** -20 (first) to 19 (last). */
  readonly nice?: number | string | undefined;
  /** `{ nofile: 1024 }`, or `soft:hard`, or `unlimited`: the names of limits.conf(5). */
  readonly limits?: Readonly<Record<string, number | string>> | undefined;
  /** What SIGHUP does to the program until it decides otherwise. Default: `ignore`, as nohup. */
  readonly hup?: 'ignore' | 'default' | undefined;
  /** Descriptors above 2 that the program inherits under the same numbers. */
  readonly keepFds?: readonly (number | string)[] | undefined;
  /** What `stop` sends. Default: SIGTERM. */
  readonly stopSignal?: string | undefined;
  /** Milliseconds between that and SIGKILL. Default: 10,000. */
  readonly stopTimeoutMs?: number | undefined;
  /** Keeps the program alive under a watchdog. */
  readonly watch?: WatchOptions | undefined;
}

/** Throws UsageError, naming the option, before anything has been changed. `titled` is what a name is made from. */
export function buildSpec(
  argv: readonly string[],
  options: RunOptions,
  caller: Pick<Caller, 'cwd' | 'environment' | 'inherited'>,
  titled = argv[0],
): ServiceSpec {
  if (argv[0] === undefined || titled === undefined) throw new UsageError('cannot run: no command given');
  const path = (given: string, option: string): string => callersPath(given, option, caller.cwd);
  const pidfile = options.pidfile === undefined ? null : canonicalPidfile(path(options.pidfile, '--pidfile'));
  if (options.name !== undefined) checkName(options.name);
  const watchdogPidfile = options.watch?.watchdogPidfile;
  checkPidfilesDiffer(
    {
      '--pidfile': options.pidfile,
      '--watchdog-pidfile': watchdogPidfile,
      '--program-pidfile': options.watch?.programPidfile,
    },
    path,
  );
  if (options.watch !== undefined && (options.keepFds ?? []).length > 0)
    throw new UsageError(
      'cannot use --keep-fd with --restart: descriptors are not kept for later starts',
      '--keep-fd',
    );
  const user = options.user === undefined ? null : parseUser(options.user);
  return {
    name: options.name ?? proposeName(pidfile ?? titled),
    command: {
      argv: argv as [string, ...string[]],
      cwd: options.cwd === undefined ? null : path(options.cwd, '--cwd'),
      env: buildEnvironment(options, user, caller),
      umask: options.umask === undefined ? null : parseUmask(options.umask),
      nice: options.nice === undefined ? null : parseNice(options.nice),
      limits: Object.entries(options.limits ?? {}).map(([resource, value]) => parseLimit(resource, value)),
    },
    user,
    stdio: buildStdio(options, path, caller),
    detach: {
      pidfile,
      hangup: parseHangup(options.hup),
      keepFds: parseKeepFds(options, caller),
      watchdogPidfile:
        watchdogPidfile === undefined ? null : canonicalPidfile(path(watchdogPidfile, '--watchdog-pidfile')),
    },
    ...buildWatch(options.watch, path),
    stop: {
      signal: requireSignal(options.stopSignal ?? 'SIGTERM', '--stop-signal'),
      graceMs: checkMilliseconds('stopTimeoutMs', options.stopTimeoutMs ?? 10_000),
      ...parseReach(options.watch),
      // What a plain daemon starts is its own business; a watchdog must not start a second run beside it.
      leftovers: options.watch === undefined || options.watch.killMode === 'process' ? 'spare' : 'stop',
    },
    abort: {
      signal: requireSignal(options.watch?.abortSignal ?? 'SIGABRT', '--abort-signal'),
      graceMs: options.stopTimeoutMs ?? 10_000,
    },
  };
}

/** Each is written by somebody else, or names another process. */
function checkPidfilesDiffer(
  given: Readonly<Record<string, string | undefined>>,
  path: (given: string, option: string) => string,
): void {
  const seen = new Map<string, string>();
  for (const [option, file] of Object.entries(given)) {
    if (file === undefined) continue;
    const other = seen.get(path(file, option));
    if (other !== undefined)
      throw new UsageError(`cannot use one file as ${other} and ${option}: each has its own`, option);
    seen.set(path(file, option), option);
  }
}

export function callersPath(given: string, option: string, cwd: string | null): string {
  if (given === '') throw new UsageError(`cannot use ${option} '': the path is empty`, option);
  if (given.includes('\0')) throw new UsageError(`cannot use ${option}: the path holds a NUL byte`, option);
  if (isAbsolute(given)) return given;
  if (cwd === null)
    throw new UsageError(
      `cannot use ${option} ${given}: the working directory is gone, so only absolute paths work`,
      option,
    );
  return join(cwd, given);
}

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/;

export function checkName(name: string): void {
  if (!NAME.test(name))
    throw new UsageError(
      `cannot use name '${name}': only letters, digits, '-', '.' and '_', at most 100, not first '-' or '.'`,
      '--name',
    );
}

/** web for /run/web.pid and for ./web.js: good enough to type, and made unique later. */
function proposeName(from: string): string {
  const base = basename(from).replace(/\.(pid|js|cjs|mjs|ts|sh|py|rb|pl)$/, '');
  const clean = base
    .replace(/[^A-Za-z0-9._-]/g, '_')
    .replace(/^[.-]+/, '')
    .slice(0, 80);
  return clean === '' ? 'daemon' : clean;
}

function buildStdio(
  options: RunOptions,
  path: (given: string, option: string) => string,
  caller: Pick<Caller, 'cwd' | 'environment'>,
): ServiceSpec['stdio'] {
  const open = options.truncate === true ? 'truncate' : 'append';
  const keeping = buildLogKeeping(options.watch?.log ?? {});
  const file = (given: string, option: string): FileSink => {
    return { kind: 'file', path: path(given, option), open, ...keeping };
  };
  if (options.output !== undefined && (options.stdout !== undefined || options.stderr !== undefined)) {
    const other = options.stdout === undefined ? '--stderr' : '--stdout';
    throw new UsageError(`cannot use both --output and ${other}: two files for one stream`, '--output');
  }
  const stdout = options.output ?? options.stdout;
  if (stdout === undefined && (keeping.rotation !== null || keeping.lines !== null))
    throw new UsageError('cannot look after nohup.out: name the log with --output or --stdout', '--output');
  const sink =
    stdout === undefined
      ? nohupOut(open, caller)
      : file(stdout, options.output === undefined ? '--stdout' : '--output');
  // As nohup: standard error follows standard output unless it has a file of its own.
  if (options.stderr === undefined) return { stdout: sink, stderr: 'as-stdout' };
  const stderr = file(options.stderr, '--stderr');
  const same = sink.kind === 'file' && stderr.kind === 'file' && sink.path === stderr.path;
  return { stdout: sink, stderr: same ? 'as-stdout' : stderr };
}

function nohupOut(open: 'append' | 'truncate', caller: Pick<Caller, 'cwd' | 'environment'>): Sink {
  const home = variable(caller.environment, 'HOME');
  const folders = [caller.cwd, home === '' ? null : home].filter((folder) => folder !== null);
  const candidates = [...new Set(folders.map((folder) => join(folder, 'nohup.out')))];
  if (candidates.length === 0)
    throw new UsageError('cannot open nohup.out: no working directory and no HOME; use --output', '--output');
  return { kind: 'nohup-out', candidates, open };
}

function buildEnvironment(
  options: RunOptions,
  user: UserName | null,
  caller: Pick<Caller, 'cwd' | 'environment'>,
): readonly string[] {
  const base = options.clearEnv === true ? [] : caller.environment;
  const account = user === null ? null : findAccount(user);
  const ofAccount =
    account === null
      ? []
      : [
          `HOME=${account.home}`,
          `USER=${account.name}`,
          `LOGNAME=${account.name}`,
          `SHELL=${account.shell || '/bin/sh'}`,
        ];
  const ofFile =
    options.envFile === undefined ? [] : loadEnvFile(callersPath(options.envFile, '--env-file', caller.cwd));
  return withVariables(base, [...ofAccount, ...ofFile, ...parseVariables(options.env ?? [])]);
}

function loadEnvFile(file: string): readonly string[] {
  let text: string;
  try {
    text = decodeBytes(readFileSync(encodeBytes(file)));
  } catch (error) {
    throw systemError(`cannot read --env-file ${file}`, error, file);
  }
  const { variables, diagnostics } = readEnvFile(text, file);
  if (diagnostics.length > 0) throw new ConfigError(`cannot use --env-file`, diagnostics);
  return variables;
}

function parseVariables(env: Readonly<Record<string, string>> | readonly string[]): string[] {
  const entries = Array.isArray(env)
    ? (env as readonly string[])
    : Object.entries(env).map(([name, value]) => `${name}=${value}`);
  for (const entry of entries) {
    if (entry.indexOf('=') < 1)
      throw new UsageError(`cannot use --env '${entry}': expected NAME=value`, '--env');
    if (entry.includes('\0'))
      throw new UsageError(`cannot use --env '${entry.split('=')[0]}': the value holds a NUL byte`, '--env');
  }
  return [...entries];
}

function parseUser(given: string): UserName {
  const [user, group, ...rest] = given.split(':');
  if (user === undefined || user === '' || group === '' || rest.length > 0)
    throw new UsageError(`cannot use --user '${given}': expected USER or USER:GROUP`, '--user');
  return { user, group: group ?? null };
}

function parseUmask(given: number | string): number {
  const mask =
    typeof given === 'number' ? given : /^[0-7]{1,4}$/.test(given) ? Number.parseInt(given, 8) : -1;
  if (!Number.isInteger(mask) || mask < 0 || mask > 0o777)
    throw new UsageError(`cannot use --umask '${given}': not an octal number from 0 to 777`, '--umask');
  return mask;
}

function parseNice(given: number | string): number {
  const nice = /^[+-]?\d+$/.test(String(given)) ? Number(given) : Number.NaN;
  if (!(nice >= -20 && nice <= 19))
    throw new UsageError(`cannot use --nice '${given}': not a number from -20 to 19`, '--nice');
  return nice;
}

function parseLimit(resource: string, given: number | string): Limit {
  if (!isResource(resource))
    throw new UsageError(
      `cannot use --limit '${resource}': no such limit; known are ${resourceNames.join(', ')}`,
      '--limit',
    );
  const [soft, hard = soft, ...rest] = String(given).split(':').map(parseLimitValue);
  if (soft == null || hard == null || rest.length > 0 || asNumber(soft) > asNumber(hard))
    throw new UsageError(
      `cannot use --limit '${resource}=${given}': expected N, SOFT:HARD or unlimited`,
      '--limit',
    );
  return { resource, soft, hard };
}

function parseLimitValue(text: string): LimitValue | null {
  if (text === 'unlimited' || text === 'infinity' || text === 'Infinity') return 'unlimited';
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}

const asNumber = (value: LimitValue): number => (value === 'unlimited' ? Number.POSITIVE_INFINITY : value);

function parseHangup(given: string | undefined): 'ignore' | 'default' {
  if (given === undefined || given === 'ignore') return 'ignore';
  if (given === 'default') return 'default';
  throw new UsageError(`cannot use --hup '${given}': expected ignore or default`, '--hup');
}

function parseKeepFds({ keepFds = [] }: RunOptions, caller: Pick<Caller, 'inherited'>): number[] {
  const inherited = keepFds.length === 0 ? null : caller.inherited();
  return keepFds.map((given) => {
    const descriptor = /^\d{1,7}$/.test(String(given)) ? Number(given) : Number.NaN;
    if (!(descriptor > 2))
      throw new UsageError(`cannot use --keep-fd '${given}': expected a number above 2`, '--keep-fd');
    // Node has descriptors of its own among the low numbers, so "open" is not enough where the caller's are known.
    const isThere = inherited === null ? isOpen(descriptor) : inherited.includes(descriptor);
    if (!isThere) throw new UsageError(`cannot use --keep-fd ${descriptor}: it is not open`, '--keep-fd');
    return descriptor;
  });
}

/** TERM, SIGTERM or 15. */
export function requireSignal(given: string, option: string): SignalName {
  const signal = parseSignal(given);
  if (signal === null) throw new UsageError(`cannot use ${option} '${given}': no such signal`, option);
  return signal;
}

export function checkMilliseconds(option: string, given: number): number {
  if (typeof given === 'number' && given >= 0 && given <= 1e9) return given;
  throw new UsageError(`cannot use ${option} '${given}': expected milliseconds`, option);
}
