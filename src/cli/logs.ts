import { UsageError } from '../errors.js';
import { requireDaemon } from '../runtime/find-daemon.js';
import { type LogChunk, LogReader, logFiles, watchFiles } from '../runtime/read-logs.js';
import { statusOf } from '../runtime/status.js';
import { type Handler, targets, text, userState } from './context.js';
import { printJson, write } from './output.js';

export const logsCommand: Handler = async (parsed, caller) => {
  const [target, ...more] = targets(parsed, caller);
  if (target === undefined || more.length > 0)
    throw new UsageError('cannot show logs: give one NAME, or --pidfile FILE');
  const lines = parseLines(text(parsed, 'lines') ?? '10');
  const found = requireDaemon(target, userState());
  const files = logFiles(statusOf(target, userState()).outputs, found.what);
  const show = parsed.flags.json === true ? makeJsonPrinter() : makePlainPrinter(files.length > 1);
  const readers = files.map((file) => new LogReader(file, lines));
  /** False as soon as nobody reads us any more. */
  const showNew = (): boolean => {
    for (const reader of readers) for (const chunk of reader.read()) if (!show(chunk)) return false;
    return true;
  };
  if (parsed.flags.follow !== true) {
    showNew();
    return 0;
  }
  await new Promise<void>((readerGone) => {
    const follow = (): void => {
      if (showNew()) return;
      watcher[Symbol.dispose]();
      readerGone();
    };
    // Watch first, then read: nothing that is written in between is missed.
    const watcher = watchFiles(files, follow);
    follow();
  });
  return 0;
};

function parseLines(given: string): number {
  if (!/^\d{1,9}$/.test(given))
    throw new UsageError(`cannot use --lines '${given}': expected a number`, '--lines');
  return Number(given);
}

/** A letter may be cut by the end of a piece: each file has a decoder that keeps the rest for the next one. */
function makeJsonPrinter(): (chunk: LogChunk) => boolean {
  const decoders = new Map<string, InstanceType<typeof TextDecoder>>();
  return ({ file, bytes }) => {
    const decoder = decoders.get(file) ?? new TextDecoder();
    decoders.set(file, decoder);
    const text = decoder.decode(bytes, { stream: true });
    return text === '' || printJson({ file, text });
  };
}

/** As tail does with several files: a header whenever the file changes. */
function makePlainPrinter(withHeaders: boolean): (chunk: LogChunk) => boolean {
  let current = '';
  return ({ file, bytes }) => {
    const header = withHeaders && file !== current ? `${current === '' ? '' : '\n'}==> ${file} <==\n` : '';
    current = file;
    return write(1, header) && write(1, bytes);
  };
}
