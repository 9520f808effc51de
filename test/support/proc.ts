// What the kernel says about a process: the oracles of the tests. Linux only.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { until } from './until.js';

export interface Stat {
  readonly state: string;
  readonly parent: number;
  readonly processGroup: number;
  readonly session: number;
  /** 0: no controlling terminal. */
  readonly terminal: number;
  readonly nice: number;
  /** Clock ticks after boot; tells a process from a later one with the same pid. */
  readonly startTime: number;
}

/** null when there is no such process. */
export function statOf(pid: number): Stat | null {
  const text = readOrNull(pid, 'stat')?.toString('latin1');
  if (text === undefined) return null;
  // The second field is the program's own name, which may hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const number = (field: number): number => Number(fields[field - 3]);
  return {
    state: fields[0]!,
    parent: number(4),
    processGroup: number(5),
    session: number(6),
    terminal: number(7),
    nice: number(19),
    startTime: number(22),
  };
}

/** Resolves when it sleeps or is stopped: an exec is over before the loader has closed its own files. */
export async function whenStill(pid: number): Promise<void> {
  await until(() => assert.match(statOf(pid)?.state ?? 'gone', /[ST]/), { withinMs: 10_000 });
}

/** A zombie is dead: nothing of it runs any more. */
export function isAlive(pid: number): boolean {
  const state = statOf(pid)?.state;
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** A line of /proc/PID/status by its key, as `Umask`. */
export function statusField(pid: number, key: string): string {
  const line = read(pid, 'status')
    .toString('latin1')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${key}:`));
  if (line === undefined) throw new Error(`/proc/${pid}/status has no ${key}`);
  return line.slice(key.length + 1).trim();
}

/**
 * The numbers of the signals in one of the masks. Signals 32 and 33 belong to the C library, whose posix_spawn leaves
 * them ignored, so they are left out.
 */
export function signalsIn(pid: number, mask: 'SigIgn' | 'SigBlk' | 'SigCgt'): number[] {
  const bits = BigInt(`0x${statusField(pid, mask)}`);
  return Array.from({ length: 64 }, (_, index) => index + 1).filter(
    (signal) => signal !== 32 && signal !== 33 && (bits & (1n << BigInt(signal - 1))) !== 0n,
  );
}

export interface ProcessLimit {
  readonly soft: number;
  readonly hard: number;
}

/** A resource limit by the kernel's name, as `Max open files`. */
export function limitOf(pid: number, name: string): ProcessLimit {
  const line = read(pid, 'limits')
    .toString()
    .split('\n')
    .find((candidate) => candidate.startsWith(name));
  const [soft, hard] = line?.slice(name.length).trim().split(/\s+/) ?? [];
  const number = (text: string | undefined): number =>
    text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
  return { soft: number(soft), hard: number(hard) };
}

/** Descriptor -> what it is open on. */
export function descriptorsOf(pid: number): Map<number, string> {
  const names = readdirSync(`/proc/${pid}/fd`);
  const open = names.map((name): [number, string] => [Number(name), readlinkSync(`/proc/${pid}/fd/${name}`)]);
  return new Map(open.sort(([first], [second]) => first - second));
}

/** The open flags of a descriptor, as open(2) takes them. */
export function openFlags(pid: number, descriptor: number): number {
  return Number.parseInt(/^flags:\s*(\d+)/m.exec(read(pid, `fdinfo/${descriptor}`).toString())![1]!, 8);
}

/** Every argument as bytes. */
export function argvOf(pid: number): Buffer[] {
  return splitNulEnded(read(pid, 'cmdline'));
}

/** Every `NAME=value` as bytes, in order. */
export function environmentOf(pid: number): Buffer[] {
  return splitNulEnded(read(pid, 'environ'));
}

export function cwdOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/cwd`);
}

/** Living processes that have the text in their arguments, environment or working directory. */
export function processesMentioning(text: string): number[] {
  const bytes = Buffer.from(text);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      if (!isAlive(pid)) return false;
      if (readOrNull(pid, 'cmdline')?.includes(bytes) || readOrNull(pid, 'environ')?.includes(bytes))
        return true;
      try {
        return cwdOf(pid).startsWith(text);
      } catch {
        // ENOENT, ESRCH: it has just ended. EACCES: it is somebody else's.
        return false;
      }
    });
}

/** Living children, those of all its threads. */
export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`)
    .flatMap((thread) => (readOrNull(pid, `task/${thread}/children`)?.toString() ?? '').trim().split(/\s+/))
    .filter((word) => word !== '')
    .map(Number);
}

/** The command as people read it; '?' when it has ended. */
export function describe(pid: number): string {
  return readOrNull(pid, 'cmdline')?.toString().replaceAll('\0', ' ').trim().slice(0, 200) || '?';
}

function splitNulEnded(block: Buffer): Buffer[] {
  const strings: Buffer[] = [];
  for (let start = 0; start < block.length; ) {
    const end = block.indexOf(0, start);
    strings.push(block.subarray(start, end));
    start = end + 1;
  }
  return strings;
}

function read(pid: number, file: string): Buffer {
  return readFileSync(`/proc/${pid}/${file}`);
}

function readOrNull(pid: number, file: string): Buffer | null {
  try {
    return read(pid, file);
  } catch {
    // ENOENT, ESRCH: it has ended. EACCES: it is somebody else's.
    return null;
  }
}
