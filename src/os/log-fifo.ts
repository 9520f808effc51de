// The log of a program that writes to a FIFO: where the file system cannot collapse files, and where the log is not
// what the program writes but lines made of it.
//
// The program holds the FIFO open for reading and writing, so it never has SIGPIPE to fear, and what it wrote waits
// for the next reader when this one is killed. Three limits follow:
// - While nobody reads, and while the disk is full, the program stands still at the write for which the FIFO has no
//   room, and goes on when there is some. Nothing that it wrote is ever thrown away; to keep it running by dropping
//   lines would break that, and cannot be taken back.
// - What is in the FIFO when the program and its reader are both dead is gone: the kernel keeps no pipe that nobody
//   holds. It is what the program wrote after its reader was killed, 64 KiB at most.
// - Where the kernel has no splice(2) for the file system (or is not Linux), the same holds for what the reader had
//   just read when it was killed.
import { closeSync, constants, fchownSync, fstatSync, ftruncateSync, openSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { LINE_BYTES, takeLines } from '../core/log-lines.js';
import { isRotationDue, msUntilTooOld } from '../core/log-rotation.js';
import { errnoNameOf, systemError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';
import type { LineFormat, LogRotation } from '../spec/service-spec.js';
import { duplicate } from './descriptors.js';
import { whenReadable } from './exit-watch.js';
import { makeFifo } from './fifo.js';
import { InTurn } from './in-turn.js';
import { lockForLife } from './lock-for-life.js';
import { giveTo, LogBackups } from './log-backups.js';
import { type ReportLog, Trouble } from './log-notice.js';
import { Spool } from './log-spool.js';
import { PipeEnd, writeSome } from './pipe-end.js';
import { pump } from './pump.js';

export interface LogPumpOptions {
  /** The log: absolute, no symbolic link. Made if it is not there. */
  readonly path: string;
  /** Where the FIFOs are, and what is between them and the log; private to the service. */
  readonly folder: string;
  /**
   * The FIFOs that go into this log, by the names that JSON lines show. One is enough for a program that writes
   * both of its streams to it, and better: nothing then comes out of order.
   */
  readonly streams: readonly [string, ...string[]];
  readonly format: 'as-is' | LineFormat;
  readonly rotation: LogRotation | null;
  readonly report: ReportLog;
}

/** More than any pipe holds by default, and as much as one may hold. */
const PIPE_BYTES = 1_048_576;

const TIMER_LIMIT_MS = 2 ** 31 - 1;

/** More than the longest line that is held back, so that there is always one to take. */
const READ_BYTES = 4 * LINE_BYTES;

/**
 * Pumps by itself from begin() on. Need not be disposed: exit, exec and SIGKILL may come at any moment, and the next
 * one goes on where this one was.
 */
export class LogPump {
  readonly #options: LogPumpOptions;
  readonly #pipes: ReadonlyMap<string, PipeEnd>;
  readonly #backups: LogBackups | null;
  readonly #trouble: Trouble;
  /** While a rotation fails, the log may outgrow its limit. */
  readonly #rotationTrouble: Trouble;
  readonly #turn = new InTurn();
  readonly #closing = new AbortController();
  #spool: Spool<boolean> | null = null;
  #pumping: Promise<unknown> = Promise.resolve();
  #log: number | null = null;
  /** What a new log file should look like. */
  #like: Stats | null = null;
  /** When the log file was begun, in epoch milliseconds. */
  #since = 0;
  #ageTimer: NodeJS.Timeout | undefined;

  /** Holds the FIFOs from now on, and makes those that are not there. Throws SystemError. */
  constructor(options: LogPumpOptions) {
    const { path, folder, streams, rotation, report } = options;
    this.#options = options;
    this.#pipes = new Map(streams.map((stream) => [stream, openFifo(folder, stream)]));
    this.#backups = rotation === null ? null : new LogBackups(path, rotation, report);
    this.#trouble = new Trouble(path, report);
    this.#rotationTrouble = new Trouble(path, report);
  }

  /** What the program is to have as this stream: read-write, so that it always has a reader, and blocking. */
  openEnd(stream: string): number {
    const { descriptor } = this.#pipes.get(stream)!;
    try {
      return openSync(nameOf(descriptor), constants.O_RDWR);
    } catch (error) {
      throw systemError(`cannot open FIFO ${stream} of log ${this.#options.path}`, error);
    }
  }

  /** For a program that runs as another user, and may open its own /dev/stdout. */
  giveTo(owner: { readonly uid: number; readonly gid: number }): void {
    for (const { descriptor } of this.#pipes.values()) fchownSync(descriptor, owner.uid, owner.gid);
  }

  /** Pumps from now on. Throws SystemError when the log or the spool cannot be opened; then it can be begun again. */
  async begin(): Promise<void> {
    try {
      for (const { descriptor } of this.#pipes.values()) await lockForLife(descriptor);
      this.#start();
    } catch (error) {
      throw systemError(`cannot keep log ${this.#options.path}`, error, this.#options.path);
    }
  }

  #start(): void {
    const { folder, streams, format } = this.#options;
    const log = this.#openedLog();
    if (format !== 'as-is' || Spool.isThere(folder, streams)) {
      this.#spool = new Spool(folder, streams, false);
      this.#spool.restore(log);
    }
    this.#backups?.compress();
    this.#watchAge();
    const pumping = [...this.#pipes].map(([stream, { descriptor }]) =>
      pump(descriptor, this.#closing.signal, async () => {
        const moved = await this.#turn.take(() => this.#step(stream, false));
        return moved ?? { retryMs: this.#trouble.waitMs };
      }),
    );
    this.#pumping = Promise.all(pumping);
  }

  /** Rotates now, due or not. Throws SystemError. */
  rotate(): Promise<void> {
    return this.#turn.take(async () => this.#rotate());
  }

  /** For an outside logrotate that has renamed the log: goes on in a file of the log's name. Throws SystemError. */
  reopen(): Promise<void> {
    return this.#turn.take(async () => {
      if (this.#isClosed) return;
      this.#closeLog();
      this.#openedLog();
    });
  }

  /**
   * Resolves when what was in the FIFOs is in the log, a last line without its newline included: called when the
   * program has ended. On a full disk it stays in the FIFOs, which has been reported.
   */
  async drain(): Promise<void> {
    for (const stream of this.#pipes.keys()) {
      // No more than was there: others may write without end.
      for (let total = 0; total < PIPE_BYTES; ) {
        const moved = await this.#turn.take(() => this.#step(stream, false));
        if (moved === null || moved === 0) break;
        total += moved;
      }
      if (this.#options.format !== 'as-is') await this.#turn.take(() => this.#step(stream, true));
    }
  }

  /** Drains, and lets go of the FIFOs: a program that still writes stands still when they are full. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
    clearTimeout(this.#ageTimer);
    this.#closing.abort();
    await this.#turn.take(() => this.#releasePipes());
    await this.#pumping;
    for (const { descriptor } of this.#pipes.values()) closeSync(descriptor);
    this.#closeLog();
    if (this.#spool?.isEmpty === true) this.#spool.remove();
    else this.#spool?.close();
    await this.#backups?.settled();
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Moves what is there: how many bytes, or null when that failed and was told. Never throws. */
  async #step(stream: string, atEnd: boolean): Promise<number | null> {
    if (this.#isClosed) return 0;
    try {
      const moved =
        this.#options.format === 'as-is'
          ? await this.#moveBytes(stream)
          : await this.#moveLines(stream, this.#options.format, atEnd);
      if (moved > 0) this.#trouble.end();
      return moved;
    } catch (error) {
      this.#trouble.begin(systemError(`cannot write log ${this.#options.path}`, error));
      return null;
    }
  }

  async #moveBytes(stream: string): Promise<number> {
    if (this.#spool !== null) await this.#moveLeftSpool(this.#spool);
    this.#rotateIfDue();
    const log = this.#openedLog();
    const { size } = fstatSync(log);
    return this.#pipes.get(stream)!.moveTo(log, size, this.#roomBehind(size));
  }

  async #moveLines(stream: string, format: LineFormat, atEnd: boolean): Promise<number> {
    const spool = this.#spool!;
    // What the log cannot take for now stays in the FIFO, where it holds the program up, and not in the spool.
    const room = PIPE_BYTES - spool.backlog(stream);
    let moved = 0;
    if (room > 0) {
      const { file, end } = spool.target(stream);
      moved = await this.#pipes.get(stream)!.moveTo(file, end, room);
    }
    for (;;) {
      this.#rotateIfDue();
      const { bytes, state: continues } = spool.next(stream, READ_BYTES);
      const taken = takeLines(bytes, {
        format,
        stream,
        time: new Date().toISOString(),
        roomBytes: this.#roomBehind(fstatSync(this.#openedLog()).size),
        atEnd: atEnd && bytes.length < READ_BYTES,
        continues,
      });
      if (taken.output.length === 0) return moved;
      await this.#append(spool, taken.output);
      spool.commit(stream, taken.consumed, taken.continues);
      moved += taken.consumed;
    }
  }

  /** Of a run that made lines, while this one does not. */
  async #moveLeftSpool(spool: Spool<boolean>): Promise<void> {
    for (const stream of this.#pipes.keys()) {
      for (
        let next = spool.next(stream, READ_BYTES);
        next.bytes.length > 0;
        next = spool.next(stream, READ_BYTES)
      ) {
        await this.#append(spool, next.bytes);
        spool.commit(stream, next.bytes.length, false);
      }
    }
    spool.remove();
    this.#spool = null;
  }

  async #append(spool: Spool<boolean>, bytes: Buffer): Promise<void> {
    const log = this.#openedLog();
    const base = spool.begin(log);
    try {
      for (let written = 0; written < bytes.length; )
        written += await writeSome(log, bytes.subarray(written), base + written);
    } catch (error) {
      // Half of a line is no use to anybody, and the whole will come again.
      ftruncateSync(log, base);
      throw error;
    }
  }

  #roomBehind(bytes: number): number {
    const maxBytes = this.#options.rotation?.maxBytes ?? null;
    if (maxBytes === null || this.#rotationTrouble.waitMs > 0) return PIPE_BYTES;
    return Math.min(PIPE_BYTES, Math.max(1, maxBytes - bytes));
  }

  #rotateIfDue(): void {
    if (this.#rotationTrouble.waitMs > 0) return;
    const { size } = fstatSync(this.#openedLog());
    if (!isRotationDue(this.#options.rotation, { bytes: size, ageMs: Date.now() - this.#since })) return;
    try {
      this.#rotate();
      this.#rotationTrouble.end();
    } catch (error) {
      this.#rotationTrouble.begin(error);
    }
  }

  #rotate(): void {
    if (this.#isClosed || this.#backups === null) return;
    const { path, report } = this.#options;
    const { size } = fstatSync(this.#openedLog());
    if (size === 0) return;
    this.#backups.add(path);
    this.#closeLog();
    this.#openedLog();
    this.#watchAge();
    report({ name: 'rotated', log: path, bytes: size });
  }

  /** Without O_APPEND, which splice refuses; so its length is asked before each write, and nobody else writes. */
  #openedLog(): number {
    if (this.#log !== null) return this.#log;
    const path = encodeBytes(this.#options.path);
    const { O_WRONLY, O_CREAT, O_EXCL, O_NOCTTY, O_NOFOLLOW } = constants;
    try {
      this.#log = openSync(path, O_WRONLY | O_NOCTTY | O_NOFOLLOW);
    } catch (error) {
      if (errnoNameOf(error) !== 'ENOENT') throw error;
      this.#log = openSync(path, O_WRONLY | O_NOCTTY | O_CREAT | O_EXCL, 0o666);
      if (this.#like !== null) giveTo(this.#like, this.#log);
    }
    const { size, birthtimeMs } = fstatSync(this.#log);
    this.#since = size > 0 && birthtimeMs > 0 ? birthtimeMs : Date.now();
    return this.#log;
  }

  #closeLog(): void {
    if (this.#log === null) return;
    this.#like = fstatSync(this.#log);
    closeSync(this.#log);
    this.#log = null;
  }

  #watchAge(): void {
    clearTimeout(this.#ageTimer);
    const waitMs = msUntilTooOld(this.#options.rotation, Date.now() - this.#since);
    if (waitMs === null) return;
    const look = (): void => {
      void this.#turn.take(async () => {
        if (this.#isClosed) return;
        this.#rotateIfDue();
        // Empty, or it cannot be rotated now: its age counts from here.
        if (msUntilTooOld(this.#options.rotation, Date.now() - this.#since) === 0) this.#since = Date.now();
        this.#watchAge();
      });
    };
    this.#ageTimer = setTimeout(look, Math.min(waitMs, TIMER_LIMIT_MS));
    this.#ageTimer.unref();
  }

  /**
   * The descriptors are readable for ever from here on, so that nobody waits for them; to close one that is waited
   * for would leave its number to another file.
   */
  async #releasePipes(): Promise<void> {
    const nothing = openSync('/dev/null', 'r');
    for (const { descriptor } of this.#pipes.values()) duplicate(nothing, descriptor);
    await whenReadable(nothing, Number.POSITIVE_INFINITY);
    closeSync(nothing);
  }
}

/** A name for what is open, in a folder that another user may not enter. */
function nameOf(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

function openFifo(folder: string, stream: string): PipeEnd {
  const path = join(folder, `${stream}.fifo`);
  makeFifo(path);
  try {
    // Read-write: while no program runs, the FIFO is not at its end, and what is in it stays.
    return new PipeEnd(openSync(encodeBytes(path), constants.O_RDWR | constants.O_NONBLOCK));
  } catch (error) {
    throw systemError(`cannot open FIFO ${path}`, error, path);
  }
}
