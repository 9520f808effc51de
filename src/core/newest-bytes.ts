// Keeps the newest bytes of what it is given, up to so many, at a cost that does not depend on the size of the pieces.
export class NewestBytes {
  readonly #max: number;
  #bytes = new Uint8Array();
  #length = 0;

  constructor(max: number) {
    this.#max = max;
  }

  push(piece: Uint8Array): void {
    const newest = piece.length > this.#max ? piece.subarray(piece.length - this.#max) : piece;
    if (this.#length + newest.length > this.#bytes.length) this.#makeRoom(newest.length);
    this.#bytes.set(newest, this.#length);
    this.#length += newest.length;
  }

  /** How many are kept. */
  get length(): number {
    return Math.min(this.#length, this.#max);
  }

  /** All that is kept, which is then forgotten. */
  take(): Uint8Array {
    const kept = this.#bytes.slice(Math.max(0, this.#length - this.#max), this.#length);
    this.#bytes = new Uint8Array();
    this.#length = 0;
    return kept;
  }

  /** Twice the maximum is held, so that old bytes are moved out of the way once in a while and not at every piece. */
  #makeRoom(more: number): void {
    const kept = this.#bytes.subarray(Math.max(0, this.#length - this.#max), this.#length);
    const full = 2 * this.#max;
    const bytes =
      this.#bytes.length === full ? this.#bytes : new Uint8Array(Math.min(full, 2 * (kept.length + more)));
    bytes.set(kept);
    this.#bytes = bytes;
    this.#length = kept.length;
  }
}
