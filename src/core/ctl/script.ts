// The form in which an action of supervisorctl is written: a generator that says what is to be asked and printed. It
// waits for nothing itself, so whoever drives it decides where calls go, and whether lines or JSON come out.

/** What one call answered for one thing; `error` where it did not work. This is what --json prints. */
export interface Result {
  readonly error?: ResultError;
  readonly [fact: string]: unknown;
}

export interface ResultError {
  /** The fault's name (BAD_NAME), or one of ours for what no server said. */
  readonly code: string;
  /** The fault's number, where a server said it. */
  readonly fault?: number;
  readonly text: string;
}

export type Parameter = string | number | boolean;

/** Which log is shown: of a process, or (name: null) the server's own. */
export interface LogSource {
  readonly name: string | null;
  readonly channel: 'stdout' | 'stderr';
}

export interface PrintedLine {
  readonly text: string;
  readonly result: Result | null;
  /** What a program logged is shown as it is. */
  readonly raw?: true;
}

export type Step =
  | { readonly step: 'call'; readonly method: string; readonly params: readonly Parameter[] }
  /** The text of a file; - is standard input. */
  | { readonly step: 'read'; readonly path: string }
  | { readonly step: 'print'; readonly lines: readonly PrintedLine[] }
  | { readonly step: 'ask'; readonly question: string; readonly secret: boolean }
  | { readonly step: 'follow'; readonly source: LogSource }
  | { readonly step: 'foreground'; readonly name: string };

export type Script<T> = Generator<Step, T, unknown>;

/** Where an action goes and who asks; `open` and the questions for a name and a password change it. */
export interface Session {
  serverUrl: string;
  username: string | null;
  password: string | null;
  /** Every fact is asked for, and not only what a line shows. */
  readonly isJson: boolean;
  /** Somebody is there to be asked. */
  readonly interactive: boolean;
}

/** supervisorctl's own error, as its `error:` line has it: the name of a Python exception, and its text. */
export class ScriptError extends Error {
  readonly type: string;
  constructor(type: string, text: string) {
    super(text);
    this.type = type;
  }
}

/** Throws ControlError for a fault, and what the transport throws. */
export function* call(method: string, ...params: readonly Parameter[]): Script<unknown> {
  return yield { step: 'call', method: `supervisor.${method}`, params };
}

/** A method of ours. */
export function* callOurs(method: string, ...params: readonly Parameter[]): Script<unknown> {
  return yield { step: 'call', method: `tsdaemon.${method}`, params };
}

/** Throws SystemError. */
export function* readText(path: string): Script<string> {
  return String(yield { step: 'read', path });
}

export function* say(text: string, result: Result | null = null): Script<void> {
  yield { step: 'print', lines: [{ text, result }] };
}

/** Throws where the input is at its end. */
export function* ask(question: string, secret = false): Script<string> {
  const answer = yield { step: 'ask', question, secret };
  if (typeof answer !== 'string') throw new ScriptError('EOFError', 'EOF when reading a line');
  return answer;
}
