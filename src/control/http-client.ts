// HTTP to one server, over a unix socket or TCP: requests one after the other on one connection, and streams.
import { connect, type Socket } from 'node:net';
import { errnoNameOf, HttpError } from '../errors.js';
import {
  type Answer,
  connectError,
  encodeRequest,
  MOST_BODY_BYTES,
  type Request,
  type Server,
} from './http-request.js';
import { type ResponseHead, ResponseReader } from './http-response.js';
import { parseServerUrl, type ServerAddress } from './server-address.js';

/** Of a stream that was ended before it began. */
const ABORTED: ResponseHead = { status: 200, reason: '', type: '' };

/** One connection at a time, kept for the next request where the server keeps it. */
export class HttpClient {
  #socket: Socket | null = null;
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Throws HttpError for another status than 200, SystemError where nobody answers. */
  async request(request: Request): Promise<Answer> {
    const pieces: Buffer[] = [];
    let length = 0;
    const { type } = await this.#exchange(request, (piece, socket) => {
      length += piece.length;
      if (length <= MOST_BODY_BYTES) pieces.push(piece);
      else socket.destroy(new HttpError(this.#server.url, null, 'an answer that does not end'));
    });
    return { type, body: Buffer.concat(pieces) };
  }

  /** Hands over the body as it comes; resolves when the server or the signal ends it. */
  async stream(request: Request, signal: AbortSignal, onBytes: (bytes: Buffer) => void): Promise<void> {
    const stop = (): void => this.close();
    signal.addEventListener('abort', stop);
    try {
      await this.#exchange(request, onBytes, signal);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  #open(where: ServerAddress['connect']): Socket {
    const socket = connect(where);
    this.#socket = socket;
    // Between two requests nobody else listens, and the next one finds out by itself.
    socket
      .on('error', () => undefined)
      .on('close', () => {
        if (this.#socket === socket) this.#socket = null;
      });
    return socket;
  }

  #exchange(
    request: Request,
    onBytes: (bytes: Buffer, socket: Socket) => void,
    ending: AbortSignal | null = null,
  ): Promise<ResponseHead> {
    const { url } = this.#server;
    const { connect: where, host } = parseServerUrl(url);
    // What node:net takes for no path at all is to the kernel a name that nobody listens on.
    if ('path' in where && where.path === '') return Promise.reject(connectError(url, 'ECONNREFUSED'));
    const socket = this.#socket ?? this.#open(where);
    return new Promise((resolve, reject) => {
      let head: ResponseHead | null = null;
      const reader = new ResponseReader({
        head: (received) => {
          head = received;
        },
        body: (bytes) => {
          if (head?.status === 200) onBytes(bytes, socket);
        },
      });
      const settle = (outcome: ResponseHead | Error): void => {
        socket.off('data', receive).off('error', fail).off('close', close);
        if (outcome instanceof Error || !reader.keepsAlive) this.close();
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      };
      const answer = ({ status, reason, type }: ResponseHead): void =>
        settle(status === 200 ? { status, reason, type } : new HttpError(url, status, reason));
      const receive = (bytes: Buffer): void => {
        try {
          reader.push(bytes);
        } catch (error) {
          settle(new HttpError(url, null, (error as Error).message));
          return;
        }
        // A refusal has no body that matters, and a stream's need not end.
        if (head !== null && (reader.isComplete || (ending !== null && head.status !== 200))) answer(head);
      };
      const fail = (error: Error): void => {
        const isOurs = error instanceof HttpError;
        settle(isOurs ? error : connectError(url, errnoNameOf(error) ?? 'EIO', error));
      };
      const close = (): void => {
        if (ending?.aborted === true || (head !== null && (reader.finish() || ending !== null)))
          answer(head ?? ABORTED);
        else settle(new HttpError(url, null, 'Remote end closed connection without response'));
      };
      socket.on('data', receive).on('error', fail).on('close', close);
      socket.write(encodeRequest(request, host, this.#server));
    });
  }
}
