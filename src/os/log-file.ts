// The log of a program that writes straight to it: rotated under the program's hands, without a pipe, a copy of all
// that it writes, or any work while it writes nothing.
import {
  closeSync,
  constants,
  type FSWatcher,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  type Stats,
  watch,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  isRotationDue,
  type LogFacts,
  leftLogs,
  movableHead,
  msUntilLook,
  msUntilTooOld,
  SHORTEST_LOOK_MS,
  surplusHead,
} from '../core/log-rotation.js';
import { errnoNameOf, SystemError } from '../errors.js';
import { decodeBytes, encodeBytes } from '../spec/byte-text.js';
import type { LogRotation } from '../spec/service-spec.js';
import { monotonicMs } from './clock.js';
import { InTurn } from './in-turn.js';
import { giveTo, LogBackups, rename, statOrNull } from './log-backups.js';
import { dropHead, moveHead, type OpenLog, openLog, type PlaceCopy, recoverHead } from './log-collapse.js';
import { type ReportLog, Trouble } from './log-notice.js';

export interface LogFileOptions {
  /** Absolute, no symbolic link, in a place where canCollapse() is true. Made if it is not there. */
  readonly path: string;
  readonly rotation: LogRotation;
  readonly report: ReportLog;
  /** Another name of the file that the program writes to, as /proc gives, in case it has been renamed. */
  readonly held?: string | null;
  /**
   * Called when it has neither grown since it was last looked at nor anything to wait for: whoever keeps many may let
   * go of it until it is written to again. Absent: it is told by the kernel.
   */
  readonly resting?: (bytes: number) => void;
}

/** The file that the process has as a log by this descriptor; null: no regular file, or one that it opened itself. */
export function heldFile(pid: number, descriptor: number): string | null {
  const held = `/proc/${pid}/fd/${descriptor}`;
  return statOrNull(held)?.isFile() === true && appends(pid, descriptor) ? held : null;
}

/** The present name of such a file. */
export const nameOfHeld = (held: string): string => decodeBytes(readlinkSync(held, 'buffer'));

/** As every log is opened; `exec >FILE` in a shell does it otherwise. */
function appends(pid: number, descriptor: number): boolean {
  try {
    const [, flags] =
      /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'latin1')) ?? [];
    return (Number.parseInt(flags ?? '0', 8) & constants.O_APPEND) !== 0;
  } catch (error) {
    // ENOENT, ESRCH: it has ended, or closed it just now.
    if (errnoNameOf(error) === null) throw error;
    return false;
  }
}

/** Links followed, as far as they lead: whoever opens it says what is missing. */
export function realLogPath(path: string): string {
  const real = (name: string): string => decodeBytes(realpathSync(encodeBytes(name), 'buffer'));
  try {
    return statOrNull(path) === null ? join(real(dirname(path)), basename(path)) : real(path);
  } catch {
    return path;
  }
}

/** The logs in a folder, by name, whose rotation was interrupted: open() will finish it. */
export function interruptedIn(folder: string): ReadonlySet<string> {
  return new Set(leftLogs(readdirSync(encodeBytes(folder), 'buffer').map(decodeBytes)));
}

export function isLink(path: string): boolean {
  try {
    return lstatSync(encodeBytes(path), { throwIfNoEntry: false })?.isSymbolicLink() === true;
  } catch {
    // EACCES, ENOTDIR and the like: whoever opens it says so.
    return false;
  }
}

const TIMER_LIMIT_MS = 2 ** 31 - 1;

/**
 * Rotates by itself from open() on. Need not be disposed: exit, exec and SIGKILL may come at any moment, and the
 * next open() takes up what was left. Whoever opens it must be the only one; one that has been killed may not be
 * gone quite yet.
 */
export class LogFile {
  readonly #path: string;
  readonly #policy: LogRotation;
  readonly #report: ReportLog;
  readonly #resting: LogFileOptions['resting'];
  readonly #backups: LogBackups;
  readonly #trouble: Trouble;
  readonly #turn = new InTurn();
  readonly #addBackup: PlaceCopy = (file) => this.#backups.add(file);
  #log: OpenLog;
  /** When the oldest byte that counts for its age was written, in epoch milliseconds. */
  #since: number;
  #watcher: FSWatcher | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** How much was taken out of it, so that its growth can be told across rotations. */
  #moved = 0;
  #looked = { written: 0, at: 0 };
  #isClosed = false;

