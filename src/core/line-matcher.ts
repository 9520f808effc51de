// Finds a line in output that arrives in pieces.
import { decodeBytes } from '../spec/byte-text.js';

/** What is longer is looked at in parts, so that a program that never ends its line costs no memory. */
const LINE_BYTES_MAX = 65_536;
const NEWLINE = 10;

export class LineMatcher {
  readonly #pattern: RegExp;
  /** A copy, for the caller may use its buffer again. */
  #rest = new Uint8Array(0);

  /** A pattern with the flag g or y would remember where it stopped; both are left away. */
  constructor(pattern: RegExp) {
    this.#pattern = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  }

  /** The first matching line that ends in this piece, without its end; null: none did. */
  find(piece: Uint8Array): string | null {
    const bytes = joined(this.#rest, piece);
    let start = 0;
    for (;;) {
      const newline = bytes.indexOf(NEWLINE, start);
      const isWhole = newline !== -1 && newline - start <= LINE_BYTES_MAX;
      if (!isWhole && bytes.length - start <= LINE_BYTES_MAX) break;
      const end = isWhole ? newline : start + LINE_BYTES_MAX;
      const line = decodeBytes(bytes.subarray(start, end)).replace(/\r$/, '');
      start = isWhole ? end + 1 : end;
      if (this.#pattern.test(line)) {
        this.#rest = new Uint8Array(bytes.subarray(start));
        return line;
      }
    }
    this.#rest = new Uint8Array(bytes.subarray(start));
    return null;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}
