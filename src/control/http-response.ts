// Reads one HTTP/1.x response as its bytes arrive. node:http would do, and costs 3 ms more at every start.

/** An end to what a broken server can make us hold. */
const MOST_HEAD_BYTES = 65_536;

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** The media type, without its parameters. */
  readonly type: string;
}

export interface ResponseEvents {
  readonly head: (head: ResponseHead) => void;
  readonly body: (bytes: Buffer) => void;
}

/** Where in the response we are: `left` counts the bytes of the body, or of this chunk, that are still to come. */
type Place =
  | { readonly at: 'head' }
  | { readonly at: 'body' | 'chunk'; left: number }
  | { readonly at: 'chunk-size' | 'chunk-end' | 'trailer' | 'end' };

export class ResponseReader {
  /** Whether the connection may carry another request after this response. */
  keepsAlive = true;
  #place: Place = { at: 'head' };
  #rest: Buffer = Buffer.alloc(0);
  readonly #events: ResponseEvents;

  constructor(events: ResponseEvents) {
    this.#events = events;
  }

  get isComplete(): boolean {
    return this.#place.at === 'end';
  }

  /** Throws an Error that says what is wrong with them. */
  push(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (this.#takeNext());
  }

  /** The connection ended. True where that is how this response ends. */
  finish(): boolean {
    if (this.#place.at === 'body' && this.#place.left === Number.POSITIVE_INFINITY)
      this.#place = { at: 'end' };
    return this.isComplete;
  }

  /** False when more bytes are needed. */
  #takeNext(): boolean {
    const place = this.#place;
    if (place.at === 'end') return false;
    if (place.at === 'body' || place.at === 'chunk') return this.#takeBody(place);
    if (place.at === 'head') return this.#takeHead();
    const line = this.#takeLine();
    if (line === null) return false;
    if (place.at === 'chunk-end') this.#place = { at: 'chunk-size' };
    else if (place.at === 'trailer') this.#place = line === '' ? { at: 'end' } : place;
    else {
      const size = /^[0-9a-f]{1,8}(?=;|$)/i.exec(line)?.[0];
      if (size === undefined) throw new Error('a chunk without a size');
      const left = Number.parseInt(size, 16);
      this.#place = left === 0 ? { at: 'trailer' } : { at: 'chunk', left };
    }
    return true;
  }

  #takeBody(place: { readonly at: 'body' | 'chunk'; left: number }): boolean {
    if (place.left > 0 && this.#rest.length === 0) return false;
    const piece = this.#rest.subarray(0, place.left);
    this.#rest = this.#rest.subarray(piece.length);
    place.left -= piece.length;
    if (piece.length > 0) this.#events.body(piece);
    if (place.left === 0) this.#place = { at: place.at === 'body' ? 'end' : 'chunk-end' };
    return true;
  }

  #takeLine(): string | null {
    const end = this.#rest.indexOf('\r\n');
    if (end === -1 && this.#rest.length > MOST_HEAD_BYTES) throw new Error('a line that does not end');
    if (end === -1) return null;
    const line = this.#rest.toString('latin1', 0, end);
    this.#rest = this.#rest.subarray(end + 2);
    return line.trim();
  }

  #takeHead(): boolean {
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end === -1 && this.#rest.length > MOST_HEAD_BYTES) throw new Error('a head that does not end');
    if (end === -1) return false;
    const [first = '', ...lines] = this.#rest.toString('latin1', 0, end).split('\r\n');
    this.#rest = this.#rest.subarray(end + 4);
    const [, minor, code, reason] = /^HTTP\/1\.(\d) (\d{3}) ?(.*)$/.exec(first) ?? [];
    if (code === undefined) throw new Error('not HTTP');
    const headers = new Map(lines.map((line) => headerOf(line)));
    const connection = headers.get('connection')?.toLowerCase();
    this.keepsAlive = minor === '0' ? connection === 'keep-alive' : connection !== 'close';
    this.#place = bodyPlace(headers);
    const type = headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
    this.#events.head({ status: Number(code), reason: reason ?? '', type });
    return true;
  }
}

function headerOf(line: string): readonly [name: string, value: string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

function bodyPlace(headers: ReadonlyMap<string, string>): Place {
  if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked') return { at: 'chunk-size' };
  const length = headers.get('content-length');
  if (length === undefined) return { at: 'body', left: Number.POSITIVE_INFINITY };
  if (!/^\d{1,15}$/.test(length)) throw new Error('a length that is no number');
  return { at: 'body', left: Number(length) };
}
