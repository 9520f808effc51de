// The actions that only look: status, pid, avail, version.

import { SystemError } from '../../errors.js';
import { isVisible, visible } from '../../spec/byte-text.js';
import { faultCodes as faults } from '../../spec/faults.js';
import { splitWords } from '../../spec/python-text.js';
import { type StateRow, type Struct, stateRowsOf, structOf, structsOf, textOf } from './answers.js';
import { checkServer } from './check-server.js';
import { exits, faultError, faultOf } from './faults.js';
import { refuseArguments } from './misuse.js';
import { call, callOurs, type Script, type Session, say } from './script.js';
import { joinNamespec, makeNamespec, type Namespec, splitNamespec } from './words.js';

const stoppedStates: readonly string[] = ['STOPPED', 'EXITED', 'FATAL', 'UNKNOWN'];
const LEAST_NAME_WIDTH = 30;

/** What `status` shows of a process; the facts are there where they were asked for. */
type Shown = readonly [...StateRow, facts?: Struct];

export function* status(rest: string, session: Session): Script<number> {
  const all = yield* statusRows(session);
  if (all === null) return exits.statusUnknown;
  const names = splitWords(rest);
  const { shown, unknown } =
    names.length === 0 || names.includes('all') ? { shown: all, unknown: [] } : pick(all, names);
  for (const { group, name, text } of unknown) {
    const namespec = name === null ? group : name;
    yield* say(`${namespec}: ERROR (${text})`, {
      group,
      name: name === null ? null : splitNamespec(name).name,
      error: faultError(faults.BAD_NAME, text),
    });
  }
  if (session.isJson)
    yield { step: 'print', lines: shown.map((row) => ({ text: '', result: row[3] ?? null })) };
  else if (shown.length > 0) yield* say(tabulate(shown));
  if (shown.some((row) => stoppedStates.includes(row[1]))) return exits.statusNotRunning;
  return unknown.length > 0 ? exits.statusUnknown : exits.success;
}

/** null: why there are none has been said. Our own server can be asked for no more than what is shown. */
function* statusRows(session: Session): Script<readonly Shown[] | null> {
  const states = session.isJson ? null : yield* askOurs('getAllStates');
  if (states !== null) return stateRowsOf(states);
  if ((yield* checkServer(session)) !== exits.success) return null;
  return structsOf(yield* call('getAllProcessInfo')).map((facts) => [
    joinNamespec(textOf(facts.group), textOf(facts.name)),
    textOf(facts.statename),
    textOf(facts.description),
    facts,
  ]);
}

/** null: the server is not ours, or there is none. */
function* askOurs(method: string): Script<unknown> {
  try {
    return yield* callOurs(method);
  } catch (error) {
    if (faultOf(error) === faults.UNKNOWN_METHOD || error instanceof SystemError) return null;
    throw error;
  }
}

/** All in one text, and looked through for control characters all at once: there may be thousands of them. */
function tabulate(rows: readonly Shown[]): string {
  const lines = layOut(rows, (text) => text);
  return (isVisible(lines.join('')) ? lines : layOut(rows, visible)).join('\n');
}

/** By index: to take a thousand rows apart by pattern makes twice the garbage of all the rest. */
function layOut(rows: readonly Shown[], show: (text: string) => string): string[] {
  const widest = rows.reduce((most, row) => Math.max(most, show(row[0]).length), LEAST_NAME_WIDTH);
  return rows.map((row) => fill(show(row[0]), widest + 3) + fill(show(row[1]), 10) + show(row[2]));
}

const blanks: string[] = [];

/** padEnd, which makes its blanks anew each time. */
function fill(text: string, width: number): string {
  const missing = Math.max(0, width - text.length);
  blanks[missing] ??= ' '.repeat(missing);
  return text + blanks[missing];
}

interface Unknown {
  readonly group: string;
  /** As it was typed; null: the group itself is unknown. */
  readonly name: string | null;
  readonly text: string;
}

function pick(
  all: readonly Shown[],
  names: readonly string[],
): { readonly shown: Shown[]; readonly unknown: Unknown[] } {
  const places = all.map((row) => splitNamespec(row[0]));
  const shown: Shown[] = [];
  const unknown: Unknown[] = [];
  for (const typed of names) {
    const { group, name } = splitNamespec(typed);
    const isMeant = (its: Namespec): boolean => its.group === group && (name === null || its.name === name);
    const found = all.filter((_, index) => isMeant(places[index]!));
    shown.push(...found);
    if (found.length > 0) continue;
    unknown.push(
      name === null
        ? { group, name: null, text: 'no such group' }
        : { group, name: typed, text: 'no such process' },
    );
  }
  return { shown, unknown };
}

export function* pid(rest: string, session: Session): Script<number> {
  const checked = yield* checkServer(session);
  if (checked !== exits.success) return checked;
  const names = splitWords(rest);
  if (names.length === 0) {
    const own = yield* call('getPID');
    yield* say(String(own), { pid: own });
    return exits.success;
  }
  if (names.includes('all')) {
    for (const info of structsOf(yield* call('getAllProcessInfo'))) yield* sayPid(info);
    return exits.success;
  }
  let exitCode: number = exits.success;
  for (const name of names) {
    try {
      const info = structOf(yield* call('getProcessInfo', name));
      yield* sayPid(info);
      if (info.pid === 0) exitCode = exits.notRunning;
    } catch (error) {
      if (faultOf(error) !== faults.BAD_NAME) throw error;
      yield* say(`No such process ${name}`, {
        ...splitNamespec(name),
        error: faultError(faults.BAD_NAME, 'no such process'),
      });
      exitCode = exits.generic;
    }
  }
  return exitCode;
}

function* sayPid({ group, name, pid: number }: Struct): Script<void> {
  yield* say(String(number), { group, name, pid: number });
}

export function* avail(rest: string): Script<number> {
  if (rest !== '') return yield* refuseArguments('avail');
  try {
    for (const info of structsOf(yield* call('getAllConfigInfo'))) {
      const namespec = makeNamespec(textOf(info.group), textOf(info.name)).padEnd(32);
      const inUse = (info.inuse ? 'in use' : 'avail').padEnd(9);
      const start = (info.autostart ? 'auto' : 'manual').padEnd(9);
      yield* say(
        `${namespec} ${inUse} ${start} ${String(info.group_prio)}:${String(info.process_prio)}`,
        info,
      );
    }
    return exits.success;
  } catch (error) {
    if (faultOf(error) !== faults.SHUTDOWN_STATE) throw error;
    const text = 'supervisor shutting down';
    yield* say(`ERROR: ${text}`, { error: faultError(faults.SHUTDOWN_STATE, text) });
    return exits.generic;
  }
}

export function* version(rest: string, session: Session): Script<number> {
  if (rest !== '') return yield* refuseArguments('version');
  const checked = yield* checkServer(session);
  if (checked !== exits.success) return checked;
  const text = textOf(yield* call('getSupervisorVersion'));
  yield* say(text, { version: text });
  return exits.success;
}
