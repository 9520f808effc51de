// Takes terminal sequences out of a stream: those that begin with ESC [, as ECMA-48 has them. A sequence may come in
// pieces. What breaks one off is text again, so that no more is lost than the sequence itself.
import { joinBytes } from '../spec/byte-text.js';

export class AnsiStripper {
  #at: 'text' | 'escape' | 'sequence' = 'text';

  /** Where in a sequence the stream is: all that a successor has to know. */
  get at(): 'text' | 'escape' | 'sequence' {
    return this.#at;
  }

  /** Goes on where another one left off. */
  resume(at: AnsiStripper['at']): void {
    this.#at = at;
  }

  /** Whether there is nothing to take out of the piece. */
  passes(piece: Uint8Array): boolean {
    return this.#at === 'text' && !piece.includes(ESCAPE);
  }

  /** What is left of the piece: itself, not a copy, where there is nothing to take out. */
  strip(piece: Uint8Array): Uint8Array {
    if (this.passes(piece)) return piece;
    const parts: Uint8Array[] = [];
    let index = 0;
    while (index < piece.length) {
      if (this.#at === 'text') {
        const begin = piece.indexOf(ESCAPE, index);
        parts.push(piece.subarray(index, begin === -1 ? piece.length : begin));
        if (begin === -1) break;
        this.#at = 'escape';
        index = begin + 1;
      } else if (this.#at === 'escape') {
        if (piece[index] === BRACKET) {
          this.#at = 'sequence';
          index += 1;
        } else parts.push(this.end());
      } else {
        const byte = piece[index]!;
        if (byte >= 0x20 && byte <= 0x7e) index += 1;
        if (byte < 0x20 || byte > 0x3f) this.#at = 'text';
      }
    }
    return joinBytes(parts);
  }

  /** What was held back at the end of the stream: an ESC that nothing follows. */
  end(): Uint8Array {
    const held = this.#at === 'escape' ? Uint8Array.of(ESCAPE) : new Uint8Array();
    this.#at = 'text';
    return held;
  }
}

const ESCAPE = 0x1b;
const BRACKET = 0x5b;
