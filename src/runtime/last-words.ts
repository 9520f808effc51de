// The end of what a program wrote to standard error from a moment on, for whoever waits for it to be ready.
import { TsdaemonError } from '../errors.js';
import { decodeBytes } from '../spec/byte-text.js';
import { LogReader, logFiles } from './read-logs.js';

const LINES_MAX = 10;
const LENGTH_MAX = 8192;

export class LastWords {
  readonly #reader: LogReader;

  private constructor(reader: LogReader) {
    this.#reader = reader;
  }

  /** null: it goes to no file that could be read, as /dev/null. */
  static listen(file: string): LastWords | null {
    try {
      return new LastWords(new LogReader(logFiles([file], 'the program')[0]!, 0));
    } catch (error) {
      // NotFoundError: no regular file. SystemError: one that we may write and not read.
      if (error instanceof TsdaemonError) return null;
      throw error;
    }
  }

  /** Whole lines, as text that keeps every byte; '' for none. */
  read(): string {
    let text = '';
    // Not all of it at once: a program that fails again and again may have said a lot.
    for (const { bytes } of this.#reader.read()) text = (text + decodeBytes(bytes)).slice(-LENGTH_MAX);
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    return lines
      .slice(-LINES_MAX)
      .map((line) => `${line}\n`)
      .join('');
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }
}
