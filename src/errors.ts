// Every error class and its stable code. Messages say what was attempted, on what, and what came back.

export abstract class TsdaemonError extends Error {
  /** Stable: scripts and callers may compare it. */
  abstract readonly code: `TSD_${string}`;
  override get name(): string {
    return this.constructor.name;
  }
}

/** A wrong flag or option. Nothing was started or changed. */
export class UsageError extends TsdaemonError {
  readonly code = 'TSD_USAGE';
  readonly option: string | null;
  constructor(message: string, option: string | null = null) {
    super(message);
    this.option = option;
  }
}

/** A note on an input file: where, what, and how bad. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  readonly file: string;
  readonly line: number;
  readonly message: string;
  /** What was probably meant. */
  readonly suggestion?: string;
}

/** A file that cannot be used as it is. */
export class ConfigError extends TsdaemonError {
  readonly code = 'TSD_CONFIG';
  readonly diagnostics: readonly Diagnostic[];
  /** Without an attempt the message is the first diagnostic's, for formats whose texts clients know. */
  constructor(attempt: string | null, diagnostics: readonly Diagnostic[]) {
    const first = diagnostics[0];
    const place = first === undefined ? '' : `${first.file}:${first.line}: ${first.message}`;
    super(attempt === null ? first?.message : [attempt, place].filter((part) => part !== '').join(': '));
    this.diagnostics = diagnostics;
  }
}

/** The daemon that the name or pidfile stands for is alive already. */
export class AlreadyRunningError extends TsdaemonError {
  readonly code = 'TSD_ALREADY_RUNNING';
  readonly path: string | null;
  readonly pid: number;
  constructor(what: string, pid: number, path: string | null) {
    super(`cannot start ${what}: already running as process ${pid}`);
    this.pid = pid;
    this.path = path;
  }
}

/** No daemon of this name, or no pidfile, is known here. */
export class NotFoundError extends TsdaemonError {
  readonly code = 'TSD_NOT_FOUND';
}

/** It cannot be told whether the recorded process is the daemon, so nothing was signalled or started. */
export class IdentityError extends TsdaemonError {
  readonly code = 'TSD_IDENTITY';
}

/** A system call failed. */
export class SystemError extends TsdaemonError {
  readonly code = 'TSD_SYSTEM';
  readonly syscall: string;
  readonly errnoName: string;
  readonly path: string | null;
  constructor(
    attempt: string,
    failure: { readonly syscall: string; readonly errnoName: string; readonly path?: string | null },
    cause?: unknown,
  ) {
    super(`${attempt}: ${errnoText(failure.errnoName)}`, { cause });
    this.syscall = failure.syscall;
    this.errnoName = failure.errnoName;
    this.path = failure.path ?? null;
  }
}

/** A step of leaving the session, or of becoming what the program inherits, was refused. */
export class DetachError extends TsdaemonError {
  readonly code = 'TSD_DETACH';
  readonly step: string;
  constructor(step: string, message: string, cause?: unknown) {
    super(message, { cause });
    this.step = step;
  }
}

/** The program is absent (ENOENT) or not invokable (anything else). */
export class SpawnError extends TsdaemonError {
  readonly code = 'TSD_SPAWN';
  readonly argv: readonly string[];
  readonly errnoName: string;
  constructor(argv: readonly string[], errnoName: string) {
    super(`cannot run '${argv[0] ?? ''}': ${errnoText(errnoName)}`);
    this.argv = argv;
    this.errnoName = errnoName;
  }
  /** As the shell, nohup and env say it: 127 not found, 126 found and not invokable. */
  get exitCode(): 126 | 127 {
    return this.errnoName === 'ENOENT' ? 127 : 126;
  }
}

/** The daemon was started, and ended or was stopped before it was ready. */
export class NotReadyError extends TsdaemonError {
  readonly code = 'TSD_NOT_READY';
  readonly exitCode: number;
  /** The last lines that it wrote to standard error, with their ends. */
  readonly lastWords: string;
  constructor(message: string, exitCode: number, lastWords = '') {
    super(message);
    this.exitCode = exitCode;
    this.lastWords = lastWords;
  }
}

/** The daemon did not end within the grace that was given. */
export class StopTimeoutError extends TsdaemonError {
  readonly code = 'TSD_STOP_TIMEOUT';
  readonly pid: number;
  constructor(what: string, pid: number, timeoutMs: number) {
    super(`cannot stop ${what}: process ${pid} still runs after ${timeoutMs / 1000} s`);
    this.pid = pid;
  }
}

/** A supervisor answered an XML-RPC call with a fault. */
export class ControlError extends TsdaemonError {
  readonly code = 'TSD_CONTROL';
  readonly fault: number;
  readonly text: string;
  constructor(method: string, fault: number, text: string) {
    super(`cannot call ${method}: fault ${fault}, ${text}`);
    this.fault = fault;
    this.text = text;
  }
}

/** A server answered an HTTP request with another status than 200, or with what is no answer (status null). */
export class HttpError extends TsdaemonError {
  readonly code = 'TSD_HTTP';
  readonly status: number | null;
  readonly reason: string;
  constructor(url: string, status: number | null, reason: string) {
    super(`cannot use the answer of ${url}: ${status === null ? '' : `${status} `}${reason}`);
    this.status = status;
    this.reason = reason;
  }
}

/** Cannot happen; please report. */
export class BugError extends TsdaemonError {
  readonly code = 'TSD_BUG';
}

const errnoTexts: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EAGAIN: 'resource temporarily unavailable',
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'address not available',
  EBADF: 'bad file descriptor',
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EEXIST: 'file exists',
  EHOSTUNREACH: 'no route to host',
  EINVAL: 'invalid argument',
  EIO: 'input/output error',
  EISDIR: 'is a directory',
  ELOOP: 'is a symbolic link, or has too many of them',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'file name too long',
  ENETUNREACH: 'network is unreachable',
  ENFILE: 'too many open files in system',
  ENODEV: 'no such device',
  ENOENT: 'no such file or directory',
  ENOEXEC: 'exec format error',
  ENOMEM: 'cannot allocate memory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  ENOTFOUND: 'host name not found',
  ENXIO: 'no such device or address',
  EPERM: 'operation not permitted',
  EROFS: 'read-only file system',
  ESRCH: 'no such process',
  ETIMEDOUT: 'connection timed out',
  ETXTBSY: 'text file busy',
  E2BIG: 'argument list too long',
};

/** "no such file or directory (ENOENT)": the words people know and the name they can search for. */
export function errnoText(errnoName: string): string {
  const text = errnoTexts[errnoName];
  return text === undefined ? errnoName : `${text} (${errnoName})`;
}

/** What went wrong, in words, whatever was thrown. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The errno name of what node:fs throws; null for any other error. */
export function errnoNameOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null;
  return /^E[A-Z0-9]+$/.test(error.code) ? error.code : null;
}

/** Turns a failed node:fs call (or LibcError) into a SystemError; anything else is passed on as it is. */
export function systemError(attempt: string, error: unknown, path: string | null = null): unknown {
  const errnoName = errnoNameOf(error);
  if (errnoName === null) return error;
  const syscall = error instanceof Error && 'syscall' in error ? String(error.syscall) : 'unknown';
  return new SystemError(attempt, { syscall, errnoName, path }, error);
}
