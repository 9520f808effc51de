// One message of the sd_notify protocol: a datagram of NAME=value lines becomes a value. The rules for what
// is malformed are systemd's: a bad line is left out and the rest of the message holds.
import { decodeBytes } from '../spec/byte-text.js';
import type { Millis } from '../spec/time.js';

/** What a program said about itself. null and false: it did not speak of that. */
export interface NotifyMessage {
  /** `reloaded` has both in one message: a reload that began and is done already. */
  readonly lifecycle: 'ready' | 'reloading' | 'reloaded' | 'stopping' | null;
  /** MONOTONIC_USEC: when it was sent, so that a reload from before a request is not taken for its answer. */
  readonly sentAt: Millis | null;
  /**
   * As it came, terminal controls included, so whoever shows it escapes them. '' clears the one from before.
   */
  readonly status: string | null;
  /** What the program says, not what is so: see refusalOfMain in main-process.ts. */
  readonly mainPid: number | null;
  /** `lost`: the program itself asks to be treated as hung. */
  readonly heartbeat: 'alive' | 'lost' | null;
  /** The heartbeat is expected this often from now on; everyMs null: not any more. */
  readonly newHeartbeat: { readonly everyMs: number | null } | null;
  /** Whatever deadline runs is not over before so long from now. */
  readonly extendMs: number | null;
  /** Restarts up to now are not to be counted. */
  readonly forgivesRestarts: boolean;
  /** A number or a name, as `2` or `ENOENT`: why it failed. */
  readonly errno: string | null;
  /** The same by the name of a D-Bus or Varlink error. */
  readonly errorName: string | null;
  /** Nothing but a descriptor that the sender waits to see closed. */
  readonly isBarrier: boolean;
  /** What was left out, and why. */
  readonly diagnostics: readonly string[];
}

/** Longer datagrams are dropped whole. */
export const NOTIFY_BYTES_MAX = 4096;

export function parseNotifyMessage(bytes: Uint8Array): NotifyMessage {
  const end = bytes.at(-1) === 0 ? bytes.length - 1 : bytes.length;
  const text = decodeBytes(bytes.subarray(0, end));
  if (text.includes('\0')) return { ...nothing, diagnostics: ['message dropped: a NUL byte is within it'] };
  const lines = text.split(/[\r\n]+/).filter((line) => line !== '');
  if (lines.includes('BARRIER=1')) {
    const diagnostics = lines.length === 1 ? [] : ['message dropped: BARRIER=1 does not stand alone'];
    return { ...nothing, isBarrier: lines.length === 1, diagnostics };
  }
  return readLines(lines);
}

const nothing: NotifyMessage = {
  lifecycle: null,
  sentAt: null,
  status: null,
  mainPid: null,
  heartbeat: null,
  newHeartbeat: null,
  extendMs: null,
  forgivesRestarts: false,
  errno: null,
  errorName: null,
  isBarrier: false,
  diagnostics: [],
};

function readLines(lines: readonly string[]): NotifyMessage {
  const diagnostics: string[] = [];
  const flags = new Set<string>();
  const seen = new Set<string>();
  let message = nothing;
  for (const line of lines) {
    const { name, value } = splitLine(line);
    if (name === null) diagnostics.push(`${quote(line)} is no assignment`);
    else if (Object.hasOwn(notHonoured, name))
      diagnostics.push(`${name}= is not honoured: ${notHonoured[name]}`);
    else if (flagNames.includes(name)) {
      if (value === '1') flags.add(name);
      else diagnostics.push(`${name}=${quote(value)}: only ${name}=1 has a meaning`);
    } else if (Object.hasOwn(rules, name)) {
      const said = seen.has(name) ? 'was said before, and the first counts' : rules[name]!(value);
      seen.add(name);
      if (typeof said === 'string') diagnostics.push(`${name}=${quote(value)}: ${said}`);
      else message = { ...message, ...said };
    }
    // Any other name may be one of a later systemd, or X_ something between the program and its authors.
  }
  return {
    ...message,
    lifecycle: lifecycleOf(flags),
    forgivesRestarts: flags.has('RESTART_RESET'),
    diagnostics,
  };
}

function splitLine(line: string): { name: string | null; value: string } {
  const match = /^([A-Za-z0-9_]+)=(.*)$/su.exec(line);
  return { name: match?.[1] ?? null, value: match?.[2] ?? '' };
}

const flagNames: readonly string[] = ['READY', 'RELOADING', 'STOPPING', 'RESTART_RESET'];

function lifecycleOf(flags: ReadonlySet<string>): NotifyMessage['lifecycle'] {
  if (flags.has('STOPPING')) return 'stopping';
  if (flags.has('READY')) return flags.has('RELOADING') ? 'reloaded' : 'ready';
  return flags.has('RELOADING') ? 'reloading' : null;
}

/** What a line adds to the message, or in words what is wrong with its value. */
type Rule = (value: string) => Partial<NotifyMessage> | string;

const rules: Readonly<Record<string, Rule>> = {
  STATUS: (value) => (value.isWellFormed() ? { status: value } : 'is not UTF-8'),
  MAINPID: (value) => {
    const pid = parseCount(value);
    return pid !== null && pid > 1 && pid < 2 ** 31 ? { mainPid: pid } : 'is no pid of a program';
  },
  MONOTONIC_USEC: (value) => inMilliseconds(value, (ms) => ({ sentAt: ms as Millis })),
  EXTEND_TIMEOUT_USEC: (value) => inMilliseconds(value, (extendMs) => ({ extendMs })),
  WATCHDOG: (value) => {
    if (value === '1') return { heartbeat: 'alive' };
    return value === 'trigger' ? { heartbeat: 'lost' } : 'is neither 1 nor trigger';
  },
  // 0 and the largest number are both systemd's word for "no longer".
  WATCHDOG_USEC: (value) =>
    inMilliseconds(value, (ms) => ({
      newHeartbeat: { everyMs: ms === 0 || ms * 1000 >= 2 ** 64 ? null : ms },
    })),
  ERRNO: (value) =>
    /^(?:\d{1,4}|E[A-Z0-9]+)$/.test(value) ? { errno: value } : 'is neither number nor name of an error',
  BUSERROR: (value) => errorName(value),
  VARLINKERROR: (value) => errorName(value),
};

/** What systemd knows and a watchdog has no use for, so that a program that relies on it is told. */
const notHonoured: Readonly<Record<string, string>> = {
  FDSTORE: 'descriptors are closed, not kept',
  FDSTOREREMOVE: 'descriptors are closed, not kept',
  MAINPIDFD: 'say MAINPID=',
  NOTIFYACCESS: 'every process of the program may speak',
};

function errorName(value: string): Partial<NotifyMessage> | string {
  return /^[\x20-\x7e]+$/.test(value) ? { errorName: value } : 'is no name of an error';
}

function inMilliseconds<T>(value: string, give: (ms: number) => T): T | string {
  const microseconds = parseCount(value);
  return microseconds === null ? 'is no number of microseconds' : give(microseconds / 1000);
}

/**
 * An unsigned 64-bit number; null for anything else. Above 2 ** 53 it is near, which is near enough for a
 * time.
 */
function parseCount(value: string): number | null {
  return /^\d{1,20}$/.test(value) && BigInt(value) < 2n ** 64n ? Number(value) : null;
}

const quote = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
