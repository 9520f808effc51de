// What our caller gave us. Node changes or loses some of it before the first line of JavaScript runs (the soft
// open-files limit, ignored signals, the mask, which of 0-2 were closed), and process.argv and process.env cannot
// hold bytes that are not UTF-8. The shell lines at the top of bin/tsdaemon.js still have the former, or have noted
// them in one variable; /proc has the latter.
import { closeSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { withoutVariables } from '../core/environment.js';
import { splitNulEnded } from '../spec/byte-text.js';
import { reap } from './invoke.js';
import { signalsInMask } from './signals.js';
import { workingDirectory } from './working-directory.js';

export interface Caller {
  /** null where it has been removed. */
  readonly cwd: string | null;
  /** The script, by the name it was called by: that of a link, maybe. */
  readonly invokedAs: string;
  /** The words after the script's name. */
  readonly args: readonly string[];
  readonly environment: readonly string[];
  /** The soft RLIMIT_NOFILE; null where nobody noted it. */
  readonly softOpenFiles: number | null;
  readonly ignoredSignals: readonly number[];
  readonly blockedSignals: readonly number[];
  /** Which of 0, 1, 2 were open; Node opens /dev/null in the place of a closed one. */
  readonly openStandard: readonly [boolean, boolean, boolean];
  /** Our parent, where it is the shell of bin/tsdaemon.js that waits for us; null where it is anybody else. */
  readonly waitingShell: number | null;
  /** Descriptors above 2 that we inherited; null where nobody noted them. */
  readonly inherited: () => readonly number[] | null;
}

const VARIABLE = 'TSDAEMON_CALLER';

/** Reads the notes and removes them from process.env. What stands in a file is read when it is asked for. */
export function readCaller(): Caller {
  const notes = readNotes();
  const environment = once(() => readEnvironment(notes));
  // Of the shell that waits for us, or of whoever started node itself: what it has is (most often) what it gave us.
  const softOpenFiles = once(() =>
    notes?.nofile === undefined ? parentSoftOpenFiles() : parseLimit(notes.nofile),
  );
  return {
    cwd: workingDirectory(),
    ...readArguments(),
    get environment() {
      return environment();
    },
    get softOpenFiles() {
      return softOpenFiles();
    },
    ignoredSignals: withoutShellsOwn(signalsInMask(notes?.ignored)),
    blockedSignals: signalsInMask(notes?.blocked),
    openStandard: openStandard(notes?.open),
    waitingShell: notes !== null && Number(notes.pid) === process.ppid ? process.ppid : null,
    inherited: () => inheritedDescriptors(notes),
  };
}

function once<T>(find: () => T): () => T {
  let found: { readonly value: T } | null = null;
  return () => {
    found ??= { value: find() };
    return found.value;
  };
}

type Notes = Readonly<Record<string, string | undefined>>;

function readNotes(): Notes | null {
  const text = process.env[VARIABLE];
  delete process.env[VARIABLE];
  if (text === undefined) return null;
  const notes: Notes = Object.fromEntries(text.split(' ').map((pair) => pair.split('=')));
  // Left over in the environment of somebody who was started by a tsdaemon: not about us.
  return Number(notes.pid) === process.pid || Number(notes.pid) === process.ppid ? notes : null;
}

function readArguments(): Pick<Caller, 'invokedAs' | 'args'> {
  const words = readProcStrings('/proc/self/cmdline');
  // What comes before are node and its own options, which process.argv leaves out.
  const script = words === null ? 1 : words.length - process.argv.length + 1;
  const [invokedAs = '', ...args] = (words ?? process.argv).slice(script);
  return { invokedAs, args };
}

/**
 * Shells drop variables whose names they do not like and add their own, so what they pass on is not what they got.
 * Where the shell waits for us its own environment is still to be seen; where it became us (`nohup`), a child it
 * forked for that purpose shows it, and ends as soon as its pipe closes.
 */
function readEnvironment(notes: Notes | null): readonly string[] {
  const shell = Number(notes?.pid);
  if (notes !== null && shell === process.ppid && shell !== process.pid) {
    const seen = readProcStrings(`/proc/${shell}/environ`);
    if (seen !== null) return seen;
  }
  if (notes?.snapshot !== undefined) {
    const [pid, pipe] = notes.snapshot.split(':').map(Number) as [number, number];
    const seen = readProcStrings(`/proc/${pid}/environ`);
    closeSync(pipe);
    reap(pid, true);
    if (seen !== null) return seen;
  }
  return currentEnvironment();
}

/** This process's own environment as it is now; bytes that are not UTF-8 survive in variables nobody changed. */
export function currentEnvironment(): readonly string[] {
  const now = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
  const initial = readProcStrings('/proc/self/environ');
  if (initial === null) return now;
  const lossy = new Map(initial.map((entry) => [Buffer.from(toWellFormed(entry)).toString(), entry]));
  return withoutVariables(
    now.map((entry) => lossy.get(entry) ?? entry),
    [VARIABLE],
  );
}

/** What process.env makes of such a text: one replacement character for each byte that is no UTF-8. */
const toWellFormed = (text: string): string => text.replaceAll(/[\udc80-\udcff]/g, '\ufffd');

function readProcStrings(path: string): string[] | null {
  try {
    return splitNulEnded(readFileSync(path));
  } catch {
    // No /proc, or not allowed: Node's own view has to do.
    return null;
  }
}

/**
 * From the notes, or from the shell that waits for us: that has them under the same numbers, and the script itself
 * besides. Asked for only where it matters, since a directory is to be read for it.
 */
function inheritedDescriptors(notes: Notes | null): readonly number[] | null {
  if (notes?.fds !== undefined)
    return notes.fds
      .split(',')
      .map(Number)
      .filter((descriptor) => descriptor > 2);
  if (Number(notes?.pid) !== process.ppid) return null;
  const folder = `/proc/${process.ppid}/fd`;
  try {
    const script = realpathSync(process.argv[1]!);
    return readdirSync(folder)
      .map(Number)
      .filter((descriptor) => descriptor > 2 && linkOrNull(`${folder}/${descriptor}`) !== script);
  } catch {
    // No /proc, or not allowed to look at our parent.
    return null;
  }
}

function linkOrNull(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    // ENOENT: closed between the listing and now.
    return null;
  }
}

/** A guess where the shell lines did not run: what our parent has is most often what it gave us. */
export function parentSoftOpenFiles(): number | null {
  try {
    const line = /^Max open files\s+(\S+)/m.exec(readFileSync(`/proc/${process.ppid}/limits`, 'latin1'));
    return line === null ? null : parseLimit(line[1]);
  } catch {
    // No /proc, or not allowed to look at our parent.
    return null;
  }
}

function parseLimit(text: string | undefined): number | null {
  if (text === 'unlimited') return Number.POSITIVE_INFINITY;
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}

/** bash and busybox ignore SIGQUIT themselves; a caller that means it (`cmd &` in a script) ignores SIGINT too. */
function withoutShellsOwn(ignored: number[]): number[] {
  const [SIGINT, SIGQUIT] = [2, 3];
  return ignored.includes(SIGINT) ? ignored : ignored.filter((signal) => signal !== SIGQUIT);
}

function openStandard(text: string | undefined): [boolean, boolean, boolean] {
  return text === undefined
    ? [true, true, true]
    : [text.includes('0'), text.includes('1'), text.includes('2')];
}
