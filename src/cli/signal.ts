import { UsageError } from '../errors.js';
import { requireSignal } from '../runtime/run-options.js';
import { signalDaemon } from '../runtime/signal-daemon.js';
import { type Handler, targets, userState } from './context.js';
import { printJson } from './output.js';

export const signalCommand: Handler = (parsed, caller) => {
  const given = parsed.operands.at(-1)!;
  const names = parsed.operands.slice(0, -1);
  if (names.length + (parsed.flags.pidfile === undefined ? 0 : 1) !== 1)
    throw new UsageError('cannot signal: give NAME SIGNAL, or --pidfile FILE SIGNAL');
  const signal = requireSignal(given, 'SIGNAL');
  const [target] = targets({ ...parsed, operands: names }, caller);
  const pid = signalDaemon(target!, signal, parsed.flags.group === true, userState());
  if (parsed.flags.json === true) printJson({ pid, signal });
  return 0;
};
