// Lines that somebody types or pipes into us. On a terminal they are edited, remembered and completed, and the
// terminal is ours only while a line is asked for: meanwhile Ctrl-C is a signal, and what is typed ahead waits.
import { createInterface, type Interface } from 'node:readline';
import { Writable } from 'node:stream';
import { errnoNameOf } from '../errors.js';
import { isTerminal } from './terminal.js';

/** null: the input is at its end. */
export type Line = string | null;

/** Ctrl-C while a line was asked for. */
export class InterruptedError extends Error {}

export interface LineInputOptions {
  /** The latest first. */
  readonly history: readonly string[];
  /** What the last word of the line may become, and that word. */
  readonly complete: (line: string) => Promise<readonly [candidates: readonly string[], word: string]>;
}

interface Waiting {
  readonly resolve: (line: Line) => void;
  readonly reject: (error: Error) => void;
}

export class LineInput {
  readonly isTerminal = isTerminal(0) && isTerminal(1);
  readonly #options: LineInputOptions;
  #history: string[];
  #interface: Interface | null = null;
  /** What came before it was asked for. */
  #typedAhead: (Line | InterruptedError)[] = [];
  #keepsInterrupts = false;
  #waiting: Waiting | null = null;
  #isAtEnd = false;
  #isSecret = false;

  constructor(options: LineInputOptions) {
    this.#options = options;
    this.#history = [...options.history];
  }

  /** The latest first; without secrets. */
  get history(): readonly string[] {
    return this.#history;
  }

  /**
   * Throws InterruptedError for a Ctrl-C. A secret is not shown, nor remembered. Without a prompt nothing is drawn
   * before somebody types, so that other output may go on meanwhile.
   */
  async ask(prompt: string, isSecret = false): Promise<Line> {
    const next = this.#typedAhead.shift();
    if (next instanceof InterruptedError) throw next;
    if (next !== undefined || (this.#isAtEnd && !this.isTerminal)) {
      process.stdout.write(prompt);
      return next ?? null;
    }
    this.#isAtEnd = false;
    this.#interface ??= this.#open();
    const lines = this.#interface;
    if (this.isTerminal) process.stdin.setRawMode(true);
    // In raw mode it is a key and comes as an event of readline; otherwise it is a signal.
    if (!this.#keepsInterrupts) process.on('SIGINT', this.#interrupt);
    lines.setPrompt(isSecret || !this.isTerminal ? '' : prompt);
    if (isSecret || !this.isTerminal) process.stdout.write(prompt);
    this.#isSecret = isSecret;
    try {
      return await new Promise<Line>((resolve, reject) => {
        this.#waiting = { resolve, reject };
        if (prompt === '') lines.resume();
        else lines.prompt();
      });
    } finally {
      this.#waiting = null;
      this.#isSecret = false;
      if (!this.#keepsInterrupts) process.off('SIGINT', this.#interrupt);
      if (isSecret && this.isTerminal) process.stdout.write('\n');
      this.#interface?.pause();
      if (this.isTerminal) process.stdin.setRawMode(false);
    }
  }

  /** From now on until it is disposed a Ctrl-C that nobody waits for ends the next question, and not the process. */
  keepInterrupts(): Disposable {
    this.#keepsInterrupts = true;
    process.on('SIGINT', this.#interrupt);
    return {
      [Symbol.dispose]: () => {
        this.#keepsInterrupts = false;
        process.off('SIGINT', this.#interrupt);
      },
    };
  }

  close(): void {
    this.#interface?.close();
  }

  readonly #interrupt = (): void => {
    if (this.#waiting === null) this.#typedAhead.push(new InterruptedError());
    else this.#waiting.reject(new InterruptedError());
    this.#waiting = null;
  };

  #open(): Interface {
    const terminal = this.isTerminal;
    const lines = createInterface({
      input: process.stdin,
      output: terminal ? this.#screen() : new Writable({ write: (_bytes, _encoding, done) => done() }),
      terminal,
      history: [...this.#history],
      completer: (line: string, done: (error: Error | null, result: [string[], string]) => void) => {
        this.#options.complete(line).then(
          ([candidates, word]) => done(null, [[...candidates], word]),
          // No server, no names: a Tab is no place to complain.
          () => done(null, [[], line]),
        );
      },
    });
    lines
      .on('line', (line) => {
        if (this.#waiting === null) this.#typedAhead.push(line);
        else this.#waiting.resolve(line);
        this.#waiting = null;
      })
      .on('history', (history) => {
        if (this.#isSecret) history.shift();
        this.#history = [...history];
      })
      .on('SIGINT', this.#interrupt)
      .on('close', () => {
        this.#interface = null;
        this.#isAtEnd = true;
        if (this.#waiting === null) this.#typedAhead.push(null);
        else this.#waiting.resolve(null);
        this.#waiting = null;
      });
    process.stdin.on('error', (error) => {
      // EIO: the terminal hung up, which ends the input.
      if (errnoNameOf(error) !== 'EIO') throw error;
      lines.close();
    });
    return lines;
  }

  /** The terminal, but for what is typed while a secret is asked for. */
  #screen(): Writable {
    const screen = new Writable({
      decodeStrings: false,
      write: (text: string, _encoding, done) => {
        if (!this.#isSecret) process.stdout.write(text);
        done();
      },
    });
    // A terminal that does not know its size says 0.
    return Object.assign(screen, { columns: process.stdout.columns || 80 });
  }
}
