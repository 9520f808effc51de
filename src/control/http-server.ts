// A server on one socket: who may connect, who may ask, how many at once, and that no request ever ends it.
import { type ListenAddress, type Listener, openListener } from '../os/listener.js';
import { visible } from '../spec/byte-text.js';
import { isLoopbackHost } from '../spec/loopback-host.js';
import { type Credentials, judgeAuthorization } from './basic-auth.js';
import { HttpConnection, type HttpLimits, type HttpOwner } from './http-connection.js';
import { errorResponse, type HttpRequest, type HttpResponse } from './http-exchange.js';
import { meansUs } from './same-site.js';

export type HttpHandler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

/** Levels of the main log. */
export type HttpLog = (level: 'critical' | 'error' | 'info' | 'trace', message: string) => void;

export interface HttpServerOptions {
  /** Where it was configured, such as `unix_http_server`: for the log. */
  readonly section: string;
  readonly credentials: Credentials | null;
  readonly handler: HttpHandler;
  readonly log: HttpLog;
  /** `allow_remote_without_password`: a TCP port that asks for no password may be open to other machines. */
  readonly allowOpenPort?: boolean;
  /** More than these, and the one that was silent longest goes. Programs need the descriptors, too. */
  readonly connectionsMax?: number;
  readonly limits?: Partial<HttpLimits>;
}

const defaultLimits: HttpLimits = {
  headBytes: 16 * 1024,
  bodyBytes: 8 * 1024 * 1024,
  allBodiesBytes: 32 * 1024 * 1024,
  requestMs: 60_000,
  stalledMs: 60_000,
};
const CONNECTIONS_MAX = 512;

export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #limits: HttpLimits;
  readonly #budget: { left: number };
  readonly #max: number;
  /** The one that was silent longest comes first. */
  readonly #connections = new Set<HttpConnection>();
  #listener: Listener | null = null;

  /** Rejects with UsageError, in supervisord's words, where the socket cannot be had. */
  static async listen(address: ListenAddress, options: HttpServerOptions): Promise<HttpServer> {
    const server = new HttpServer(options);
    const owner = server.#owner(address);
    server.#listener = await openListener(server.#restrict(address), {
      connected: (socket) => server.#connected(new HttpConnection(socket, owner)),
      noted: (text) => options.log('info', text),
    });
    if (options.credentials === null)
      options.log('critical', `Server '${options.section}' running without any HTTP authentication checking`);
    return server;
  }

  private constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#budget = { left: this.#limits.allBodiesBytes };
    this.#max = options.connectionsMax ?? CONNECTIONS_MAX;
  }

  /** Where an inet server listens. */
  get port(): number | null {
    return this.#listener?.port ?? null;
  }

  /** Ends every connection, also those that wait for an answer. */
  close(): void {
    this.#listener?.close();
    for (const connection of this.#connections) connection.destroy();
  }

  /** supervisord opens `port=9001` without a password to everybody; whoever reaches it can run commands as root. */
  #restrict(address: ListenAddress): ListenAddress {
    if (address.kind === 'unix' || this.#options.credentials !== null || this.#options.allowOpenPort)
      return address;
    if (isLoopbackHost(address.host)) return address;
    const host = '127.0.0.1';
    this.#options.log(
      'critical',
      `listening on ${host}:${address.port} only, not on ${address.host || '*'}: [${this.#options.section}] has no ` +
        'password, nor allow_remote_without_password=true',
    );
    return { ...address, host };
  }

  #connected(connection: HttpConnection): void {
    if (this.#connections.size >= this.#max && !this.#makeRoom()) {
      connection.destroy();
      return;
    }
    this.#connections.add(connection);
  }

  /** False: all of them wait for an answer. */
  #makeRoom(): boolean {
    for (const connection of this.#connections) {
      if (connection.isBusy) continue;
      this.#connections.delete(connection);
      connection.destroy();
      return true;
    }
    return false;
  }

  /** What a connection may ask of us. */
  #owner(address: ListenAddress): HttpOwner {
    const { credentials } = this.#options;
    return {
      limits: this.#limits,
      bodyBudget: this.#budget,
      admit: ({ headers }) =>
        credentials === null
          ? this.#judgeHost(address, headers.get('host'))
          : judgeAuthorization(credentials, headers.get('authorization')),
      handle: (request) => this.#handle(request),
      failed: (error) => this.#failed('a connection', error),
      active: (connection) => {
        if (this.#connections.delete(connection)) this.#connections.add(connection);
      },
      closed: (connection) => void this.#connections.delete(connection),
    };
  }

  /** Who may be asked by other machines has names that we cannot know. */
  #judgeHost(address: ListenAddress, host: string | undefined): HttpResponse | null {
    if (address.kind === 'unix' || this.#options.allowOpenPort || meansUs(host, address.host)) return null;
    const reason =
      `refused a request to ${visible(host ?? '')}: without a password only localhost and addresses are known here, ` +
      'for any web page could have another name lead here';
    this.#options.log('error', reason);
    return { status: 403, headers: [['Content-Type', 'text/plain']], body: `${reason}\n` };
  }

  async #handle(request: HttpRequest): Promise<HttpResponse> {
    try {
      return await this.#options.handler(request);
    } catch (error) {
      this.#failed(`${request.method} ${visible(request.path)}`, error);
      return errorResponse(500);
    }
  }

  #failed(what: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#options.log('critical', `${what} failed: ${text}`);
  }
}
