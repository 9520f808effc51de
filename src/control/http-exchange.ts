// A request and its answer, as handlers see them.
import { errorBody, type Headers, type RequestHead } from './http-message.js';

export interface HttpRequest extends RequestHead {
  readonly body: Uint8Array;
}

/** Where an answer without end goes. */
export interface BodySink {
  /** False: wait for `drained` before the next piece. The bytes may change when this has returned. */
  readonly write: (piece: Uint8Array) => boolean;
  readonly end: () => void;
}

/** What feeds an answer without end. */
export interface BodySource {
  readonly drained: () => void;
  /** The client is gone; nothing may be written any more. */
  readonly closed: () => void;
}

export interface HttpResponse {
  readonly status: number;
  /** Before Content-Length, which is not among them. */
  readonly headers: Headers;
  /** A function is given the sink when the head has been sent; what comes then has no length. */
  readonly body: string | ((sink: BodySink) => BodySource);
  /** Called instead of the function that is the body, when the client has gone before. */
  readonly dropped?: () => void;
}

/** Medusa's page for a status, with its headers in its order. */
export function errorResponse(status: number, headers: Headers = []): HttpResponse {
  return { status, headers: [...headers, ['Content-Type', 'text/html']], body: errorBody(status) };
}

/** Medusa has the length before the type in its own pages, and last in all others. */
export function placeLength(headers: Headers, bytes: number): Headers {
  const length = ['Content-Length', String(bytes)] as const;
  const isErrorPage = headers.at(-1)?.[0] === 'Content-Type' && headers.at(-1)?.[1] === 'text/html';
  return isErrorPage ? [...headers.slice(0, -1), length, ...headers.slice(-1)] : [...headers, length];
}
