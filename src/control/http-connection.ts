// One connection: requests one after the other, answers in the same order, and limits on everything that the other
// side could make long.
import type { Socket } from 'node:net';
import {
  type BodySink,
  type BodySource,
  errorResponse,
  type HttpRequest,
  type HttpResponse,
  placeLength,
} from './http-exchange.js';
import {
  formatHead,
  type Headers,
  HttpError,
  type HttpVersion,
  parseHead,
  type RequestHead,
} from './http-message.js';

export interface HttpLimits {
  readonly headBytes: number;
  readonly bodyBytes: number;
  /** All bodies that are being received, together. */
  readonly allBodiesBytes: number;
  /** From the first byte of a request, or the connection's beginning, to the request's last byte. */
  readonly requestMs: number;
  /** How long a client may take none of its answer. */
  readonly stalledMs: number;
}

/** What a connection asks of the server that it belongs to. */
export interface HttpOwner {
  readonly limits: HttpLimits;
  /** Before the body is read: an answer if the request is refused. */
  readonly admit: (head: RequestHead) => HttpResponse | null;
  readonly handle: (request: HttpRequest) => Promise<HttpResponse>;
  /** Room for bodies, taken and given back. */
  readonly bodyBudget: { left: number };
  /** Something went wrong that never should; the connection is given up. */
  readonly failed: (error: unknown) => void;
  /** The connection did something: it is not the one to go when there are too many. */
  readonly active: (connection: HttpConnection) => void;
  readonly closed: (connection: HttpConnection) => void;
}

/** How long what a refused client still sends is thrown away, so that the refusal reaches it. */
const LINGER_MS = 2000;
const HEAD_END = Buffer.from('\r\n\r\n');
/**
 * Node writes a string of at most 16 KiB from its stack. Longer ones, and Buffers, are memory outside of V8's heap, of
 * which it lets megabytes pile up before it looks.
 */
const PIECE_CHARACTERS = 5000;
const EMPTY = Buffer.alloc(0);

