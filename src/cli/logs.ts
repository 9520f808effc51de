import { UsageError } from '../errors.js';
import { requireDaemon } from '../runtime/find-daemon.js';
import { type LogChunk, LogReader, logFiles, watchFiles } from '../runtime/read-logs.js';
import { type Handler, targets, text, userState } from './context.js';
import { printJson, write } from './output.js';

export const logsCommand: Handler = async (parsed, caller) => {
  const [target, ...more] = targets(parsed, caller);
  if (target === undefined || more.length > 0)
    throw new UsageError('cannot show logs: give one NAME, or --pidfile FILE');
  const found = requireDaemon(target, userState());
  const files = logFiles(found.record?.outputs ?? [], found.what);
  const lines = parseLines(text(parsed, 'lines') ?? '10');
  const show = parsed.flags.json === true ? showAsJson : makePlainPrinter(files.length > 1);
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

const showAsJson = ({ file, bytes }: LogChunk): boolean =>
  printJson({ file, text: Buffer.from(bytes).toString() });

/** As tail does with several files: a header whenever the file changes. */
function makePlainPrinter(withHeaders: boolean): (chunk: LogChunk) => boolean {
  let current = '';
  return ({ file, bytes }) => {
    const header = withHeaders && file !== current ? `${current === '' ? '' : '\n'}==> ${file} <==\n` : '';
    current = file;
    return write(1, header) && write(1, bytes);
  };
}
