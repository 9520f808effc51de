// What a listener says on its stdout: `READY\n`, and after each event `RESULT 2\nOK`. It is a stream of bytes, so a
// word may come in pieces and two may come at once. The decisions are supervisord's, but for three which there would
// never be taken: a result of no bytes is complete with its line, and a length below zero or beyond all reason, or a
// result line that does not end, is against the protocol.
import { decodeBytes, encodeBytes, findBytes, joinBytes } from '../spec/byte-text.js';
import type { MainLogLine } from '../spec/main-log-line.js';
import * as messages from './main-log.js';

export type ListenerState =
  /** Has done what it was given, if anything, and has not asked for more. */
  | { readonly name: 'ACKNOWLEDGED'; readonly pending: Uint8Array }
  | { readonly name: 'READY' }
  | { readonly name: 'BUSY'; readonly pending: Uint8Array; readonly result: Result | null }
  /** Broke the protocol; nothing that it says counts until it is another process. */
  | { readonly name: 'UNKNOWN' };

/** A result whose line has been read. */
interface Result {
  readonly length: number;
  readonly left: number;
  /** As far as it was read. Nothing but this is kept, so a long result costs no memory. */
  readonly isOk: boolean;
}

export type ListenerEffect =
  | { readonly name: 'ready' }
  /** The event was done with, or is to be given out again. */
  | { readonly name: 'result'; readonly accepted: boolean }
  | { readonly name: 'violation' }
  | { readonly name: 'log'; readonly line: MainLogLine };

export interface ListenerTurn {
  readonly state: ListenerState;
  readonly effects: readonly ListenerEffect[];
}

const NONE = new Uint8Array();

/** Where a process begins that has just been started. */
export const listenerStarted: ListenerState = { name: 'ACKNOWLEDGED', pending: NONE };

/** Where it goes on when it was given an event. */
export const listenerBusy: ListenerState = { name: 'BUSY', pending: NONE, result: null };

/** Reads what the listener of this name has said. The bytes may be used again by whoever passed them. */
export function hear(state: ListenerState, said: Uint8Array, name: string): ListenerTurn {
  const effects: ListenerEffect[] = [];
  let bytes: Uint8Array = 'pending' in state ? joinBytes([state.pending, said]) : said;
  let now = state;
  while (bytes.length > 0) {
    const step = take(now, bytes, name);
    effects.push(...step.effects);
    bytes = bytes.subarray(step.taken);
    now = step.state;
    if (step.taken === 0) break;
  }
  return { state: 'pending' in now ? { ...now, pending: new Uint8Array(bytes) } : now, effects };
}

/** `taken`: how many bytes are dealt with; 0: more are needed. */
interface Step extends ListenerTurn {
  readonly taken: number;
}

function take(state: ListenerState, bytes: Uint8Array, name: string): Step {
  switch (state.name) {
    case 'ACKNOWLEDGED':
      return takeReady(state, bytes, name);
    case 'READY':
      return violate(state, bytes, name);
    case 'BUSY':
      return state.result === null
        ? takeResultLine(state, bytes, name)
        : takeResult(state.result, bytes, name);
    case 'UNKNOWN':
      return { state, effects: [], taken: bytes.length };
  }
}

function takeReady(state: ListenerState, bytes: Uint8Array, name: string): Step {
  if (bytes.length < READY.length) return { state, effects: [], taken: 0 };
  if (findBytes(bytes.subarray(0, READY.length), READY) !== 0) return violate(state, bytes, name);
  return move(state, { name: 'READY' }, READY.length, name, [], [{ name: 'ready' }]);
}

function takeResultLine(state: ListenerState, bytes: Uint8Array, name: string): Step {
  const end = bytes.indexOf(NEWLINE);
  if (end === -1 && bytes.length <= LINE_BYTES_MAX) return { state, effects: [], taken: 0 };
  const line = bytes.subarray(0, end === -1 ? LINE_BYTES_MAX : end);
  const length = end === -1 ? null : lengthIn(line);
  if (length === null) return violate(state, bytes, name, [messages.badResultLine(name, line)]);
  const result: Result = { length, left: length, isOk: length === OK.length };
  if (length === 0) return { ...takeResult(result, bytes.subarray(end + 1, end + 1), name), taken: end + 1 };
  return { state: { name: 'BUSY', pending: NONE, result }, effects: [], taken: end + 1 };
}

function takeResult({ length, left, isOk }: Result, bytes: Uint8Array, name: string): Step {
  const taken = bytes.subarray(0, left);
  const seen = length - left;
  const result: Result = {
    length,
    left: left - taken.length,
    isOk: isOk && taken.every((byte, index) => byte === OK[seen + index]),
  };
  const state: ListenerState = { name: 'BUSY', pending: NONE, result };
  if (result.left > 0) return { state, effects: [], taken: taken.length };
  return move(
    state,
    listenerStarted,
    taken.length,
    name,
    [result.isOk ? messages.eventProcessed(name) : messages.eventRejected(name)],
    [{ name: 'result', accepted: result.isOk }],
  );
}

/** Whatever else it says is not read. */
function violate(
  state: ListenerState,
  bytes: Uint8Array,
  name: string,
  lines: readonly MainLogLine[] = [],
): Step {
  return move(state, { name: 'UNKNOWN' }, bytes.length, name, lines, [
    { name: 'log', line: messages.listenerUnknown(name) },
    { name: 'violation' },
  ]);
}

function move(
  from: ListenerState,
  state: ListenerState,
  taken: number,
  name: string,
  lines: readonly MainLogLine[],
  effects: readonly ListenerEffect[],
): Step {
  const log = [...lines, messages.listenerMoved(name, from.name, state.name)];
  return { state, taken, effects: [...log.map((line) => ({ name: 'log', line }) as const), ...effects] };
}

/** The number that stands from column 8 on, as Python's int() reads one; what is before it nobody looks at. */
function lengthIn(line: Uint8Array): number | null {
  const digits = /^[ \t\r\v\f]*\+?(\d+(?:_\d+)*)[ \t\r\v\f]*$/.exec(decodeBytes(line.subarray(7)))?.[1];
  const length = Number(digits?.replaceAll('_', '') ?? Number.NaN);
  return Number.isSafeInteger(length) ? length : null;
}

const READY = encodeBytes('READY\n');
const OK = encodeBytes('OK');
const NEWLINE = 10;
const LINE_BYTES_MAX = 4096;
