// Servers of our own in the test's process, and clients that send exactly the bytes they are told to.
import { connect, type Socket } from 'node:net';
import { RpcError } from '../../src/control/faults.js';
import { HttpServer, type HttpServerOptions } from '../../src/control/http-server.js';
import type { LogSource } from '../../src/control/log-tail.js';
import { type RpcEntry, type RpcMethods, withSystemMethods } from '../../src/control/rpc.js';
import { makeSupervisorHandler } from '../../src/control/supervisor-handler.js';
import { type SupervisorMethodName, supervisorMethods } from '../../src/control/supervisor-methods.js';
import type { XmlRpcValue } from '../../src/formats/xml-rpc.js';

/** Everything that the server said about itself. */
export class Journal {
  readonly lines: string[] = [];
  /** All but the one about a missing password, which most tests do not set, and those about each call. */
  readonly log = (level: string, message: string): void => {
    if (level !== 'trace' && !message.endsWith('running without any HTTP authentication checking'))
      this.lines.push(`${level} ${message}`);
  };
}

type Runs = Partial<Record<SupervisorMethodName, RpcEntry['run']>>;

/** All methods of supervisor; those that are not given answer with a fault. */
export function makeMethods(runs: Runs): RpcMethods {
  const entries = Object.entries(supervisorMethods).map(([name, entry]): [string, RpcEntry] => [
    `supervisor.${name}`,
    {
      ...entry,
      run:
        runs[name as SupervisorMethodName] ??
        ((): XmlRpcValue => {
          throw new RpcError('FAILED', `${name} is not part of this test`);
        }),
    },
  ]);
  return withSystemMethods(new Map(entries));
}

export interface TestServer extends AsyncDisposable {
  readonly journal: Journal;
  readonly server: HttpServer;
  readonly path: string;
}

export const noLogs: LogSource = { processLog: () => null, mainLog: () => null };

/** Listens on a socket at the path. */
export async function serve(
  path: string,
  { runs = {}, logs = noLogs, ...options }: { runs?: Runs; logs?: LogSource } & Partial<HttpServerOptions>,
): Promise<TestServer> {
  const journal = new Journal();
  const handler = makeSupervisorHandler({ methods: makeMethods(runs), logs, log: journal.log });
  const server = await HttpServer.listen(
    { kind: 'unix', path, mode: 0o700, owner: null },
    { section: 'unix_http_server', credentials: null, handler, log: journal.log, ...options },
  );
  return {
    journal,
    server,
    path,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

/** A client that says what it is told and keeps what it hears. */
export class RawClient implements Disposable {
  readonly socket: Socket;
  heard = '';
  isEnded = false;
  isClosed = false;

  constructor(to: string | number) {
    const options = typeof to === 'number' ? { port: to, host: '127.0.0.1' } : { path: to };
    this.socket = connect({ ...options, allowHalfOpen: true });
    this.socket.on('data', (piece: Buffer) => {
      this.heard += piece.toString('latin1');
    });
    this.socket.on('end', () => {
      this.isEnded = true;
    });
    // Being cut off is one of the answers.
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isClosed = true;
      this.isEnded = true;
    });
  }

  say(text: string | Uint8Array): this {
    this.socket.write(text);
    return this;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** Sends a request and returns the whole answer once the server has ended the connection. */
export function ask(to: string | number, text: string): Promise<string> {
  const client = new RawClient(to);
  client.say(text);
  return new Promise((resolve) => {
    client.socket.once('end', () => {
      resolve(client.heard);
      client.socket.destroy();
    });
    client.socket.once('close', () => resolve(client.heard));
  });
}

export function post(body: string, headers: readonly string[] = []): string {
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  return `${['POST /RPC2 HTTP/1.1', 'Host: localhost', ...headers, length].join('\r\n')}\r\n\r\n${body}`;
}

export const get = (path: string, headers: readonly string[] = ['Connection: close']): string =>
  `${[`GET ${path} HTTP/1.1`, 'Host: localhost', ...headers].join('\r\n')}\r\n\r\n`;
