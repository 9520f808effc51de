// The actions on processes: start, stop, restart, signal, clear.

import { ControlError } from '../../errors.js';
import { faultCodes as faults } from '../../spec/faults.js';
import { splitWords } from '../../spec/python-text.js';
import { resultsOf } from './answers.js';
import { checkServer } from './check-server.js';
import {
  clearing,
  exits,
  faultError,
  faultOf,
  type ProcessResult,
  signalling,
  starting,
  stopping,
  tell,
  type Verb,
} from './faults.js';
import { misuse } from './misuse.js';
import { call, type Parameter, type Script, type Session, say } from './script.js';
import { type Namespec, splitNamespec } from './words.js';

/** The methods behind one verb; null: the verb knows no groups, so a group is called like a process. */
interface Methods {
  readonly verb: Verb;
  readonly all: string;
  readonly group: string | null;
  readonly one: string;
  /** What comes after the name. */
  readonly more: readonly Parameter[];
  readonly noSuchGroup: number;
}

const startMethods: Methods = {
  verb: starting,
  all: 'startAllProcesses',
  group: 'startProcessGroup',
  one: 'startProcess',
  more: [],
  noSuchGroup: exits.invalidArguments,
};
const stopMethods: Methods = {
  verb: stopping,
  all: 'stopAllProcesses',
  group: 'stopProcessGroup',
  one: 'stopProcess',
  more: [],
  noSuchGroup: exits.generic,
};
const clearMethods: Methods = {
  verb: clearing,
  all: 'clearAllProcessLogs',
  group: null,
  one: 'clearProcessLogs',
  more: [],
  noSuchGroup: exits.generic,
};
const signalMethods = (signalName: string): Methods => ({
  verb: signalling,
  all: 'signalAllProcesses',
  group: 'signalProcessGroup',
  one: 'signalProcess',
  more: [signalName],
  noSuchGroup: exits.generic,
});

export function* start(rest: string, session: Session): Script<number> {
  return yield* actOnNames('start', startMethods, rest, session, exits.invalidArguments);
}

export function* stop(rest: string, session: Session): Script<number> {
  return yield* actOnNames('stop', stopMethods, rest, session);
}

export function* clear(rest: string, session: Session): Script<number> {
  return yield* actOnNames('clear', clearMethods, rest, session);
}

export function* restart(rest: string, session: Session): Script<number> {
  const checked = yield* checkServer(session);
  if (checked !== exits.success) return checked;
  if (rest === '') return yield* misuse('Error: restart requires a process name', 'restart');
  const stopped = yield* stop(rest, session);
  const started = yield* start(rest, session);
  return started === exits.success ? stopped : started;
}

export function* signal(rest: string, session: Session): Script<number> {
  const checked = yield* checkServer(session);
  if (checked !== exits.success) return checked;
  const [signalName, ...names] = splitWords(rest);
  if (signalName === undefined || names.length === 0)
    return yield* misuse('Error: signal requires a signal name and a process name', 'signal');
  return yield* actOn(signalMethods(signalName), names);
}

function* actOnNames(
  action: string,
  methods: Methods,
  rest: string,
  session: Session,
  misused: number = exits.generic,
): Script<number> {
  const checked = yield* checkServer(session);
  if (checked !== exits.success) return checked;
  if (rest === '') return yield* misuse(`Error: ${action} requires a process name`, action, misused);
  return yield* actOn(methods, splitWords(rest));
}

/** All names are tried; the last problem makes the exit code. */
function* actOn(methods: Methods, names: readonly string[]): Script<number> {
  const { verb, all, group, one, more } = methods;
  let exitCode: number = exits.success;
  function* show(result: ProcessResult): Script<void> {
    const told = tell(verb, result);
    yield* say(told.text, told.result);
    exitCode = told.exitCode ?? exitCode;
  }
  if (names.includes('all')) {
    for (const result of resultsOf(yield* call(all, ...more))) yield* show(result);
    return exitCode;
  }
  for (const name of names) {
    const namespec = splitNamespec(name);
    if (namespec.name === null && group !== null) {
      try {
        for (const result of resultsOf(yield* call(group, namespec.group, ...more))) yield* show(result);
      } catch (error) {
        if (faultOf(error) !== faults.BAD_NAME) throw error;
        yield* say(`${namespec.group}: ERROR (no such group)`, noSuchGroup(namespec));
        exitCode = methods.noSuchGroup;
      }
    } else yield* show(yield* callOne(one, name, namespec, more));
  }
  return exitCode;
}

const noSuchGroup = ({ group }: Namespec) => ({
  group,
  name: null,
  error: faultError(faults.BAD_NAME, 'no such group'),
});

/** A fault becomes a result like those of the group methods. */
function* callOne(
  method: string,
  typed: string,
  namespec: Namespec,
  more: readonly Parameter[],
): Script<ProcessResult> {
  try {
    yield* call(method, typed, ...more);
    return { ...namespec, status: faults.SUCCESS, description: 'OK' };
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    return { ...namespec, status: error.fault, description: error.text };
  }
}
