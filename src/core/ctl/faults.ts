// What faults and results mean to people and to scripts: words and exit codes.
import { ControlError } from '../../errors.js';
import { faultCodes as faults } from '../../spec/faults.js';
import { type Result, type ResultError, ScriptError } from './script.js';
import { makeNamespec } from './words.js';

/** LSB's exit codes of an init script; `status` has codes of its own. */
export const exits = {
  success: 0,
  generic: 1,
  invalidArguments: 2,
  unimplemented: 3,
  refused: 4,
  notInstalled: 5,
  notRunning: 7,
  statusNotRunning: 3,
  statusUnknown: 4,
} as const;

const deadProgram: readonly number[] = [faults.SPAWN_ERROR, faults.ABNORMAL_TERMINATION, faults.NOT_RUNNING];

const nameOf = (fault: number): string =>
  Object.entries(faults).find(([, number]) => number === fault)?.[0] ?? 'UNKNOWN';

export const faultError = (fault: number, text: string): ResultError => ({
  code: nameOf(fault),
  fault,
  text,
});

/** What one process answered: the struct in the arrays of group methods. */
export interface ProcessResult {
  readonly group: string;
  readonly name: string | null;
  readonly status: number;
  readonly description: string;
}

/** The verbs that act on processes: what success is called, what each fault is called, which fault is no failure. */
export interface Verb {
  readonly done: string;
  readonly words: Readonly<Record<number, string>>;
  readonly harmless: number | null;
}

const stopWords = {
  [faults.BAD_NAME]: 'no such process',
  [faults.BAD_SIGNAL]: 'bad signal name',
  [faults.NOT_RUNNING]: 'not running',
};

export const starting: Verb = {
  done: 'started',
  words: {
    [faults.BAD_NAME]: 'no such process',
    [faults.NO_FILE]: 'no such file',
    [faults.NOT_EXECUTABLE]: 'file is not executable',
    [faults.ALREADY_STARTED]: 'already started',
    [faults.SPAWN_ERROR]: 'spawn error',
    [faults.ABNORMAL_TERMINATION]: 'abnormal termination',
  },
  harmless: faults.ALREADY_STARTED,
};
export const stopping: Verb = { done: 'stopped', words: stopWords, harmless: faults.NOT_RUNNING };
export const signalling: Verb = { done: 'signalled', words: stopWords, harmless: null };
export const clearing: Verb = {
  done: 'cleared',
  words: { [faults.BAD_NAME]: 'no such process', [faults.FAILED]: 'failed' },
  harmless: null,
};

export interface Told {
  readonly text: string;
  readonly result: Result;
  /** null: nothing that changes the exit code. */
  readonly exitCode: number | null;
}

/** Throws for a status that this verb has no words for, as supervisorctl does. */
export function tell(verb: Verb, { group, name, status, description }: ProcessResult): Told {
  const namespec = makeNamespec(group, name);
  if (status === faults.SUCCESS)
    return { text: `${namespec}: ${verb.done}`, result: { group, name, status: verb.done }, exitCode: null };
  const isSignal = verb === stopping || verb === signalling;
  const words = isSignal && status === faults.FAILED ? description : verb.words[status];
  if (words === undefined)
    throw new ScriptError('ValueError', `Unknown result code ${status} for ${namespec}`);
  return {
    text: status === faults.FAILED && isSignal ? description : `${namespec}: ERROR (${words})`,
    result: { group, name, error: faultError(status, words) },
    exitCode:
      status === verb.harmless ? null : deadProgram.includes(status) ? exits.notRunning : exits.generic,
  };
}

/** The fault behind an error; null for any other error. */
export const faultOf = (error: unknown): number | null =>
  error instanceof ControlError ? error.fault : null;
