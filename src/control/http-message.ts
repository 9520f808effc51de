// HTTP/1.0 and 1.1 as text: what a client may send, and what supervisord's server (medusa) answers. Nothing waits here.

export type HttpVersion = '1.0' | '1.1';

export interface RequestHead {
  readonly method: string;
  /** Percent signs decoded, without the query. */
  readonly path: string;
  /** Without its question mark, as it was sent. */
  readonly query: string;
  readonly version: HttpVersion;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** null: no length was sent. */
  readonly bodyBytes: number | null;
  /** Whether the connection may serve another request. */
  readonly keepAlive: boolean;
}

/** Why a request is not even looked at. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP\/1\.(\d)$/;
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\0\r\n]*)$/;
const HEADERS_MAX = 100;

/** Reads what stands before the empty line, as Latin-1; throws HttpError. */
export function parseHead(text: string): RequestHead {
  const [requestLine = '', ...lines] = text.split('\r\n');
  const match = REQUEST_LINE.exec(requestLine);
  if (match === null) throw new HttpError(400, 'bad request line');
  const [, method, target, minor] = match as unknown as [string, string, string, string];
  const version = minor === '0' ? '1.0' : '1.1';
  const headers = readHeaders(lines);
  return {
    method,
    ...splitTarget(target),
    version,
    headers,
    bodyBytes: readLength(headers),
    keepAlive: keepsAlive(version, headers.get('connection') ?? ''),
  };
}

function readHeaders(lines: readonly string[]): ReadonlyMap<string, string> {
  if (lines.length > HEADERS_MAX) throw new HttpError(400, `more than ${HEADERS_MAX} headers`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const match = HEADER.exec(line);
    if (match === null) throw new HttpError(400, 'bad header line');
    const name = match[1]!.toLowerCase();
    const value = match[2]!.trimEnd();
    const before = headers.get(name);
    // Two lengths would let two readers see two different requests.
    if (name === 'content-length' && before !== undefined && before !== value)
      throw new HttpError(400, 'two lengths');
    headers.set(name, before === undefined || name === 'content-length' ? value : `${before}, ${value}`);
  }
  return headers;
}

function readLength(headers: ReadonlyMap<string, string>): number | null {
  // As supervisord: none of its clients sends a body in pieces.
  if (headers.has('transfer-encoding')) throw new HttpError(411, 'a body without length');
  const length = headers.get('content-length');
  if (length === undefined) return null;
  if (!/^\d{1,15}$/.test(length)) throw new HttpError(400, 'bad length');
  return Number(length);
}

function keepsAlive(version: HttpVersion, connection: string): boolean {
  const options = connection.toLowerCase().split(/[ \t]*,[ \t]*/);
  return version === '1.0' ? options.includes('keep-alive') : !options.includes('close');
}

function splitTarget(target: string): { path: string; query: string } {
  const [whole] = target.replace(/^https?:\/\/[^/?#]*/i, '').split('#') as [string];
  const mark = whole.indexOf('?');
  const written = mark === -1 ? whole : whole.slice(0, mark);
  try {
    const path = decodeURIComponent(Buffer.from(written, 'latin1').toString());
    return { path: `/${path.replace(/^\/+/, '')}`, query: mark === -1 ? '' : whole.slice(mark + 1) };
  } catch {
    // URIError: a percent sign without its digits, or digits that are not UTF-8.
    throw new HttpError(400, 'bad path');
  }
}

export type Headers = readonly (readonly [name: string, value: string])[];

const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  301: 'Moved Permanently',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Time-out',
  411: 'Length Required',
  413: 'Request Entity Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** Scripts look for medusa's name, as they look for its headers and their order. */
export function formatHead(version: HttpVersion, status: number, now: Date, headers: Headers): string {
  const lines = [
    `HTTP/${version} ${status} ${reasons[status] ?? 'Unknown'}`,
    'Server: Medusa/1.12',
    `Date: ${now.toUTCString()}`,
    // No header of ours comes from outside in whole, and none may begin another.
    ...headers.map(([name, value]) => `${name}: ${value.replace(/[^\t\x20-\x7e]/g, '?')}`),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** The page that medusa makes of a status. */
export function errorBody(status: number): string {
  return [
    '<head>',
    '<title>Error response</title>',
    '</head>',
    '<body>',
    '<h1>Error response</h1>',
    `<p>Error code ${status}.`,
    `<p>Message: ${reasons[status] ?? 'Unknown'}.`,
    '</body>',
    '',
  ].join('\r\n');
}
