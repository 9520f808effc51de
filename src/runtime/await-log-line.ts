import { LineMatcher } from '../core/line-matcher.js';
import { LogReader, watchFiles } from './read-logs.js';

/**
 * Waits for a matching line in what is written to the files from now on, so it is made before the program
 * starts. Calls back once, with the line, and never from within the constructor. No polling: the directories
 * are watched.
 */
export class LogLineWatch {
  readonly #readers: readonly (readonly [LogReader, LineMatcher])[];
  readonly #watcher: { [Symbol.dispose](): void };
  #found: ((line: string) => void) | null;

  constructor(files: readonly string[], pattern: RegExp, found: (line: string) => void) {
    this.#found = found;
    this.#readers = files.map((file) => [new LogReader(file, 0), new LineMatcher(pattern)] as const);
    this.#watcher = watchFiles(files, () => this.look());
  }

  /** Reads what is new. It is called by itself; call it before a death of the program is judged. */
  look(): void {
    for (const [reader, matcher] of this.#readers)
      for (const { bytes } of reader.read()) {
        const line = this.#found === null ? null : matcher.find(bytes);
        if (line === null) continue;
        const found = this.#found!;
        this[Symbol.dispose]();
        found(line);
        return;
      }
  }

  [Symbol.dispose](): void {
    if (this.#found === null) return;
    this.#found = null;
    this.#watcher[Symbol.dispose]();
    for (const [reader] of this.#readers) reader[Symbol.dispose]();
  }
}
