import { constants } from 'node:os';
import { SIG_DFL, SIG_IGN, SIG_SETMASK } from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { askLibc, callLibc } from '../../native-bindings/libc.js';
import { signalSet } from '../../native-bindings/structs.js';
import { readInteger, strip } from '../spec/python-text.js';
import type { SignalName } from '../spec/service-spec.js';

/** What Node has no word for. glibc keeps 32 and 33 to itself, and musl 34 too, but the kernel takes them all. */
const wordsOfLinux = { SIGRTMIN: 34, SIGRTMAX: 64, SIGCLD: constants.signals.SIGCHLD };

/** Every name that a signal may be asked for by. Of those with the same number the first is the one that we use. */
export const signalNumbers: Readonly<Record<string, number>> = {
  ...constants.signals,
  ...(process.platform === 'linux' ? wordsOfLinux : {}),
};

/** What is to happen when the signal arrives; both survive exec. */
export function setDisposition(signal: SignalName, disposition: 'ignore' | 'default'): void {
  callLibc('signal', signalNumber(signal), disposition === 'ignore' ? SIG_IGN : SIG_DFL);
}

/** Whether a process group has a member. */
export function groupExists(group: number): boolean {
  const answer = askLibc('kill', -group, 0);
  // EPERM: members, but none that we may signal.
  return answer === 0 || answer === 'EPERM';
}

/** Signals every member of a process group; that none is left is no error. */
export function signalGroup(group: number, signal: SignalName): void {
  try {
    callLibc('kill', -group, signalNumber(signal));
  } catch (error) {
    if (!(error instanceof LibcError) || error.code !== 'ESRCH') throw error;
  }
}

/** Ignores exactly these and gives every other signal its default action. */
export function setIgnoredSignals(ignored: readonly number[]): void {
  for (const signal of resettableSignals())
    callLibc('signal', signal, ignored.includes(signal) ? SIG_IGN : SIG_DFL);
}

export function setSignalMask(blocked: Iterable<number>): void {
  callLibc('sigprocmask', SIG_SETMASK, signalSet(blocked), 0);
}

/** Every number that may be sent, but the two that nobody can catch. 32 and 33 belong to glibc's threads. */
export function resettableSignals(): number[] {
  const last = process.platform === 'darwin' ? 31 : 64;
  const numbers = Array.from({ length: last }, (_, index) => index + 1);
  const { SIGKILL, SIGSTOP } = constants.signals;
  return numbers.filter(
    (signal) => signal !== SIGKILL && signal !== SIGSTOP && signal !== 32 && signal !== 33,
  );
}

/** TERM, SIGTERM, sigterm or 15; null for anything else. As supervisord reads them, blanks around them do not count. */
export function parseSignal(text: string): SignalName | null {
  const upper = strip(text).toUpperCase();
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  const number = readInteger(text) ?? (Object.hasOwn(signalNumbers, name) ? signalNumbers[name] : null);
  return nameOf(number ?? null);
}

export function signalNumber(signal: SignalName): number {
  return signalNumbers[signal]!;
}

export function signalName(number: number): string {
  return nameOf(number) ?? `signal ${number}`;
}

function nameOf(number: number | null): SignalName | null {
  const found = Object.entries(signalNumbers).find(([, value]) => value === number);
  return found === undefined ? null : (found[0] as SignalName);
}

/** A mask of /proc/PID/status: hexadecimal, bit n-1 is signal n. */
export function signalsInMask(text: string | undefined): number[] {
  if (text === undefined || !/^[0-9a-f]+$/.test(text)) return [];
  const mask = BigInt(`0x${text}`);
  return Array.from({ length: 64 }, (_, index) => index + 1).filter(
    (signal) => (mask >> BigInt(signal - 1)) & 1n,
  );
}
