// What the kernel tells about a process: /proc on Linux, proc_pidinfo on macOS.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { PROC_PIDTBSDINFO } from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { callLibc } from '../../native-bindings/libc.js';
import { bsdInfoFields } from '../../native-bindings/structs.js';
import type { Sighting } from '../core/judge.js';
import { errnoNameOf } from '../errors.js';
import { splitNulEnded } from '../spec/byte-text.js';
import { signalsInMask } from './signals.js';

/** USER_HZ: what /proc calls a clock tick. 100 on every Linux that Node runs on, whatever the kernel's own HZ is. */
const TICKS_PER_SECOND = 100;
/** The kernel counts memory of /proc/PID/statm in pages. */
const PAGE_BYTES = process.arch === 'arm64' && process.platform === 'darwin' ? 16384 : 4096;

/** The fields of /proc/PID/stat that we use. */
export interface ProcessStat {
  readonly pid: number;
  readonly name: string;
  /** R, S, D, Z (zombie), X (dead), T (stopped) ... */
  readonly stateLetter: string;
  readonly parent: number;
  readonly processGroup: number;
  readonly session: number;
  /** 0: no controlling terminal. */
  readonly terminal: number;
  readonly cpuMs: number;
  /** Ticks after boot. */
  readonly startTime: number;
  /** A wait status, of a zombie that we may look into; else 0. */
  readonly exitStatus: number;
}

/** null: no such process, or no /proc. */
export function readStat(pid: number | 'self'): ProcessStat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    // ENOENT and ESRCH: it has ended. EACCES (hidepid) is told apart by sightProcess.
    return null;
  }
  // The name stands in parentheses and may hold anything, also parentheses: the fields begin after the last one.
  const nameEnd = text.lastIndexOf(')');
  const fields = text.slice(nameEnd + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    pid: Number.parseInt(text, 10),
    name: text.slice(text.indexOf('(') + 1, nameEnd),
    stateLetter: fields[0]!,
    parent: field(4),
    processGroup: field(5),
    session: field(6),
    terminal: field(7),
    cpuMs: ((field(14) + field(15)) * 1000) / TICKS_PER_SECOND,
    startTime: field(22),
    exitStatus: field(52),
  };
}

/** What is seen under a pid. */
export function sightProcess(pid: number): Sighting {
  if (process.platform === 'darwin') return sightMacProcess(pid);
  const stat = readStat(pid);
  if (stat !== null)
    return { kind: 'process', startTime: stat.startTime, isDead: isDeadLetter(stat.stateLetter) };
  return answersSignalZero(pid) ? { kind: 'hidden' } : { kind: 'absent' };
}

const isDeadLetter = (letter: string): boolean => letter === 'Z' || letter === 'X' || letter === 'x';

function answersSignalZero(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return errnoNameOf(error) === 'EPERM';
  }
}

function sightMacProcess(pid: number): Sighting {
  const info = Buffer.alloc(bsdInfoFields.bytes);
  try {
    if (callLibc('proc_pidinfo', pid, PROC_PIDTBSDINFO, 0, info, info.length) < info.length)
      return answersSignalZero(pid) ? { kind: 'hidden' } : { kind: 'absent' };
  } catch (error) {
    if (!(error instanceof LibcError)) throw error;
    return answersSignalZero(pid) ? { kind: 'hidden' } : { kind: 'absent' };
  }
  const startTime =
    Number(info.readBigUInt64LE(bsdInfoFields.startSeconds)) * 1_000_000 +
    Number(info.readBigUInt64LE(bsdInfoFields.startMicroseconds));
  const ZOMBIE = 5;
  return { kind: 'process', startTime, isDead: info.readUInt32LE(bsdInfoFields.status) === ZOMBIE };
}

/** When the machine was booted, in milliseconds since the epoch; null without /proc. */
function bootedAt(): number | null {
  try {
    const line = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'latin1'));
    return line === null ? null : Number(line[1]) * 1000;
  } catch {
    // No /proc: callers say "cannot tell".
    return null;
  }
}

