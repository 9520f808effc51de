import { UsageError } from '../errors.js';
import { requireDaemon } from '../runtime/find-daemon.js';
import { type LogChunk, LogReader, logFiles, watchFiles } from '../runtime/read-logs.js';
import { type Handler, printJson, targets, text, userState } from './context.js';

export const logsCommand: Handler = async (parsed, caller) => {
  const [target, ...more] = targets(parsed, caller);
  if (target === undefined || more.length > 0) throw new UsageError('cannot show logs: give one NAME, or --pidfile FILE');
  const found = requireDaemon(target, userState());
  const files = logFiles(found.record?.outputs ?? [], found.what);
  const lines = parseLines(text(parsed, 'lines') ?? '10');
  const show = parsed.flags.json === true ? showAsJson : makePlainPrinter(files.length > 1);
  const readers = files.map((file) => new LogReader(file, lines));
  const showNew = (): void => {
    for (const reader of readers) for (const chunk of reader.read()) show(chunk);
  };
  if (parsed.flags.follow !== true) {
    showNew();
    return 0;
  }
  // Watch first, then read: what is written in between is seen twice at most by us, never missed.
  using _watch = watchFiles(files, showNew);
  showNew();
  // The reader of our output has gone: nobody is left to follow for.
  await new Promise((resolve) => process.stdout.once('error', resolve));
  return 0;
};

function parseLines(given: string): number {
  if (!/^\d{1,9}$/.test(given)) throw new UsageError(`cannot use --lines '${given}': expected a number`, '--lines');
  return Number(given);
}

const showAsJson = ({ file, bytes }: LogChunk): void => printJson({ file, text: Buffer.from(bytes).toString() });

/** As tail does with several files: a header whenever the file changes. */
function makePlainPrinter(withHeaders: boolean): (chunk: LogChunk) => void {
  let current = '';
  return ({ file, bytes }) => {
    if (withHeaders && file !== current) process.stdout.write(`${current === '' ? '' : '\n'}==> ${file} <==\n`);
    current = file;
    process.stdout.write(bytes);
  };
}
