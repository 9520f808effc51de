// The actions on the server itself: shutdown, reload, open.
import { SystemError } from '../../errors.js';
import { faultCodes as faults } from '../../spec/faults.js';
import { exits, faultError, faultOf } from './faults.js';
import { misuse, refuseArguments } from './misuse.js';
import { ask, call, type Script, type Session, say } from './script.js';
import { status } from './show-actions.js';

export function* shutdown(rest: string, session: Session): Script<number> {
  if (rest !== '') return yield* refuseArguments('shutdown');
  if (!(yield* isMeant('Really shut the remote supervisord process down y/N? ', session)))
    return exits.success;
  try {
    yield* call('shutdown');
    yield* say('Shut down', { status: 'shut down' });
    return exits.success;
  } catch (error) {
    if (faultOf(error) === faults.SHUTDOWN_STATE) {
      yield* alreadyShuttingDown();
      return exits.success;
    }
    const what =
      error instanceof SystemError &&
      { ECONNREFUSED: 'refused connection', ENOENT: 'no such file' }[error.errnoName];
    if (!what) throw error;
    const text = `${session.serverUrl} ${what} (already shut down?)`;
    yield* say(`ERROR: ${text}`, { error: { code: error.errnoName, text } });
    return exits.generic;
  }
}

export function* reload(rest: string, session: Session): Script<number> {
  if (rest !== '') return yield* refuseArguments('reload');
  if (!(yield* isMeant('Really restart the remote supervisord process y/N? ', session))) return exits.success;
  try {
    yield* call('restart');
    yield* say('Restarted supervisord', { status: 'restarted' });
    return exits.success;
  } catch (error) {
    if (faultOf(error) !== faults.SHUTDOWN_STATE) throw error;
    yield* alreadyShuttingDown();
    return exits.generic;
  }
}

function* isMeant(question: string, session: Session): Script<boolean> {
  return !session.interactive || (yield* ask(question)).toLowerCase().startsWith('y');
}

function* alreadyShuttingDown(): Script<void> {
  const text = 'already shutting down';
  yield* say(`ERROR: ${text}`, { error: faultError(faults.SHUTDOWN_STATE, text) });
}

/** What the status of the new server exits with is not the exit code of `open`. */
export function* open(rest: string, session: Session): Script<number> {
  if (!/^(unix|http):/i.test(rest)) return yield* misuse('ERROR: url must be http:// or unix://', null);
  session.serverUrl = rest;
  yield* status('', session);
  return exits.success;
}
