// XML-RPC and log streams of one server.
import type { LogSource, Parameter } from '../core/ctl/script.js';
import { ControlError, HttpError } from '../errors.js';
import {
  decodeResponse,
  encodeCall,
  XmlRpcError,
  XmlRpcFault,
  type XmlRpcValue,
} from '../formats/xml-rpc.js';
import { encodeBytes } from '../spec/byte-text.js';
import { BlockingClient } from './blocking-client.js';
import type { HttpClient } from './http-client.js';
import type { Answer, Request, Server } from './http-request.js';

export class RpcClient {
  readonly #server: Server;
  #http: HttpClient | BlockingClient | null = null;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Throws ControlError for a fault, HttpError for what is no answer, SystemError where nobody answers. */
  async call(method: string, params: readonly Parameter[]): Promise<XmlRpcValue> {
    const body = encodeBytes(encodeCall(method, params));
    const request = { method: 'POST', path: '/RPC2', body, accept: 'application/json, text/xml' } as const;
    const answer = await this.#request(request);
    try {
      return answer.type === 'application/json' ? decodeJson(answer.body) : decodeResponse(answer.body);
    } catch (error) {
      if (error instanceof XmlRpcFault) throw new ControlError(method, error.faultCode, error.faultString);
      if (error instanceof XmlRpcError) throw new HttpError(this.#server.url, null, error.message);
      throw error;
    }
  }

  close(): void {
    this.#http?.close();
    this.#http = null;
  }

  async #request(request: Request): Promise<Answer> {
    this.#http ??= await connect(this.#server);
    const http = this.#http;
    try {
      return await http.request(request);
    } finally {
      if (http instanceof BlockingClient && !http.keepsAlive) this.close();
    }
  }
}

/** Loads node:net where it is needed only: it costs time at every start. */
async function connect(server: Server): Promise<HttpClient | BlockingClient> {
  const path = server.url.startsWith('unix://') ? server.url.slice('unix://'.length) : '';
  const blocking = path.startsWith('/') ? BlockingClient.connect(server, path) : null;
  return blocking ?? (await openHttp(server));
}

async function openHttp(server: Server): Promise<HttpClient> {
  const { HttpClient: Client } = await import('./http-client.js');
  return new Client(server);
}

/**
 * Our own server answers in JSON where that is accepted: `{"value": ...}` or `{"fault": {"code": 10, "text": "..."}}`.
 * Of a thousand programs it is read in 2 ms, where XML takes longer than all the rest of `status`.
 */
function decodeJson(bytes: Buffer): XmlRpcValue {
  let answer: JsonAnswer;
  try {
    answer = JSON.parse(bytes.toString()) as JsonAnswer;
  } catch (error) {
    throw new XmlRpcError((error as Error).message);
  }
  if (answer.fault !== undefined) throw new XmlRpcFault(answer.fault.code, answer.fault.text);
  return answer.value ?? null;
}

interface JsonAnswer {
  readonly value?: XmlRpcValue;
  readonly fault?: { readonly code: number; readonly text: string };
}

/** The path of a log that does not end; names are quoted, since every byte may stand in one. */
export function logPath({ name, channel }: LogSource): string {
  if (name === null) return '/mainlogtail';
  const quoted = [...encodeBytes(name)].map((byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9:_.*-]/.test(character) ? character : `%${byte.toString(16).padStart(2, '0')}`;
  });
  return `/logtail/${quoted.join('')}/${channel}`;
}

/** Streams one log on a connection of its own until the server or the signal ends it. */
export async function followLog(
  server: Server,
  source: LogSource,
  signal: AbortSignal,
  onBytes: (bytes: Buffer) => void,
): Promise<void> {
  const client = await openHttp(server);
  return client.stream({ method: 'GET', path: logPath(source) }, signal, onBytes);
}
