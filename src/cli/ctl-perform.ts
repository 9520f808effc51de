// Performs what an action says: calls, lines, questions, streams.
import { followLog, logPath, type RpcClient } from '../control/rpc-client.js';
import type { LogSource, Result, Script, Session, Step } from '../core/ctl/script.js';
import { visibleLines } from '../core/ctl/words.js';
import { HttpError, SystemError, systemError } from '../errors.js';
import { readTextOrNull } from '../os/folders.js';
import type { LineInput } from '../os/line-input.js';
import { readToEnd } from '../os/message.js';
import { encodeBytes } from '../spec/byte-text.js';
import { printJson, write } from './output.js';

export interface Performance {
  readonly session: Session;
  /** Made once for each action, since `open` may have changed the server. */
  readonly connect: (session: Session) => RpcClient;
  /** Where questions are asked; loaded when the first one is. */
  readonly input: () => Promise<LineInput>;
}

export async function perform<T>(script: Script<T>, performance: Performance): Promise<T> {
  const performer = new Performer(performance);
  try {
    let next = script.next();
    while (next.done !== true) {
      const step = next.value;
      if (step.step === 'print') {
        // Nothing to wait for, and there may be thousands.
        performer.print(step);
        next = script.next();
        continue;
      }
      const answer = await performer.perform(step).then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
      next = 'error' in answer ? script.throw(answer.error) : script.next(answer.value);
    }
    return next.value;
  } finally {
    performer.finish();
  }
}

type PrintStep = Extract<Step, { step: 'print' }>;

class Performer {
  readonly #performance: Performance;
  readonly #results: Result[] = [];
  /** Lines are written together: a thousand of them cost one system call. */
  #text = '';
  #client: { readonly url: string; readonly rpc: RpcClient; readonly password: string | null } | null = null;
  #foreground: Disposable | null = null;
  #hasStreamed = false;

  constructor(performance: Performance) {
    this.#performance = performance;
  }

  async perform(step: Exclude<Step, PrintStep>): Promise<unknown> {
    if (step.step === 'call') return this.#rpc().call(step.method, step.params);
    if (step.step === 'foreground') return this.#nextForegroundLine(step.name);
    if (step.step === 'read') return readInput(step.path);
    this.#flush();
    if (step.step === 'ask') return (await this.#performance.input()).ask(step.question, step.secret);
    return this.#follow(step.source);
  }

  /** Shows what was said, and lets go of the server. */
  finish(): void {
    this.#foreground?.[Symbol.dispose]();
    this.#client?.rpc.close();
    this.#flush();
    if (this.#performance.session.isJson && !this.#hasStreamed) printJson(this.#results);
  }

  print({ lines }: PrintStep): void {
    if (this.#performance.session.isJson)
      this.#results.push(...lines.map(({ result }) => result).filter((result) => result !== null));
    else {
      const text = lines.map((line) => `${line.text}\n`).join('');
      this.#text += lines.some(({ raw }) => raw === true) ? text : visibleLines(text);
    }
  }

  #flush(): void {
    if (this.#text !== '') write(1, encodeBytes(this.#text));
    this.#text = '';
  }

  #rpc(): RpcClient {
    const { session, connect } = this.#performance;
    const { serverUrl: url, password } = session;
    if (this.#client?.url !== url || this.#client.password !== password) {
      this.#client?.rpc.close();
      this.#client = { url, password, rpc: connect(session) };
    }
    return this.#client.rpc;
  }

  async #follow(source: LogSource): Promise<void> {
    const interrupted = new AbortController();
    const interrupt = (): void => {
      if (!this.#performance.session.isJson) write(1, '\n');
      interrupted.abort();
    };
    process.once('SIGINT', interrupt);
    try {
      await this.#stream(source, interrupted);
    } finally {
      process.off('SIGINT', interrupt);
    }
  }

  /** A log that cannot be shown is told on stderr, and is no failure. */
  async #stream(source: LogSource, ending: AbortController): Promise<void> {
    const { session } = this.#performance;
    const { isJson } = session;
    const server = { url: session.serverUrl, username: session.username, password: session.password };
    const decoder = isJson ? new TextDecoder() : null;
    this.#hasStreamed = true;
    const facts = source.name === null ? {} : source;
    const show = (bytes: Buffer): void => {
      const text = decoder?.decode(bytes, { stream: true });
      const isRead = text === undefined ? write(1, bytes) : text === '' || printJson({ ...facts, text });
      if (!isRead) ending.abort();
    };
    try {
      await followLog(server, source, ending.signal, show);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      const text = error.status === null ? error.reason : `Cannot read, status code ${error.status}`;
      const { name, channel } = source;
      const path = name === null ? logPath(source) : `/logtail/${name}/${channel}`;
      if (isJson) printJson({ ...facts, error: { code: 'HTTP', text } });
      else write(2, visibleLines(`${session.serverUrl}${path} ${text}`).concat('\n'));
    }
  }

  /** Both logs are shown while lines are typed. null: the user has had enough. */
  async #nextForegroundLine(name: string): Promise<string | null> {
    const { InterruptedError } = await import('../os/line-input.js');
    const input = await this.#performance.input();
    this.#foreground ??= this.#startForeground(name, input);
    // Not before: a Ctrl-C that answers it must find somebody who listens.
    this.#flush();
    const line = await input.ask('').catch((error: unknown) => {
      if (error instanceof InterruptedError) return null;
      throw error;
    });
    if (line === null) this.#foreground[Symbol.dispose]();
    return line;
  }

  #startForeground(name: string, input: LineInput): Disposable {
    const ending = new AbortController();
    const interrupts = input.keepInterrupts();
    // The next call will say that the server has gone.
    for (const channel of ['stdout', 'stderr'] as const)
      void this.#stream({ name, channel }, ending).catch(() => undefined);
    return {
      [Symbol.dispose]: () => {
        ending.abort();
        interrupts[Symbol.dispose]();
      },
    };
  }
}

/** Throws SystemError. */
function readInput(path: string): string {
  try {
    const text = path === '-' ? readToEnd(0).toString() : readTextOrNull(path);
    if (text !== null) return text;
  } catch (error) {
    throw systemError(`cannot read ${path}`, error, path);
  }
  throw new SystemError(`cannot read ${path}`, {
    syscall: 'open',
    errnoName: 'ENOENT',
  });
}
