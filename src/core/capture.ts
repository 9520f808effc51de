// Capture mode: what a program writes between two tokens is a message to listeners, and not for its log. Tokens may
// come in pieces. Only what may be the beginning of a token is held back, and only until it is clear that it is none.
import { encodeBytes, findBytes, joinBytes } from '../spec/byte-text.js';
import { NewestBytes } from './newest-bytes.js';

export interface Captured {
  /**
   * `log`: outside of the tokens. `within`: between them, as it comes. `message`: all that was between them, or the
   * newest of it. `unfinished`: the same where the stream ends without the second token, to be logged so that it is
   * not lost.
   */
  readonly kind: 'log' | 'within' | 'message' | 'unfinished';
  /** May share memory with the piece it was in. */
  readonly bytes: Uint8Array;
}

/** What a successor has to know; plain data. */
export interface CaptureMemory {
  readonly isOpen: boolean;
  /** How many bytes are held back. */
  readonly held: number;
}

export class Capture {
  readonly #message: NewestBytes;
  #isOpen = false;
  /** A copy, for the caller may use its buffer again. */
  #held: Uint8Array = new Uint8Array();

  /** No message is longer than maxBytes; the newest of it is kept. */
  constructor(maxBytes: number) {
    this.#message = new NewestBytes(maxBytes);
  }

  memory(): CaptureMemory {
    return { isOpen: this.#isOpen, held: this.#held.length };
  }

  /** How many of the newest bytes of the stream a successor needs again. */
  get needs(): number {
    return this.#message.length + this.#held.length;
  }

  /** Goes on where another one left off, with the bytes that it needed. */
  resume({ isOpen, held }: CaptureMemory, needed: Uint8Array): void {
    const end = Math.max(0, needed.length - held);
    this.#isOpen = isOpen;
    this.#message.push(needed.subarray(0, end));
    this.#held = needed.slice(end);
  }

  /** Whether all of the piece is for the log, and at once. */
  passes(piece: Uint8Array): boolean {
    if (this.#isOpen || this.#held.length > 0 || findBytes(piece, BEGIN) !== -1) return false;
    return this.#beginningAtEnd(piece, 0) === piece.length;
  }

  push(piece: Uint8Array): readonly Captured[] {
    const bytes = this.#held.length === 0 ? piece : joinBytes([this.#held, piece]);
    const result: Captured[] = [];
    let start = 0;
    for (;;) {
      const token = this.#isOpen ? END : BEGIN;
      const found = findBytes(bytes, token, start);
      if (found === -1) break;
      this.#tell(bytes.subarray(start, found), result);
      if (this.#isOpen) result.push({ kind: 'message', bytes: this.#message.take() });
      this.#isOpen = !this.#isOpen;
      start = found + token.length;
    }
    const end = this.#beginningAtEnd(bytes, start);
    this.#tell(bytes.subarray(start, end), result);
    this.#held = new Uint8Array(bytes.subarray(end));
    return result;
  }

  /** The stream is at its end, so what was held back is no token. */
  end(): readonly Captured[] {
    const result: Captured[] = [];
    this.#tell(this.#held, result);
    this.#held = new Uint8Array();
    const bytes = this.#message.take();
    if (bytes.length > 0) result.push({ kind: 'unfinished', bytes });
    this.#isOpen = false;
    return result;
  }

  #tell(bytes: Uint8Array, result: Captured[]): void {
    if (bytes.length === 0) return;
    if (this.#isOpen) this.#message.push(bytes);
    result.push({ kind: this.#isOpen ? 'within' : 'log', bytes });
  }

  /** Where the beginning of a token stands that the bytes break off; their end, if nowhere. */
  #beginningAtEnd(bytes: Uint8Array, start: number): number {
    const token = this.#isOpen ? END : BEGIN;
    const from = Math.max(start, bytes.length - token.length + 1);
    // A token has its first byte nowhere else in it, so only the last one in the bytes can begin it.
    const index = bytes.subarray(from).lastIndexOf(token[0]!);
    if (index === -1 || findBytes(token, bytes.subarray(from + index)) !== 0) return bytes.length;
    return from + index;
  }
}

const BEGIN = encodeBytes('<!--XSUPERVISOR:BEGIN-->');
const END = encodeBytes('<!--XSUPERVISOR:END-->');
