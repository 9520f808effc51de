// The backups beside a log: making room for a new one, and compressing them. Every step can be the last one before
// a kill -9: what is there then is taken up by the next plan.
import {
  closeSync,
  createReadStream,
  createWriteStream,
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  openSync,
  readdirSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { callLibcInPool } from '../../native-bindings/libc.js';
import {
  type BackupStep,
  plainBackups,
  planNewBackup,
  planNoBackups,
  rotationNames,
} from '../core/log-rotation.js';
import { errnoNameOf, systemError } from '../errors.js';
import { decodeBytes, encodeBytes } from '../spec/byte-text.js';
import type { LogRotation } from '../spec/service-spec.js';
import { type ReportLog, Trouble } from './log-notice.js';

/** By log: who lets go of one while it compresses still may be followed by another one, and they have one name for it. */
const underWay = new Map<string, Promise<void>>();

export class LogBackups {
  readonly #folder: string;
  readonly #log: string;
  readonly #policy: LogRotation;
  readonly #trouble: Trouble;
  #compressing: Promise<void> | null = null;

  constructor(log: string, policy: LogRotation, report: ReportLog) {
    this.#folder = dirname(log);
    this.#log = basename(log);
    this.#policy = policy;
    this.#trouble = new Trouble(log, report);
  }

  /** Makes a file of the log's folder the newest backup. Blocks for a few renames; compresses later. */
  add(file: string): void {
    this.#perform(planNewBackup(this.#log, this.#files(), basename(file), this.#policy.backups));
    this.compress();
  }

  removeAll(): void {
    this.#perform(planNoBackups(this.#log, this.#files(), this.#policy.backups));
  }

  /** When the newest backup was made, in epoch milliseconds; null: there is none. */
  newestAt(): number | null {
    const forms = [false, true].map((compressed) =>
      statOrNull(this.#path(rotationNames.backup(this.#log, 1, compressed))),
    );
    const times = forms.flatMap((stats) => (stats === null ? [] : [stats.mtimeMs]));
    return times.length === 0 ? null : Math.max(...times);
  }

  /** Compresses what is not compressed, one file at a time, on the threads of the pool. */
  compress(): void {
    if (!this.#policy.compress || this.#compressing !== null || this.#trouble.waitMs > 0) return;
    const log = this.#path(this.#log);
    const before = underWay.get(log);
    const work = before === undefined ? this.#compressAll() : before.then(() => this.#compressAll());
    const mine = work.finally(() => {
      this.#compressing = null;
      if (underWay.get(log) === mine) underWay.delete(log);
    });
    this.#compressing = mine;
    underWay.set(log, mine);
  }

  /** Resolves when nothing is being compressed. */
  async settled(): Promise<void> {
    await this.#compressing;
  }

  async #compressAll(): Promise<void> {
    try {
      // Asked anew each time: the names move on while a file is being compressed.
      for (let next = this.#nextPlain(); next !== undefined; next = this.#nextPlain())
        await this.#compressFile(this.#path(next));
      this.#trouble.end();
    } catch (error) {
      removeIfThere(this.#path(rotationNames.compressing(this.#log)));
      this.#trouble.begin(systemError(`cannot compress a backup of ${this.#log}`, error));
    }
  }

  #nextPlain(): string | undefined {
    return plainBackups(this.#log, this.#files(), this.#policy.backups)[0];
  }

  /**
   * The compressed file gets its name when it is whole and on disk, and only then the original goes. Rotations may
   * move the original to another slot meanwhile, or drop it; its inode tells where it is now.
   */
  async #compressFile(original: string): Promise<void> {
    const temporary = this.#path(rotationNames.compressing(this.#log));
    removeIfThere(temporary);
    const input = openSync(encodeBytes(original), 'r');
    try {
      const stats = fstatSync(input);
      const output = openSync(encodeBytes(temporary), 'wx', stats.mode);
      try {
        await gzip(input, output);
        copyAttributes(stats, output);
        await callLibcInPool('fdatasync', output);
      } finally {
        closeSync(output);
      }
      this.#exchange(stats, temporary);
    } finally {
      closeSync(input);
    }
  }

  #exchange(original: Stats, temporary: string): void {
    const plain = plainBackups(this.#log, this.#files(), this.#policy.backups);
    const now = plain.find((file) => statOrNull(this.#path(file))?.ino === original.ino);
    if (now === undefined) {
      removeIfThere(temporary);
      return;
    }
    renameSync(encodeBytes(temporary), encodeBytes(this.#path(`${now}.gz`)));
    removeIfThere(this.#path(now));
  }

  #perform(steps: readonly BackupStep[]): void {
    for (const step of steps) {
      if (step.name === 'remove') removeIfThere(this.#path(step.file));
      else rename(this.#path(step.from), this.#path(step.to));
    }
  }

  #files(): string[] {
    return readdirSync(encodeBytes(this.#folder), 'buffer').map(decodeBytes);
  }

  #path(file: string): string {
    return join(this.#folder, file);
  }
}

/** node:zlib costs memory and time at start, so it is loaded by the first log that is compressed. */
async function gzip(input: number, output: number): Promise<void> {
  const require = createRequire(import.meta.url);
  const { createGzip } = require('node:zlib') as typeof import('node:zlib');
  const { pipeline } = require('node:stream/promises') as typeof import('node:stream/promises');
  await pipeline(
    createReadStream('', { fd: input, start: 0, autoClose: false }),
    createGzip(),
    createWriteStream('', { fd: output, start: 0, autoClose: false }),
  );
}

/** What a backup has from the log: who may read it, whose it is, and when it ended. */
export function copyAttributes(from: Stats, to: number): void {
  giveTo(from, to);
  futimesSync(to, from.atimeMs / 1000, from.mtimeMs / 1000);
}

/** Makes a new file as the old one was, the umask aside. */
export function giveTo(like: Stats, descriptor: number): void {
  const own = fstatSync(descriptor);
  if (own.uid !== like.uid || own.gid !== like.gid) changeOwner(descriptor, like);
  if ((own.mode & 0o7777) !== (like.mode & 0o7777)) fchmodSync(descriptor, like.mode & 0o7777);
}

function changeOwner(descriptor: number, { uid, gid }: Stats): void {
  try {
    fchownSync(descriptor, uid, gid);
  } catch (error) {
    // EPERM: only root gives files away. The log then is somebody else's, who lets us write to its folder.
    if (errnoNameOf(error) !== 'EPERM') throw error;
  }
}

export function rename(from: string, to: string): void {
  try {
    renameSync(encodeBytes(from), encodeBytes(to));
  } catch (error) {
    throw systemError(`cannot rename ${from} to ${to}`, error, from);
  }
}

export function removeIfThere(path: string): void {
  try {
    unlinkSync(encodeBytes(path));
  } catch (error) {
    // ENOENT: it is gone, which is what we wanted.
    if (errnoNameOf(error) !== 'ENOENT') throw systemError(`cannot remove ${path}`, error, path);
  }
}

export function statOrNull(path: string): Stats | null {
  try {
    return statSync(encodeBytes(path));
  } catch (error) {
    if (errnoNameOf(error) === 'ENOENT') return null;
    throw systemError(`cannot look at ${path}`, error, path);
  }
}
