// Starting programs: posix_spawn for a child, execve for this very process. The only place where programs begin.
import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs';
import {
  POSIX_SPAWN_CLOEXEC_DEFAULT,
  POSIX_SPAWN_SETPGROUP,
  POSIX_SPAWN_SETSIGDEF,
  POSIX_SPAWN_SETSIGMASK,
  WNOHANG,
} from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { askLibc, callLibc, isLibcLoaded, whileReferenced } from '../../native-bindings/libc.js';
import {
  cString,
  OPAQUE_BYTES,
  readWaitStatus,
  StringVector,
  signalSet,
} from '../../native-bindings/structs.js';
import { mayTryNext, worseFailure } from '../core/command-path.js';
import type { Ending } from '../core/restart-policy.js';
import { SpawnError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';
import type { SignalName } from '../spec/service-spec.js';
import { duplicate } from './descriptors.js';
import { resettableSignals, signalName, signalNumber } from './signals.js';

export interface Invocation {
  /** Files to try in order, see core/command-path. */
  readonly candidates: readonly string[];
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

/** Descriptor in the program -> descriptor here. */
export type DescriptorMap = ReadonlyMap<number, number>;

/** Starts the program as a child of this process and returns its pid. Throws SpawnError where exec failed. */
export function spawn(
  invocation: Invocation,
  descriptors: DescriptorMap,
  hangup: 'ignore' | 'default',
  ownGroup = false,
): number {
  const spares: number[] = [];
  try {
    const actions = fileActions(movedAside(descriptors, spares));
    const attributes = spawnAttributes(hangup, ownGroup);
    const pid = Buffer.alloc(4);
    invokeFirst(invocation, (file, argv, env) => {
      callLibc('posix_spawn', pid, cString(file), actions, attributes, argv.address, env.address);
    });
    return pid.readInt32LE(0);
  } finally {
    for (const spare of spares) closeSync(spare);
  }
}

/** As one start needs it, kept for the next, which in a watchdog is the same; a restart is to begin with the spawn. */
const kept: {
  actions: { readonly key: string; readonly bytes: Buffer } | null;
  vectors: (Vectors & Pick<Invocation, 'argv' | 'env'>) | null;
} = { actions: null, vectors: null };

function fileActions(copies: readonly (readonly [number, number])[]): Buffer {
  const key = copies.join(' ');
  if (kept.actions?.key === key) return kept.actions.bytes;
  if (kept.actions !== null) callLibc('posix_spawn_file_actions_destroy', kept.actions.bytes);
  kept.actions = null;
  const bytes = Buffer.alloc(OPAQUE_BYTES);
  callLibc('posix_spawn_file_actions_init', bytes);
  for (const [there, here] of copies) callLibc('posix_spawn_file_actions_adddup2', bytes, here, there);
  kept.actions = { key, bytes };
  return bytes;
}

/** One of four, each made once. */
const keptAttributes = new Map<string, Buffer>();

function spawnAttributes(hangup: 'ignore' | 'default', ownGroup: boolean): Buffer {
  const key = `${hangup} ${ownGroup}`;
  const made = keptAttributes.get(key);
  if (made !== undefined) return made;
  const attributes = Buffer.alloc(OPAQUE_BYTES);
  callLibc('posix_spawnattr_init', attributes);
  const macFlag = process.platform === 'darwin' ? POSIX_SPAWN_CLOEXEC_DEFAULT : 0;
  callLibc(
    'posix_spawnattr_setflags',
    attributes,
    POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | macFlag | (ownGroup ? POSIX_SPAWN_SETPGROUP : 0),
  );
  // Only what was ignored before exec can be ignored after it: SIGHUP, if the caller of spawn said so.
  const reset = resettableSignals().filter(
    (signal) => hangup === 'default' || signal !== signalNumber('SIGHUP'),
  );
  callLibc('posix_spawnattr_setsigdefault', attributes, signalSet(reset));
  callLibc('posix_spawnattr_setsigmask', attributes, signalSet([]));
  keptAttributes.set(key, attributes);
  return attributes;
}

/**
 * Replaces this process by the program; `before` runs at the last moment, when nothing large is allocated any more.
 * Returns only by throwing SpawnError.
 */
export function exec(invocation: Invocation, before: () => void = () => undefined): never {
  let isFirst = true;
  invokeFirst(invocation, (file, argv, env) => {
    if (isFirst) before();
    isFirst = false;
    callLibc('execve', cString(file), argv.address, env.address);
  });
  throw new SpawnError(invocation.argv, 'EIO');
}

function isAbsent(file: Buffer): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) === undefined;
  } catch {
    // EACCES, ELOOP and the like: exec is to say it.
    return false;
  }
}

