// Lines of a program's output as they go into its log: after the time, or each as a JSON object.
import type { LineFormat } from '../spec/service-spec.js';

/**
 * A longer line goes in pieces, so that nobody has to hold it whole. With timestamps the pieces stand one behind the
 * other, as they came; in JSON all but the last say `"partial":true`.
 */
export const LINE_BYTES = 65_536;

export interface LineContext {
  readonly format: LineFormat;
  readonly stream: string;
  /** As Date.toISOString() writes it. */
  readonly time: string;
  /** No further line is begun when the output is as long as this. */
  readonly roomBytes: number;
  /** Nothing follows: what is left without a newline is taken as a line, and gets one. */
  readonly atEnd: boolean;
  /** The input goes on a line of which a piece has been taken. */
  readonly continues: boolean;
}

export interface TakenLines {
  readonly output: Buffer;
  /** How many bytes of the input the output stands for. */
  readonly consumed: number;
  readonly continues: boolean;
}

const NEWLINE = 10;

/** Takes whole lines, at least one if there is one. */
export function takeLines(input: Buffer, context: LineContext): TakenLines {
  const write = context.format === 'timestamps' ? stampedLine : jsonLine;
  const pieces: string[] = [];
  let { continues } = context;
  let consumed = 0;
  for (let length = 0; length < context.roomBytes; ) {
    const end = input.indexOf(NEWLINE, consumed);
    const available = (end === -1 ? input.length : end) - consumed;
    const isWhole = end !== -1 && available <= LINE_BYTES;
    const isLast = end === -1 && available < LINE_BYTES;
    if (isLast && !(context.atEnd && (available > 0 || continues))) break;
    const isPiece = !isWhole && !isLast;
    const stop = isPiece ? characterBoundary(input, consumed, consumed + LINE_BYTES) : consumed + available;
    const text = write(input, consumed, stop, { ...context, continues }, isPiece);
    pieces.push(text);
    length += text.length;
    consumed = isWhole ? stop + 1 : stop;
    continues = isPiece;
    if (isLast) break;
  }
  const encoding = context.format === 'timestamps' ? 'latin1' : 'utf8';
  return { output: Buffer.from(pieces.join(''), encoding), consumed, continues };
}

type LineWriter = (
  input: Buffer,
  start: number,
  stop: number,
  context: LineContext,
  isPiece: boolean,
) => string;

/** Latin-1 carries every byte as it is, UTF-8 or not, and is by far the fastest to convert. */
const stampedLine: LineWriter = (input, start, stop, { time, continues }, isPiece) =>
  `${continues ? '' : `${time} `}${input.toString('latin1', start, stop)}${isPiece ? '' : '\n'}`;

/** JSON is UTF-8: what is not becomes U+FFFD. */
const jsonLine: LineWriter = (input, start, stop, { time, stream }, isPiece) =>
  `{"time":"${time}","stream":${JSON.stringify(stream)},"text":${JSON.stringify(input.toString('utf8', start, stop))}${isPiece ? ',"partial":true' : ''}}\n`;

/** At most three bytes before `stop`, so that no character is cut in two. */
function characterBoundary(input: Buffer, start: number, stop: number): number {
  for (let at = stop; at > Math.max(start, stop - 4); at -= 1) {
    if ((input[at] ?? 0) >> 6 !== 0b10) return at;
  }
  return stop;
}