export class HttpConnection {
  readonly #socket: Socket;
  readonly #owner: HttpOwner;
  /** Received and not yet understood. */
  #pending: Buffer = EMPTY;
  /** A request whose body is not complete. */
  #receiving: { readonly head: RequestHead; readonly pieces: Buffer[]; missing: number } | null = null;
  #taken = 0;
  #state: 'reading' | 'answering' | 'closing' = 'reading';
  /** The client sends no more; it may still wait for its answers. */
  #ended = false;
  #source: BodySource | null = null;
  /** The body of an answer that has a length, and how much of it has been written. */
  #outgoing = '';
  #sent = 0;
  #closesAfter = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(socket: Socket, owner: HttpOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.#armTimer(owner.limits.requestMs);
    socket.on('data', (piece: Buffer) => this.#guard(() => this.#received(piece)));
    socket.on('end', () => this.#guard(() => this.#inputEnded()));
    socket.on('drain', () => this.#guard(() => this.#drained()));
    // 'close' follows, which is all there is to do: ECONNRESET and EPIPE are how clients leave.
    socket.on('error', () => {});
    socket.on('close', () => this.#closed());
  }

  /** Whether somebody waits for an answer that has an end: that connection must not be given up for another. */
  get isBusy(): boolean {
    return this.#state === 'answering' && this.#source === null;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** An error in an event has no caller who could catch it, and would end the supervisor. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#owner.failed(error);
    this.#socket.destroy();
  }

  #received(piece: Buffer): void {
    if (this.#state === 'closing' || this.#source !== null) return;
    this.#owner.active(this);
    if (this.#timer === null && this.#state === 'reading') this.#armTimer(this.#owner.limits.requestMs);
    if (this.#receiving === null) {
      this.#pending = this.#pending.length === 0 ? piece : Buffer.concat([this.#pending, piece]);
      // Requests that come before the answer to the last wait in the kernel's buffers, not in ours.
      if (this.#state === 'answering') this.#socket.pause();
    } else this.#receiveBody(piece);
    this.#advance();
  }

  /** Takes requests out of what was received, until one has to be waited for. */
  #advance(): void {
    while (this.#state === 'reading') {
      if (this.#receiving === null && !this.#readHead()) return;
      if (this.#receiving !== null) {
        if (this.#receiving.missing > 0) return;
        this.#complete();
      }
    }
  }

  /** False: the head is not complete. */
  #readHead(): boolean {
    const start = skipLineEnds(this.#pending);
    const end = this.#pending.indexOf(HEAD_END, start);
    const { headBytes } = this.#owner.limits;
    if ((end === -1 ? this.#pending.length : end) - start > headBytes) {
      this.#refuse(errorResponse(400), '1.1');
      return true;
    }
    if (end === -1) return false;
    const text = this.#pending.toString('latin1', start, end);
    const rest = this.#pending.subarray(end + HEAD_END.length);
    this.#pending = EMPTY;
    this.#beginRequest(text, rest);
    return true;
  }

  #beginRequest(text: string, rest: Buffer): void {
    let head: RequestHead;
    try {
      head = parseHead(text);
    } catch (error) {
      this.#refuse(errorResponse(error instanceof HttpError ? error.status : 500), '1.1');
      return;
    }
    const refusal = this.#owner.admit(head) ?? this.#judgeLength(head);
    if (refusal !== null) {
      this.#refuse(refusal, head.version);
      return;
    }
    this.#receiving = { head, pieces: [], missing: head.bodyBytes ?? 0 };
    // curl waits for it before it sends a long body.
    if (head.headers.get('expect')?.toLowerCase() === '100-continue')
      this.#socket.write(`HTTP/${head.version} 100 Continue\r\n\r\n`);
    this.#receiveBody(rest);
  }

  #judgeLength({ method, bodyBytes }: RequestHead): HttpResponse | null {
    if (method === 'POST' && bodyBytes === null) return errorResponse(411);
    return (bodyBytes ?? 0) > this.#owner.limits.bodyBytes ? errorResponse(413) : null;
  }

  #receiveBody(piece: Buffer): void {
    const request = this.#receiving!;
    const body = piece.subarray(0, request.missing);
    if (body.length > this.#owner.bodyBudget.left) {
      this.#refuse(errorResponse(503), request.head.version);
      return;
    }
    this.#owner.bodyBudget.left -= body.length;
    this.#taken += body.length;
    if (body.length > 0) request.pieces.push(body);
    request.missing -= body.length;
    this.#pending = piece.subarray(body.length);
  }

  #complete(): void {
    const { head, pieces } = this.#receiving!;
    this.#receiving = null;
    this.#state = 'answering';
    this.#clearTimer();
    const request = { ...head, body: pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces) };
    this.#owner.handle(request).then(
      (response) => this.#guard(() => this.#answer(response, head)),
      (error: unknown) => this.#fail(error),
    );
  }

  #answer(response: HttpResponse, { method, version, keepAlive }: RequestHead): void {
    this.#returnBudget();
    if (this.#socket.destroyed) response.dropped?.();
    else if (typeof response.body === 'function') this.#stream(response, version, response.body);
    else {
      const isLast = this.#ended && this.#pending.length === 0;
      this.#send(response, version, method === 'HEAD', keepAlive && !isLast);
    }
  }

  #send(response: HttpResponse, version: HttpVersion, isHead: boolean, keepAlive: boolean): void {
    const body = response.body as string;
    const persistence: Headers = !keepAlive
      ? [['Connection', 'close']]
      : version === '1.0'
        ? [['Connection', 'Keep-Alive']]
        : [];
    const head = formatHead(version, response.status, new Date(), [
      ...placeLength(response.headers, Buffer.byteLength(body)),
      ...persistence.filter(([name]) => !response.headers.some(([other]) => other === name)),
    ]);
    this.#outgoing = isHead ? '' : body;
    this.#sent = 0;
    this.#closesAfter = !keepAlive;
    this.#state = 'answering';
    this.#pump(head);
  }

