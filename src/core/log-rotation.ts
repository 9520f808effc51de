// When a log is rotated, how much of it at once, and which name each backup has: `web.log.1` is the newest,
// `web.log.N` the oldest, with `.gz` when it is compressed. Names are those of files in the log's folder.
import type { LogRotation } from '../spec/service-spec.js';

export interface LogFacts {
  readonly bytes: number;
  /** Since the last rotation, or since the file was made. */
  readonly ageMs: number;
}

/** An empty log is never due: a backup without content would push one with content out. */
export function isRotationDue(policy: LogRotation | null, { bytes, ageMs }: LogFacts): boolean {
  if (policy === null || bytes === 0) return false;
  const { maxBytes, maxAgeMs } = policy;
  return (maxBytes !== null && bytes >= maxBytes) || (maxAgeMs !== null && ageMs >= maxAgeMs);
}

/** How long until age alone makes it due; null: never. */
export function msUntilTooOld(policy: LogRotation | null, ageMs: number): number | null {
  if (policy === null || policy.maxAgeMs === null) return null;
  return Math.max(0, policy.maxAgeMs - ageMs);
}

/**
 * How many bytes at the beginning of a live file may be moved out of it at once. The kernel takes whole blocks and
 * wants at least one byte to be left, so up to one block stays behind. A log that has outgrown maxBytes goes piece
 * by piece. Where maxBytes is less than a block, a block is the least that can be moved.
 */
export function movableHead(bytes: number, blockBytes: number, maxBytes: number | null): number {
  const wholeBlocks = (length: number): number => Math.floor(length / blockBytes) * blockBytes;
  const below = wholeBlocks(Math.max(0, bytes - 1));
  return maxBytes === null ? below : Math.min(below, Math.max(blockBytes, wholeBlocks(maxBytes)));
}

/**
 * How many bytes at the beginning would be rotated through all backups and out at their end before the live file is
 * short again. They can go at once: where a program writes faster than files are copied, nothing else bounds the
 * space that its log takes.
 */
export function surplusHead(bytes: number, blockBytes: number, policy: LogRotation): number {
  if (policy.maxBytes === null) return 0;
  const piece = movableHead(Number.MAX_SAFE_INTEGER, blockBytes, policy.maxBytes);
  // One piece stays for the live file, and one more so that a rotation in good time never throws anything away.
  const surplus = bytes - piece * (policy.backups + 2);
  return Math.max(0, Math.floor(surplus / blockBytes) * blockBytes);
}

/** While a program writes, its log is looked at that often; while it does not, not at all. */
export const LONGEST_LOOK_MS = 1000;
export const SHORTEST_LOOK_MS = 20;

/** When to look again at a log that grows by so many bytes in a millisecond: half the way to the limit. */
export function msUntilLook(bytes: number, limit: number, speed: number): number {
  const halfWayMs = speed > 0 ? (limit - bytes) / speed / 2 : LONGEST_LOOK_MS;
  return Math.min(LONGEST_LOOK_MS, Math.max(SHORTEST_LOOK_MS, halfWayMs));
}

/** The names beside a log that are ours. */
export const rotationNames = {
  /** A copy of the log's head that may not be whole. */
  copying: (log: string): string => `${log}.rotating`,
  /** A whole copy of the log's head, about to become the newest backup. */
  copied: (log: string): string => `${log}.rotated`,
  compressing: (log: string): string => `${log}.compressing`,
  backup: (log: string, slot: number, compressed: boolean): string =>
    `${log}.${slot}${compressed ? '.gz' : ''}`,
} as const;

/** The logs whose rotation was interrupted, by the names of the files in a folder. */
export function leftLogs(files: readonly string[]): string[] {
  const suffixes = [rotationNames.copying(''), rotationNames.copied('')];
  return suffixes.flatMap((suffix) =>
    files.filter((file) => file.endsWith(suffix)).map((file) => file.slice(0, -suffix.length)),
  );
}

export type BackupStep =
  | { readonly name: 'remove'; readonly file: string }
  | { readonly name: 'rename'; readonly from: string; readonly to: string };

/**
 * The steps after which `incoming` is the newest backup. Each leaves a folder from which the plan, made anew, comes
 * to the same end: only the backups up to the first free slot move, so those that moved already stay.
 */
export function planNewBackup(
  log: string,
  files: Iterable<string>,
  incoming: string,
  backups: number,
): BackupStep[] {
  const present = new Set(files);
  const steps = removals(log, present, backups);
  if (backups === 0) return [...steps, { name: 'remove', file: incoming }];

  let free = 1;
  while (free < backups && formsOf(log, free, present).length > 0) free += 1;
  for (const file of formsOf(log, free, present)) steps.push({ name: 'remove', file });
  for (let slot = free - 1; slot >= 1; slot -= 1) {
    const [form, ...rest] = formsOf(log, slot, present) as [string, ...string[]];
    // Both: the compressed file is whole, else it had another name, and its original was about to be removed.
    for (const file of rest) steps.push({ name: 'remove', file });
    const to = rotationNames.backup(log, slot + 1, form.endsWith('.gz'));
    steps.push({ name: 'rename', from: form, to });
  }
  return [...steps, { name: 'rename', from: incoming, to: rotationNames.backup(log, 1, false) }];
}

/** Removes every backup, the oldest first, so that at any moment those that are left follow on each other. */
export function planNoBackups(log: string, files: Iterable<string>, backups: number): BackupStep[] {
  const present = new Set(files);
  const steps = removals(log, present, backups);
  for (let slot = backups; slot >= 1; slot -= 1)
    for (const file of formsOf(log, slot, present)) steps.push({ name: 'remove', file });
  return steps;
}

/**
 * Those in slots beyond the kept ones, since more were kept before. Only up to the first gap: a number far off is
 * not ours, as in web.log.20261124.
 */
function removals(log: string, present: ReadonlySet<string>, backups: number): BackupStep[] {
  const steps: BackupStep[] = [];
  for (let slot = backups + 1; formsOf(log, slot, present).length > 0; slot += 1)
    steps.unshift(...formsOf(log, slot, present).map((file): BackupStep => ({ name: 'remove', file })));
  return steps;
}

/** The files in a slot: none, the compressed or the plain one, or both, the compressed first. */
function formsOf(log: string, slot: number, present: ReadonlySet<string>): string[] {
  const forms = [rotationNames.backup(log, slot, true), rotationNames.backup(log, slot, false)];
  return forms.filter((file) => present.has(file));
}

/** The backups that are not compressed, the newest first. */
export function plainBackups(log: string, files: Iterable<string>, backups: number): string[] {
  const present = new Set(files);
  const plain: string[] = [];
  for (let slot = 1; slot <= Math.min(backups, present.size); slot += 1) {
    const file = rotationNames.backup(log, slot, false);
    if (present.has(file)) plain.push(file);
  }
  return plain;
}