/** A start time on the wall clock, in milliseconds; null where the boot time cannot be read. */
export function startedAt(startTime: number): number | null {
  if (process.platform === 'darwin') return startTime / 1000;
  const boot = bootedAt();
  return boot === null ? null : boot + (startTime * 1000) / TICKS_PER_SECOND;
}

/** Resident memory in bytes; null where it cannot be read. */
export function residentBytes(pid: number): number | null {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * PAGE_BYTES;
  } catch {
    // It ended meanwhile, or there is no /proc.
    return null;
  }
}

/**
 * Memory in bytes that is this process's share, where several share it; resident memory where the kernel does not tell
 * shares, or not us. null where nothing can be read.
 */
export function sharedOutBytes(pid: number): number | null {
  try {
    const match = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'));
    if (match !== null) return Number(match[1]) * 1024;
  } catch {
    // EACCES: another user's, or one that must not be looked into. ENOENT: before Linux 4.14. ESRCH: it has ended.
  }
  return residentBytes(pid);
}

/** The words of its command line; null where they cannot be read. */
export function commandLine(pid: number): readonly string[] | null {
  try {
    return splitNulEnded(readFileSync(`/proc/${pid}/cmdline`));
  } catch {
    // It ended meanwhile, or there is no /proc.
    return null;
  }
}

/** What its descriptors are open on, in no order; empty where that cannot be seen. */
export function openFilesOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((descriptor) => readlinkSync(`/proc/${pid}/fd/${descriptor}`));
  } catch {
    // It ended or closed one meanwhile, it is somebody else's, or there is no /proc.
    return [];
  }
}

/** The environment that it was executed with; empty where it cannot be read. */
export function environmentOf(pid: number): readonly string[] {
  try {
    return splitNulEnded(readFileSync(`/proc/${pid}/environ`));
  } catch {
    // It ended meanwhile, it is somebody else's, or there is no /proc.
    return [];
  }
}

/** Every process that can be seen, in no order. Empty without /proc. */
export function allProcesses(): ProcessStat[] {
  let entries: string[];
  try {
    entries = readdirSync('/proc');
  } catch {
    // No /proc.
    return [];
  }
  return entries
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => readStat(Number(entry)))
    .filter((stat) => stat !== null);
}

/** Who is in a process group, zombies left out. Who has looked at all processes already hands them over. */
export function groupMembers(group: number, all: readonly ProcessStat[] = allProcesses()): number[] {
  return all.filter((stat) => stat.processGroup === group && !isZombie(stat)).map((stat) => stat.pid);
}

/** Our own children that have ended and wait for waitpid. */
export function unreapedChildren(): ProcessStat[] {
  return allProcesses().filter((stat) => stat.parent === process.pid && isZombie(stat));
}

/** Zombies left out. */
export function childrenOf(parent: number, all: readonly ProcessStat[] = allProcesses()): number[] {
  return all.filter((stat) => stat.parent === parent && !isZombie(stat)).map((stat) => stat.pid);
}

/** Children, their children and so on, zombies left out. */
export function descendantsOf(ancestor: number, all: readonly ProcessStat[] = allProcesses()): number[] {
  const living = all.filter((stat) => !isZombie(stat));
  const below = (pid: number): number[] =>
    living.filter(({ parent }) => parent === pid).flatMap((child) => [child.pid, ...below(child.pid)]);
  return below(ancestor);
}

/** Whether /proc shows us all of it: a process of another user keeps some of its numbers to itself. */
export function isOurs(pid: number): boolean {
  const self = process.geteuid?.();
  return self === 0 || statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === self;
}

/** The numbers of the signals that a process ignores; none where that cannot be read. */
export function signalsIgnoredBy(pid: number): number[] {
  try {
    return signalsInMask(/^SigIgn:\s*(\S+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
  } catch {
    // It has ended, or there is no /proc.
    return [];
  }
}

/** Zombies included: a process that ended and was not reaped yet is still listed by the kernel. */
export function isZombie(stat: ProcessStat): boolean {
  return isDeadLetter(stat.stateLetter);
}
