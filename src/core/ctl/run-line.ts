// One line of supervisorctl: which action it is, and what becomes of its errors.
import { HttpError } from '../../errors.js';
import { showError } from './error-line.js';
import { exits } from './faults.js';
import { add, remove, reread, update } from './group-actions.js';
import { helpTexts, topicList } from './help.js';
import { fg, maintail, tail } from './log-actions.js';
import { clear, restart, signal, start, stop } from './process-actions.js';
import { ask, type Script, type Session, say } from './script.js';
import { open, reload, shutdown } from './server-actions.js';
import { avail, pid, status, version } from './show-actions.js';
import { parseLine } from './words.js';

type Action = (rest: string, session: Session) => Script<number>;

export const actions = {
  add,
  avail,
  clear,
  fg,
  maintail,
  open,
  pid,
  reload,
  remove,
  reread,
  restart,
  shutdown,
  signal,
  start,
  status,
  stop,
  tail,
  update,
  version,
  help,
} as const satisfies Readonly<Record<string, Action>>;

/** EOF is what the end of input counts as. */
export const leaving: readonly string[] = ['exit', 'quit', 'EOF'];

export interface LineOutcome {
  readonly exitCode: number;
  /** The shell is to end. */
  readonly leaves: boolean;
}

export function* runLine(typed: string, session: Session): Script<LineOutcome> {
  const { action: name, rest, line } = parseLine(typed);
  if (line === '') return { exitCode: exits.success, leaves: false };
  if (name !== null && leaving.includes(name)) {
    yield* say('');
    return { exitCode: exits.success, leaves: true };
  }
  if (name === null || !Object.hasOwn(actions, name)) {
    yield* say(`*** Unknown syntax: ${line}`, { error: { code: 'UNKNOWN_ACTION', text: line } });
    return { exitCode: exits.generic, leaves: false };
  }
  return { exitCode: yield* runAction(actions[name as keyof typeof actions], rest, session), leaves: false };
}

function* runAction(action: Action, rest: string, session: Session): Script<number> {
  for (;;) {
    try {
      return yield* action(rest, session);
    } catch (error) {
      const isRefused = error instanceof HttpError && error.status === 401;
      if (isRefused) {
        const text = 'Server requires authentication';
        yield* say(text, { error: { code: 'AUTHENTICATION', text } });
      }
      if (!isRefused || !session.interactive) return yield* complain(error, session, isRefused);
    }
    if (!(yield* logIn(session))) return exits.generic;
  }
}

/** False where the input is at its end. */
function* logIn(session: Session): Script<boolean> {
  try {
    const username = yield* ask('Username:');
    const password = yield* ask('Password:', true);
    yield* say('');
    session.username = username;
    session.password = password;
    return true;
  } catch (error) {
    yield* complain(error, session);
    return false;
  }
}

/** supervisorctl tries once more where it was refused, and so has two lines about it; as data one is enough. */
function* complain(error: unknown, session: Session, isToldAlready = false): Script<number> {
  const shown = showError(error, session.serverUrl);
  if (shown === null) throw error;
  yield* say(shown.line, isToldAlready ? null : { error: shown.error });
  return exits.generic;
}

function* help(rest: string): Script<number> {
  if (rest === '') yield* say(topicList, { text: topicList });
  else if (Object.hasOwn(helpTexts, rest))
    yield* say(helpTexts[rest]!, { topic: rest, text: helpTexts[rest] });
  else {
    const text = `No help on ${rest}`;
    yield* say(`*** ${text}`, { error: { code: 'UNKNOWN_ACTION', text } });
  }
  return exits.success;
}