  /** Resolves when a rotation that was interrupted is finished. Throws SystemError when the log cannot be opened. */
  static async open(options: LogFileOptions): Promise<LogFile> {
    const file = new LogFile(options);
    await file.#turn.take(() => file.#attempt(() => recoverHead(file.#log, file.#addBackup)));
    file.#backups.compress();
    void file.#keep();
    return file;
  }

  private constructor({ path, rotation, report, held, resting }: LogFileOptions) {
    this.#path = path;
    this.#policy = rotation;
    this.#report = report;
    this.#resting = resting;
    this.#backups = new LogBackups(path, rotation, report);
    this.#trouble = new Trouble(path, report);
    // Nothing may throw while nobody could close what is open.
    const newestAt = this.#backups.newestAt() ?? 0;
    this.#log = { ...openLog(held ?? path), path };
    this.#since = Math.max(fstatSync(this.#log.descriptor).birthtimeMs, newestAt);
  }

  /** To be called after each start of the program: it opened its log by name, so that is the file to keep. */
  follow(): Promise<void> {
    return this.#turn.take(async () => {
      if (this.#isClosed || this.#hasName()) return;
      const { descriptor } = this.#log;
      this.#log = openLog(this.#path);
      closeSync(descriptor);
      this.#since = Date.now();
      this.#look();
    });
  }

  /** Rotates now, due or not, all that can be moved: a few kilobytes stay. Throws SystemError. */
  rotate(): Promise<void> {
    return this.#turn.take(async () => {
      if (this.#isClosed) return;
      const { bytes } = this.#facts();
      await this.#move(movableHead(bytes, this.#log.unitBytes, null));
    });
  }

  /**
   * For an outside logrotate that has renamed the log: the program cannot be made to open another file, so its file
   * gets the log's name back, and what is in it moves to a new file under the name that logrotate gave. Resolves
   * when that is done, so that logrotate may compress it. Throws SystemError.
   */
  reopen(): Promise<void> {
    return this.#turn.take(async () => {
      if (!this.#isClosed && !this.#hasName()) await this.#takeNameBack();
    });
  }

  /** Everything that was written is in the log: there is nothing in between. */
  async drain(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#rest();
    await this.#turn.take(async () => closeSync(this.#log.descriptor));
    await this.#backups.settled();
  }

  /** Rotates what is due, tells what fails, and looks again when it is worth it. Never throws. */
  #keep(): Promise<void> {
    this.#rest();
    return this.#turn.take(async () => {
      if (this.#isClosed) return;
      await this.#attempt(async () => {
        await recoverHead(this.#log, this.#addBackup);
        await this.#rotateWhileDue();
      });
      this.#look();
    });
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#trouble.end();
    } catch (error) {
      this.#trouble.begin(error);
    }
  }

  async #rotateWhileDue(): Promise<void> {
    while (!this.#isClosed && isRotationDue(this.#policy, this.#facts())) {
      const { bytes } = this.#facts();
      const surplus = surplusHead(bytes, this.#log.unitBytes, this.#policy);
      if (surplus > 0) {
        await this.#drop(surplus);
        this.#moved += surplus;
        continue;
      }
      const head = movableHead(bytes, this.#log.unitBytes, this.#policy.maxBytes);
      // Not even a block: it has to grow first.
      if (head === 0) return;
      await this.#move(head);
    }
  }

  async #move(bytes: number): Promise<void> {
    if (bytes === 0) return;
    if (this.#policy.backups === 0) await this.#drop(bytes);
    else await moveHead(this.#log, bytes, this.#addBackup);
    this.#moved += bytes;
    this.#since = Date.now();
    this.#report({ name: 'rotated', log: this.#path, bytes });
  }

  /** The backups first, so that what is left never has a gap. */
  async #drop(bytes: number): Promise<void> {
    this.#backups.removeAll();
    await dropHead(this.#log, bytes, this.#addBackup);
  }

  #facts(): LogFacts {
    return { bytes: fstatSync(this.#log.descriptor).size, ageMs: Date.now() - this.#since };
  }

  /**
   * Arranges the next look: half the way to the limit at the present speed. A log that does not grow is left to the
   * kernel, which tells when it does.
   */
  #look(): void {
    this.#rest();
    if (this.#isClosed) return;
    if (this.#trouble.waitMs > 0) {
      this.#lookIn(this.#trouble.waitMs);
      return;
    }
    const { bytes, ageMs } = this.#facts();
    const before = this.#looked;
    this.#looked = { written: this.#moved + bytes, at: monotonicMs() };
    const { maxBytes } = this.#policy;
    // Too old and yet not rotated: nothing, or less than a block, is there. Its age counts from now.
    if (msUntilTooOld(this.#policy, ageMs) === 0) this.#since = Date.now();
    const ageWaitMs = msUntilTooOld(this.#policy, Date.now() - this.#since) ?? TIMER_LIMIT_MS;
    const speed = (this.#looked.written - before.written) / (this.#looked.at - before.at);
    if (speed === 0 && this.#resting !== undefined && this.#policy.maxAgeMs === null)
      return this.#resting(bytes);
    if (maxBytes === null || (speed === 0 && this.#watchGrowth(bytes))) {
      if (this.#policy.maxAgeMs !== null) this.#lookIn(ageWaitMs);
      return;
    }
    this.#lookIn(Math.min(ageWaitMs, msUntilLook(bytes, maxBytes, speed)));
  }

  /** false: it has grown meanwhile, or the kernel has no watch to spare (max_user_watches, max_user_instances). */
  #watchGrowth(bytes: number): boolean {
    try {
      // Through the descriptor, so that it is the program's file whatever its name is now.
      const watcher = watch(`/proc/self/fd/${this.#log.descriptor}`, { persistent: false });
      this.#watcher = watcher;
      const grown = (): void => {
        if (this.#watcher !== watcher) return;
        this.#rest();
        this.#lookIn(SHORTEST_LOOK_MS);
      };
      watcher.on('change', grown).on('error', grown);
    } catch {
      // ENOSPC or EMFILE; looking once a second does as well.
      return false;
    }
    return this.#facts().bytes === bytes;
  }

  #lookIn(waitMs: number): void {
    this.#timer = setTimeout(() => void this.#keep(), Math.min(waitMs, TIMER_LIMIT_MS));
    // A log alone is no reason for a process to go on.
    this.#timer.unref();
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#watcher?.close();
    this.#watcher = null;
  }

  #hasName(): boolean {
    const ours = fstatSync(this.#log.descriptor);
    const named = statOrNull(this.#path);
    return named !== null && named.ino === ours.ino && named.dev === ours.dev;
  }

  async #takeNameBack(): Promise<void> {
    const ours = fstatSync(this.#log.descriptor);
    if (ours.nlink === 0) throw this.#refusal('ENOENT', 'the program writes to a file that was removed');
    if ((statOrNull(this.#path)?.size ?? 0) > 0)
      throw this.#refusal('EEXIST', 'the program writes to another file, and this one has content');
    const moved = nameOfHeld(`/proc/self/fd/${this.#log.descriptor}`);
    rename(moved, this.#path);
    const head = movableHead(ours.size, this.#log.unitBytes, null);
    if (head > 0) await moveHead(this.#log, head, (file) => rename(file, moved));
    // logrotate goes on with the file that it knows, so there is one.
    else makeEmpty(moved, ours);
    this.#moved += head;
    this.#since = Date.now();
    this.#look();
  }

  #refusal(errnoName: string, why: string): SystemError {
    return new SystemError(`cannot reopen ${this.#path}: ${why}`, {
      syscall: 'rename',
      errnoName,
      path: this.#path,
    });
  }
}

function makeEmpty(path: string, like: Stats): void {
  const descriptor = openSync(encodeBytes(path), 'wx', 0o600);
  giveTo(like, descriptor);
  closeSync(descriptor);
}
