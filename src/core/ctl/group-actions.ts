// The actions on the configuration: reread, update, add, remove.

import { ControlError, SystemError } from '../../errors.js';
import { faultCodes as faults } from '../../spec/faults.js';
import { splitWords } from '../../spec/python-text.js';
import { changesOf, resultsOf, structsOf, textOf } from './answers.js';
import { exits, faultError, faultOf } from './faults.js';
import { refuseArguments } from './misuse.js';
import { call, callOurs, readText, type Script, say } from './script.js';

export function* reread(rest: string): Script<number> {
  if (rest !== '') return yield* refuseArguments('reread');
  let answer: unknown;
  try {
    answer = yield* call('reloadConfig');
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    if (error.fault === faults.SHUTDOWN_STATE)
      return yield* failed(error.fault, 'ERROR: supervisor shutting down', null);
    if (error.fault === faults.CANT_REREAD) return yield* failed(error.fault, `ERROR: ${error.text}`, null);
    throw error;
  }
  const { added, changed, removed } = changesOf(answer);
  const changes = new Map([
    ...added.map((group) => [group, 'available'] as const),
    ...changed.map((group) => [group, 'changed'] as const),
    ...removed.map((group) => [group, 'disappeared'] as const),
  ]);
  if (changes.size === 0) yield* say('No config updates to processes');
  for (const group of [...changes.keys()].sort())
    yield* say(`${group}: ${changes.get(group)}`, { group, status: changes.get(group) });
  return exits.success;
}

function* failed(fault: number, line: string, group: string | null): Script<number> {
  const error = faultError(fault, line.replace(/^ERROR: /, ''));
  yield* say(line, group === null ? { error } : { group, error });
  return exits.generic;
}

/** Ours: programs that need no file. supervisorctl would take the option for the name of a group. */
const FROM_JSON = /^--from-json(?:=|\s+)(.+)$/s;
const ADDED = /^--added\s+(.+)$/s;

function* addFromJson(path: string): Script<number> {
  let json: string;
  try {
    json = yield* readText(path);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    yield* say(`ERROR: ${error.message}`, { error: { code: error.errnoName, text: error.message } });
    return exits.generic;
  }
  try {
    yield* callOurs('addProgram', json);
    yield* say('added', { status: 'added' });
    return exits.success;
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    return yield* failed(error.fault, `ERROR: ${error.text.replace('BAD_ARGUMENTS: ', '')}`, null);
  }
}

function* removeAdded(names: string): Script<number> {
  let exitCode: number = exits.success;
  for (const group of splitWords(names)) {
    try {
      yield* callOurs('removeProgram', group);
      yield* say(`${group}: removed program`, { group, status: 'removed' });
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      const isUnknown = error.fault === faults.BAD_NAME;
      const text = isUnknown ? `no program was added as ${group}` : error.text;
      exitCode = yield* failed(error.fault, `ERROR: ${text}`, group);
    }
  }
  return exitCode;
}

export function* add(rest: string): Script<number> {
  const path = FROM_JSON.exec(rest)?.[1];
  if (path !== undefined) return yield* addFromJson(path);
  let exitCode: number = exits.success;
  for (const group of splitWords(rest)) {
    try {
      yield* call('addProcessGroup', group);
      yield* say(`${group}: added process group`, { group, status: 'added' });
    } catch (error) {
      const fault = faultOf(error);
      if (fault === faults.SHUTDOWN_STATE) exitCode = yield* failed(fault, 'ERROR: shutting down', group);
      else if (fault === faults.ALREADY_ADDED)
        yield* failed(fault, 'ERROR: process group already active', group);
      else if (fault === faults.BAD_NAME)
        exitCode = yield* failed(fault, `ERROR: no such process/group: ${group}`, group);
      else throw error;
    }
  }
  return exitCode;
}

export function* remove(rest: string): Script<number> {
  const names = ADDED.exec(rest)?.[1];
  if (names !== undefined) return yield* removeAdded(names);
  let exitCode: number = exits.success;
  for (const group of splitWords(rest)) {
    try {
      yield* call('removeProcessGroup', group);
      yield* say(`${group}: removed process group`, { group, status: 'removed' });
    } catch (error) {
      const fault = faultOf(error);
      if (fault === faults.STILL_RUNNING)
        exitCode = yield* failed(fault, `ERROR: process/group still running: ${group}`, group);
      else if (fault === faults.BAD_NAME)
        exitCode = yield* failed(fault, `ERROR: no such process/group: ${group}`, group);
      else throw error;
    }
  }
  return exitCode;
}

export function* update(rest: string): Script<number> {
  let answer: unknown;
  try {
    answer = yield* call('reloadConfig');
  } catch (error) {
    if (faultOf(error) !== faults.SHUTDOWN_STATE) throw error;
    return yield* failed(faults.SHUTDOWN_STATE, 'ERROR: already shutting down', null);
  }
  const { added, changed, removed } = changesOf(answer);
  const names = new Set(splitWords(rest));
  const wanted = names.has('all') || names.size === 0 ? null : names;
  const isWanted = (group: string): boolean => wanted === null || wanted.has(group);

  let exitCode = yield* complainAboutUnknown(wanted, added);
  for (const group of removed.filter(isWanted)) {
    const results = resultsOf(yield* call('stopProcessGroup', group));
    yield* say(`${group}: stopped`);
    if (results.some((result) => result.status === faults.FAILED)) {
      exitCode = yield* failed(faults.FAILED, `${group}: has problems; not removing`, group);
      continue;
    }
    yield* call('removeProcessGroup', group);
    yield* say(`${group}: removed process group`, { group, status: 'removed' });
  }
  for (const group of changed.filter(isWanted)) {
    yield* call('stopProcessGroup', group);
    yield* say(`${group}: stopped`);
    yield* call('removeProcessGroup', group);
    yield* call('addProcessGroup', group);
    yield* say(`${group}: updated process group`, { group, status: 'updated' });
  }
  for (const group of added.filter(isWanted)) {
    yield* call('addProcessGroup', group);
    yield* say(`${group}: added process group`, { group, status: 'added' });
  }
  return exitCode;
}

function* complainAboutUnknown(wanted: ReadonlySet<string> | null, added: readonly string[]): Script<number> {
  if (wanted === null) return exits.success;
  const processes = structsOf(yield* call('getAllProcessInfo'));
  const known = new Set([...added, ...processes.map(({ group }) => textOf(group))]);
  let exitCode: number = exits.success;
  for (const group of wanted)
    if (!known.has(group)) exitCode = yield* failed(faults.BAD_NAME, `ERROR: no such group: ${group}`, group);
  return exitCode;
}
