// Logs over HTTP, as `supervisorctl tail -f` reads them: the last kilobyte, and then whatever is written.
import { FileTail } from '../os/file-tail.js';
import { type BodySink, type BodySource, errorResponse, type HttpResponse } from './http-exchange.js';
import type { Headers, RequestHead } from './http-message.js';

export type LogChannel = 'stdout' | 'stderr';

export interface LogSource {
  /** The file of a process, by `group:name`; null: no such process, or it has no such log. */
  readonly processLog: (namespec: string, channel: LogChannel) => string | null;
  /** null: the main log is no file. */
  readonly mainLog: () => string | null;
}

const HEAD_BYTES = 1024;

/** `/logtail/NAME` and `/logtail/NAME/CHANNEL`. */
export function answerLogTail(source: LogSource, { method, path }: RequestHead): HttpResponse {
  if (method !== 'GET') return errorResponse(400);
  const [, , namespec = '', channel = 'stdout', ...rest] = path.split('/');
  if ((channel !== 'stdout' && channel !== 'stderr') || rest.length > 0) return errorResponse(404);
  // The answer has no length; nginx would wait for its end.
  return answerTail(source.processLog(namespec, channel), [['X-Accel-Buffering', 'no']]);
}

export function answerMainLogTail(source: LogSource, { method }: RequestHead): HttpResponse {
  return method === 'GET' ? answerTail(source.mainLog(), []) : errorResponse(400);
}

function answerTail(file: string | null, headers: Headers): HttpResponse {
  let changed = (): void => {};
  const tail = file === null ? null : FileTail.open(file, HEAD_BYTES, () => changed());
  if (tail === null) return errorResponse(404);
  return {
    status: 200,
    headers: [
      ['Last-Modified', tail.modifiedAt.toUTCString()],
      ['Content-Type', 'text/plain;charset=utf-8'],
      ...headers,
    ],
    dropped: () => tail[Symbol.dispose](),
    body: (sink) => {
      const feed = new Feed(tail, sink);
      changed = () => feed.go();
      return feed;
    },
  };
}

/** Reads as fast as the client takes it. */
class Feed implements BodySource {
  readonly #tail: FileTail;
  readonly #sink: BodySink;
  #isFull = false;
  #isClosed = false;

  constructor(tail: FileTail, sink: BodySink) {
    this.#tail = tail;
    this.#sink = sink;
    // Once the connection knows us.
    setImmediate(() => this.go());
  }

  go(): void {
    // A piece at a time: a log of gigabytes must not hold up everybody else.
    if (this.#isFull || this.#isClosed) return;
    const piece = this.#read();
    if (piece === null) return;
    this.#isFull = !this.#sink.write(piece);
    setImmediate(() => this.go());
  }

  #read(): Uint8Array | null {
    try {
      return this.#tail.read();
    } catch {
      // The disk or the directory above went away under us: the tail ends, as it does for `tail -f`.
      this.#sink.end();
      return null;
    }
  }

  drained(): void {
    this.#isFull = false;
    this.go();
  }

  closed(): void {
    this.#isClosed = true;
    this.#tail[Symbol.dispose]();
  }
}