/** Whether exec has a file to try; only exec itself can tell whether it succeeds. */
export function looksInvokable({ candidates }: Invocation): boolean {
  return candidates.some((candidate) => {
    try {
      accessSync(encodeBytes(candidate), constants.X_OK);
      return true;
    } catch {
      // ENOENT, EACCES and the like: the next one.
      return false;
    }
  });
}

interface Vectors {
  readonly words: readonly Buffer[];
  readonly vector: StringVector;
  readonly environment: StringVector;
}

function vectorsOf({ argv, env }: Invocation): Vectors {
  const before = kept.vectors;
  if (before?.argv === argv && before.env === env) return before;
  const words = argv.map(encodeBytes);
  const vector = rewritten(before?.vector, words);
  const environment =
    before?.env === env ? before.environment : rewritten(before?.environment, env.map(encodeBytes));
  kept.vectors = { argv, env, words, vector, environment };
  return kept.vectors;
}

function rewritten(vector: StringVector | undefined, strings: readonly Buffer[]): StringVector {
  if (vector === undefined) return new StringVector(strings);
  vector.write(strings);
  return vector;
}

/** Tries one candidate after the other as execvp does; a text file without #! is given to the shell. */
function invokeFirst(
  invocation: Invocation,
  attempt: (file: Uint8Array, argv: StringVector, env: StringVector) => void,
): void {
  const { candidates, argv } = invocation;
  const { words, vector, environment } = vectorsOf(invocation);
  let failure: string | null = null;
  for (const [index, candidate] of candidates.entries()) {
    const file = encodeBytes(candidate);
    // An attempt costs a vfork; most directories of PATH can be ruled out for less. The last one is always tried,
    // because what it says is what execvp would say.
    if (index < candidates.length - 1 && isAbsent(file)) continue;
    try {
      whileReferenced([vector, environment], () => attempt(file, vector, environment));
      return;
    } catch (error) {
      if (!(error instanceof LibcError)) throw error;
      if (error.code === 'ENOEXEC') {
        const shell = Buffer.from('/bin/sh');
        const script = new StringVector([shell, file, ...words.slice(1)]);
        whileReferenced([script, environment], () => attempt(shell, script, environment));
        return;
      }
      failure = worseFailure(failure, error.code);
      if (!mayTryNext(error.code)) break;
    }
  }
  throw new SpawnError(argv, failure ?? 'ENOENT');
}

/**
 * The file actions run one after the other, so a source that is also somebody's target would be overwritten before
 * it is copied. Such sources are copied to spare numbers first.
 */
function movedAside(descriptors: DescriptorMap, spares: number[]): [number, number][] {
  return [...descriptors].map(([there, here]) => {
    if (there === here || !descriptors.has(here)) return [there, here];
    const spare = openSync('/dev/null', 'r');
    duplicate(here, spare);
    spares.push(spare);
    return [there, spare];
  });
}

/**
 * Ends this process at once, without the 3 to 5 ms in which Node takes its heap apart. For short commands whose
 * output has been written; `exit` listeners do not run.
 */
export function exitNow(code: number): never {
  if (isLibcLoaded()) callLibc('_exit', code);
  process.exit(code);
}

export type ProcessEnd = ReturnType<typeof readWaitStatus>;

/** Waits for a child of ours. null: it is no child of ours, or (with `block` false) it still runs. */
export function reap(pid: number, block: boolean): ProcessEnd | null {
  // ECHILD: not ours, or reaped by the kernel because our caller had SIGCHLD ignored.
  return waitFor(pid, block ? 0 : WNOHANG)?.end ?? null;
}

const waitStatus = Buffer.alloc(4);

/** null: none has ended, or there is none. */
function waitFor(target: number, flags: number): { readonly pid: number; readonly end: ProcessEnd } | null {
  for (;;) {
    const pid = askLibc('waitpid', target, waitStatus, flags);
    if (pid === 'EINTR') continue;
    if (typeof pid === 'string' || pid <= 0) return null;
    return { pid, end: readWaitStatus(waitStatus.readInt32LE(0)) };
  }
}

/** The same in the words of the restart policy. */
export function endingOf(end: ProcessEnd): Ending {
  if (end.signal === null) return { how: 'exited', code: end.code };
  const signal = signalName(end.signal) as SignalName;
  return { how: 'killed', signal, ...(end.dumpedCore ? { dumpedCore: true } : {}) };
}

/** Any child that has ended; null if none has. */
export function reapAny(): { readonly pid: number; readonly end: ProcessEnd } | null {
  return waitFor(-1, WNOHANG);
}

/** As a shell reports it: the code, or 128 + the signal. An end that nobody could see counts as 0. */
export function exitCodeOf(end: ProcessEnd | null): number {
  if (end === null) return 0;
  return end.signal === null ? end.code : 128 + end.signal;
}
