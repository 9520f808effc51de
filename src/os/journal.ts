// What a supervisor knows of its services, on disk: one line for each change, so that a change costs one write however
// many services there are, and a kill at any instant loses at most a line that was not complete.
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errnoNameOf, systemError } from '../errors.js';
import { makeFolders } from './folders.js';

/** The value under each key. */
export type Entries = Iterable<readonly [string, unknown]>;

/** Lines beyond the number of keys after which the file is written anew. */
const SPARE_LINES = 4096;

export class Journal {
  readonly #file: string;
  readonly #current: () => Entries;
  #descriptor: number;
  #lines = 0;
  #linesMax = 0;
  /** Something is missing from it, or cut: it is to be written anew as soon as there is room. */
  #isBehind = false;

  private constructor(file: string, current: () => Entries) {
    this.#file = file;
    this.#current = current;
    this.#descriptor = this.#rewrite();
  }

  /** Makes the journal, in place of one that is there. It is asked for what is true now whenever it is written anew. */
  static create(folder: string, current: () => Entries): Journal {
    const file = fileIn(folder);
    try {
      makeFolders(folder);
      return new Journal(file, current);
    } catch (error) {
      throw systemError(`cannot write journal ${file}`, error, file);
    }
  }

  /** Empty where there is none. */
  static read(folder: string): Map<string, unknown> {
    let text: string;
    try {
      text = readFileSync(fileIn(folder), 'utf8');
    } catch (error) {
      if (errnoNameOf(error) === 'ENOENT') return new Map();
      throw systemError(`cannot read journal ${fileIn(folder)}`, error, fileIn(folder));
    }
    const entries = new Map<string, unknown>();
    for (const line of text.split('\n')) {
      const entry = parseLine(line);
      if (entry === null) continue;
      const [key, value] = entry;
      if (value === null) entries.delete(key);
      else entries.set(key, value);
    }
    return entries;
  }

  /**
   * null removes a key. Throws where the disk is full: what was written before stands, and the next call, of no entries
   * too, makes up for what is missing.
   */
  write(entries: Entries): void {
    const lines = [...entries].map(([key, value]) => lineOf(key, value));
    this.#lines += lines.length;
    if (!this.#isBehind && this.#lines <= this.#linesMax) return this.#append(lines);
    try {
      const old = this.#descriptor;
      this.#descriptor = this.#rewrite();
      closeSync(old);
    } catch (error) {
      // A line may have room where a file has none.
      this.#append(['\n', ...lines]);
      this.#isBehind = true;
      throw error;
    }
  }

  /** Nothing is left to be known. */
  remove(): void {
    closeSync(this.#descriptor);
    rmSync(this.#file, { force: true });
  }

  #append(lines: readonly string[]): void {
    this.#isBehind = true;
    writeWhole(this.#descriptor, lines.join(''));
    this.#isBehind = false;
  }

  #rewrite(): number {
    const temporary = `${this.#file}.${process.pid}.tmp`;
    const descriptor = openSync(temporary, 'w', 0o600);
    const lines = [...this.#current()].map(([key, value]) => lineOf(key, value));
    try {
      writeWhole(descriptor, lines.join(''));
      renameSync(temporary, this.#file);
    } catch (error) {
      closeSync(descriptor);
      rmSync(temporary, { force: true });
      throw error;
    }
    this.#isBehind = false;
    this.#lines = 0;
    this.#linesMax = SPARE_LINES + lines.length;
    return descriptor;
  }
}

const fileIn = (folder: string): string => join(folder, 'journal.jsonl');

const lineOf = (key: string, value: unknown): string => `${JSON.stringify([key, value])}\n`;

/** A full disk takes the beginning, and says so when it is given the rest. */
function writeWhole(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let written = 0; written < bytes.length; )
    written += writeSync(descriptor, bytes, written, bytes.length - written);
}

function parseLine(line: string): [string, unknown] | null {
  try {
    const entry = JSON.parse(line) as unknown;
    return Array.isArray(entry) && typeof entry[0] === 'string' ? [entry[0], entry[1]] : null;
  } catch {
    // Cut short by a kill or a full disk.
    return null;
  }
}
