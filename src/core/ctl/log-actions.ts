// The actions that show what was logged: tail, maintail, fg.
import { ControlError } from '../../errors.js';
import { faultCodes as faults } from '../../spec/faults.js';
import { readInteger, repr, splitWords } from '../../spec/python-text.js';
import { structOf, textOf } from './answers.js';
import { checkServer } from './check-server.js';
import { exits, faultError } from './faults.js';
import { misuse } from './misuse.js';
import { call, type LogSource, type Script, ScriptError, type Session, say } from './script.js';

const DEFAULT_BYTES = 1600;
const RUNNING = 20;
/** XML-RPC's integers have 32 bits. */
const MOST = 2 ** 31;

export function* tail(rest: string, session: Session): Script<number> {
  const checked = yield* checkServer(session);
  if (checked !== exits.success) return checked;
  const words = splitWords(rest);
  if (words.length === 0) return yield* misuse('Error: too few arguments', 'tail');
  if (words.length > 3) return yield* misuse('Error: too many arguments', 'tail');
  const modifier = words[0]!.startsWith('-') ? words.shift()! : null;
  const name = words[0];
  if (name === undefined) return yield* misuse('Error: tail requires process name', null);
  const channel = words.length === 1 ? 'stdout' : words.at(-1)!.toLowerCase();
  if (channel !== 'stdout' && channel !== 'stderr')
    return yield* misuse(`Error: bad channel ${repr(channel)}`, null);
  return yield* showEnd(modifier, { name, channel });
}

export function* maintail(rest: string, session: Session): Script<number> {
  const checked = yield* checkServer(session);
  if (checked !== exits.success) return checked;
  const words = splitWords(rest);
  if (words.length > 1) return yield* misuse('Error: too many arguments', 'maintail');
  const [modifier = null] = words;
  if (modifier !== null && !modifier.startsWith('-'))
    return yield* misuse(`Error: bad argument ${modifier}`, null);
  return yield* showEnd(modifier, { name: null, channel: 'stdout' });
}

function* showEnd(modifier: string | null, source: LogSource): Script<number> {
  if (modifier === '-f') {
    yield* say('==> Press Ctrl-C to exit <==');
    yield { step: 'follow', source };
    return exits.success;
  }
  const bytes = modifier === null ? DEFAULT_BYTES : readInteger(modifier.slice(1));
  if (bytes === null) return yield* misuse(`Error: bad argument ${modifier}`, null);
  if (bytes > MOST || bytes <= -MOST) throw new ScriptError('OverflowError', 'int exceeds XML-RPC limits');
  const { name, channel } = source;
  const facts = name === null ? {} : { name, channel };
  try {
    const text = textOf(
      name === null
        ? yield* call('readLog', -bytes, 0)
        : yield* call(
            channel === 'stdout' ? 'readProcessStdoutLog' : 'readProcessStderrLog',
            name,
            -bytes,
            0,
          ),
    );
    yield { step: 'print', lines: [{ text, result: { ...facts, text }, raw: true }] };
    return exits.success;
  } catch (error) {
    const words = error instanceof ControlError ? wordsFor(error.fault, name) : undefined;
    if (words === undefined) throw error;
    yield* say(`${name ?? 'supervisord'}: ERROR (${words})`, {
      ...facts,
      error: faultError((error as ControlError).fault, words),
    });
    return exits.generic;
  }
}

function wordsFor(fault: number, name: string | null): string | undefined {
  if (fault === faults.NO_FILE) return 'no log file';
  if (fault === faults.FAILED) return 'unknown error reading log';
  return fault === faults.BAD_NAME && name !== null ? 'no such process name' : undefined;
}

export function* fg(rest: string, session: Session): Script<number> {
  const checked = yield* checkServer(session);
  if (checked !== exits.success) return checked;
  const [name, ...more] = splitWords(rest);
  if (name === undefined) return yield* misuse('ERROR: no process name supplied', 'fg');
  if (more.length > 0) return yield* misuse('ERROR: too many process names supplied', null);
  try {
    const { state } = structOf(yield* call('getProcessInfo', name));
    if (state !== RUNNING) {
      const text = 'process not running';
      yield* say(`ERROR: ${text}`, { name, error: faultError(faults.NOT_RUNNING, text) });
      return exits.generic;
    }
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    const isUnknown = error.fault === faults.BAD_NAME;
    const text = isUnknown ? 'bad process name supplied' : describeFault(error);
    yield* say(`ERROR: ${text}`, { name, error: faultError(error.fault, text) });
    return isUnknown ? exits.generic : exits.success;
  }
  yield* say('==> Press Ctrl-C to exit <==');
  yield* forwardLines(name);
  yield* say('Exiting foreground', { name, status: 'left' });
  return exits.success;
}

const describeFault = ({ fault, text }: ControlError): string => `<Fault ${fault}: ${repr(text)}>`;

/** The log is shown meanwhile; each line that is typed becomes input of the process, until it ends or the user does. */
function* forwardLines(name: string): Script<void> {
  for (;;) {
    const typed = yield { step: 'foreground', name };
    if (typeof typed !== 'string') return;
    try {
      yield* call('sendProcessStdin', name, `${typed}\n`);
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      yield* say(
        error.fault === faults.NOT_RUNNING ? 'Process got killed' : `ERROR: ${describeFault(error)}`,
      );
      return;
    }
    const { state } = structOf(yield* call('getProcessInfo', name));
    if (state === RUNNING) continue;
    yield* say('Process got killed');
    return;
  }
}