  /** A piece at a time, so that a client that takes a long answer slowly is told from one that takes none. */
  #pump(head = ''): void {
    for (let before = head; before !== '' || this.#sent < this.#outgoing.length; before = '') {
      const end = endOfPiece(this.#outgoing, this.#sent);
      const piece = this.#outgoing.slice(this.#sent, end);
      this.#sent = end;
      if (!this.#socket.write(before + piece)) {
        this.#armTimer(this.#owner.limits.stalledMs);
        return;
      }
    }
    this.#outgoing = '';
    if (this.#closesAfter) this.#close();
    else this.#next();
  }

  #next(): void {
    this.#clearTimer();
    this.#state = 'reading';
    this.#socket.resume();
    if (this.#pending.length > 0) this.#armTimer(this.#owner.limits.requestMs);
    this.#advance();
    if (this.#ended && this.#state === 'reading') this.#close();
  }

  #stream(response: HttpResponse, version: HttpVersion, start: (sink: BodySink) => BodySource): void {
    const isChunked = version === '1.1';
    const headers: Headers = isChunked ? [['Transfer-Encoding', 'chunked']] : [['Connection', 'close']];
    this.#socket.write(formatHead(version, response.status, new Date(), [...response.headers, ...headers]));
    // What comes now is thrown away: there will be no other request, and the client's leaving is to be seen.
    this.#socket.resume();
    this.#pending = EMPTY;
    this.#source = start({
      write: (piece) => {
        if (!isChunked) return this.#socket.write(Buffer.from(piece));
        const size = Buffer.from(`${piece.length.toString(16)}\r\n`);
        return this.#socket.write(Buffer.concat([size, piece, Buffer.from('\r\n')]));
      },
      end: () => {
        if (isChunked) this.#socket.write('0\r\n\r\n');
        this.#close();
      },
    });
    if (this.#ended) this.#close();
  }

  #drained(): void {
    if (this.#source !== null) this.#source.drained();
    else if (this.#state === 'answering') this.#pump();
  }

  #inputEnded(): void {
    this.#ended = true;
    // Half a request will never be whole; an answer without end has nobody who could want its end.
    if (this.#state === 'reading' || this.#source !== null) this.#close();
  }

  #refuse(response: HttpResponse, version: HttpVersion): void {
    this.#receiving = null;
    this.#pending = EMPTY;
    this.#returnBudget();
    this.#send(response, version, false, false);
  }

  /** Everything is written first. What still comes is read and dropped: closing at once would cut the answer off. */
  #close(): void {
    this.#state = 'closing';
    this.#pending = EMPTY;
    this.#endSource();
    this.#socket.end();
    this.#socket.resume();
    this.#armTimer(this.#socket.writableLength > 0 ? this.#owner.limits.stalledMs : LINGER_MS);
  }

  #endSource(): void {
    const source = this.#source;
    this.#source = null;
    source?.closed();
  }

  #closed(): void {
    this.#clearTimer();
    this.#returnBudget();
    this.#endSource();
    this.#owner.closed(this);
  }

  #returnBudget(): void {
    this.#owner.bodyBudget.left += this.#taken;
    this.#taken = 0;
  }

  #armTimer(ms: number): void {
    this.#clearTimer();
    this.#timer = setTimeout(() => this.#timedOut(), ms);
    this.#timer.unref();
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #timedOut(): void {
    this.#timer = null;
    if (this.#state === 'reading' && (this.#pending.length > 0 || this.#receiving !== null))
      this.#refuse(errorResponse(408), '1.1');
    else this.#socket.destroy();
  }
}

function endOfPiece(text: string, start: number): number {
  const end = start + PIECE_CHARACTERS;
  const last = text.charCodeAt(end - 1);
  // Not between the two halves of a character.
  return last >= 0xd800 && last <= 0xdbff ? end - 1 : end;
}

/** Some clients send a line end after a body. */
function skipLineEnds(bytes: Buffer): number {
  let start = 0;
  while (bytes[start] === 0x0d || bytes[start] === 0x0a) start += 1;
  return start;
}
