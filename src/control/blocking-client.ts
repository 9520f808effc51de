// HTTP over a unix socket without an event loop: one request after the other, each waited for.
import { errnoNameOf, HttpError } from '../errors.js';
import { UnixConnection } from '../os/unix-connection.js';
import {
  type Answer,
  connectError,
  encodeRequest,
  MOST_BODY_BYTES,
  type Request,
  type Server,
} from './http-request.js';
import { type ResponseHead, ResponseReader } from './http-response.js';

const PIECE_BYTES = 262_144;

export class BlockingClient {
  readonly #server: Server;
  readonly #piece = Buffer.allocUnsafe(PIECE_BYTES);
  #connection: UnixConnection;

  private constructor(server: Server, connection: UnixConnection) {
    this.#server = server;
    this.#connection = connection;
  }

  /** null where this way is not open. Throws SystemError where nobody answers. */
  static connect(server: Server, path: string): BlockingClient | null {
    try {
      const connection = UnixConnection.open(path);
      return connection === null ? null : new BlockingClient(server, connection);
    } catch (error) {
      throw connectError(server.url, errnoNameOf(error) ?? 'EIO', error);
    }
  }

  /** Whether the server keeps the connection for another request. */
  keepsAlive = true;

  /** Throws HttpError for another status than 200, SystemError where the connection breaks. */
  request(request: Request): Answer {
    const { url } = this.#server;
    let head: ResponseHead | null = null as ResponseHead | null;
    const pieces: Buffer[] = [];
    let length = 0;
    const reader = new ResponseReader({
      head: (received) => {
        head = received;
      },
      body: (bytes) => {
        length += bytes.length;
        if (length > MOST_BODY_BYTES) throw new Error('an answer that does not end');
        // The next piece is read into the same place.
        pieces.push(Buffer.from(bytes));
      },
    });
    this.#exchange(encodeRequest(request, 'localhost', this.#server), reader);
    this.keepsAlive = reader.keepsAlive;
    if (head === null || !reader.isComplete)
      throw new HttpError(url, null, 'Remote end closed connection without response');
    if (head.status !== 200) throw new HttpError(url, head.status, head.reason);
    return { type: head.type, body: Buffer.concat(pieces) };
  }

  close(): void {
    this.#connection.close();
  }

  #exchange(bytes: Buffer, reader: ResponseReader): void {
    const { url } = this.#server;
    try {
      this.#connection.write(bytes);
      for (let count = 1; count > 0 && !reader.isComplete; ) {
        count = this.#connection.read(this.#piece);
        push(reader, this.#piece.subarray(0, count), url);
      }
    } catch (error) {
      const errnoName = errnoNameOf(error);
      throw error instanceof HttpError || errnoName === null ? error : connectError(url, errnoName, error);
    }
    reader.finish();
  }
}

function push(reader: ResponseReader, bytes: Buffer, url: string): void {
  try {
    reader.push(bytes);
  } catch (error) {
    throw new HttpError(url, null, (error as Error).message);
  }
}
