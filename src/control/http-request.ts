// What is sent to a server, whoever sends it.
import { SystemError } from '../errors.js';

export interface Server {
  readonly url: string;
  readonly username: string | null;
  readonly password: string | null;
}

export interface Request {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: Uint8Array;
  readonly accept?: string;
}

export interface Answer {
  /** Without its parameters. */
  readonly type: string;
  readonly body: Buffer;
}

/** An XML-RPC answer is smaller, or something is wrong. */
export const MOST_BODY_BYTES = 2 ** 28;

export function encodeRequest(
  { method, path, body = new Uint8Array(), accept = '*/*' }: Request,
  host: string,
  { username, password }: Server,
): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, 'Accept-Encoding: identity'];
  if (method === 'POST')
    lines.push('Content-Type: text/xml', `Accept: ${accept}`, `Content-Length: ${body.length}`);
  if (username !== null && password !== null)
    lines.push(`Authorization: Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`);
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);
}

export const connectError = (url: string, errnoName: string, cause?: unknown): SystemError =>
  new SystemError(`cannot reach ${url}`, { syscall: 'connect', errnoName }, cause);
