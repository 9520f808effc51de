// Rotation of the logs that programs write to themselves. While nobody writes to a log the kernel is asked to tell when
// somebody does; while it is short it is looked at from time to time; only a log that comes near its limit gets a
// keeper. So a thousand programs that say little cost neither descriptors nor work.
import { basename } from 'node:path';
import { LONGEST_LOOK_MS, msUntilLook, SHORTEST_LOOK_MS } from '../core/log-rotation.js';
import { errnoNameOf, reasonOf } from '../errors.js';
import { monotonicMs } from '../os/clock.js';
import { folderOf } from '../os/folders.js';
import { statOrNull } from '../os/log-backups.js';
import { canCollapse } from '../os/log-collapse.js';
import { interruptedIn, isLink, LogFile, realLogPath } from '../os/log-file.js';
import { type LogNotice, Trouble } from '../os/log-notice.js';
import { WriteWatch } from '../os/write-watch.js';
import type { StreamPlan } from '../spec/supervision.js';

/** How many logs are looked at before other events have their turn. */
const AT_ONCE = 32;

/** The part of its limit below which a log that rests needs no keeper. */
const NEAR = 0.5;

export interface LogKeepersHost {
  say(line: string): void;
  /** Another name of the file that a program writes to as this log; null: nobody does. */
  held(path: string): string | null;
}

interface Log {
  readonly path: string;
  plan: StreamPlan;
  /** As it was seen last: its file, its length, and when. */
  inode: number;
  bytes: number;
  at: number;
  /** What the watch was given; null: it is looked at in a while, or has a keeper. */
  watch: number | null;
  timer: NodeJS.Timeout | null;
  /** Resolves to null where it could not be opened, which has been told. */
  keeper: Promise<LogFile | null> | null;
  /** Made by the first. */
  trouble: Trouble | null;
}

export class LogKeepers {
  readonly #host: LogKeepersHost;
  readonly #logs = new Map<string, Log>();
  readonly #canCollapseIn = new Map<string, boolean>();
  /** By folder: which logs a supervisor was rotating when it was killed. */
  readonly #leftIn = new Map<string, ReadonlySet<string>>();
  /** By path: what is not done yet of keepers that were let go. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #writes = new WriteWatch<Log>((log) => {
    log.watch = null;
    this.#lookIn(log, SHORTEST_LOOK_MS);
  });
  readonly #due = new Set<Log>();
  /** Of those that are never rotated: what is being brought in order. */
  readonly #mending = new Set<string>();
  #isLooking = false;

  constructor(host: LogKeepersHost) {
    this.#host = host;
  }

  /** Whether a log of this plan can be rotated while its program writes to it; true where it is never rotated. */
  canKeep(plan: StreamPlan): boolean {
    if (plan.path === null || !isRotated(plan)) return true;
    // A link may lead to another file system.
    const path = isLink(plan.path) ? realLogPath(plan.path) : plan.path;
    const folder = folderOf(path);
    let can = this.#canCollapseIn.get(folder);
    if (can === undefined) {
      can = canCollapse(realLogPath(path));
      this.#canCollapseIn.set(folder, can);
    }
    return can;
  }

  /** The program has opened its log. Returns at once: a thousand programs are started before the first look. */
  keep(plan: StreamPlan): void {
    const { path } = plan;
    if (path === null) return;
    // What is never rotated is not looked at: a move that a kill has cut is all that there can be to do.
    if (!isRotated(plan)) {
      if (this.#isLeft(path)) this.#mend(path);
      return;
    }
    const known = this.#logs.get(path);
    if (known?.keeper != null) return this.#ask(known, 'follow', (file) => file.follow());
    const log = known ?? {
      ...{ path, plan, inode: 0, bytes: -1, at: 0 },
      ...{ watch: null, timer: null, keeper: null, trouble: null },
    };
    log.plan = plan;
    // It may be another file now.
    log.inode = 0;
    this.#logs.set(path, log);
    this.#due.add(log);
    this.#lookAtSome();
  }

  /** After somebody has renamed the files. */
  reopen(): void {
    for (const log of this.#logs.values())
      if (log.keeper !== null || !isNamed(log.path, this.#host.held(log.path)))
        this.#ask(log, 'reopen', (file) => file.reopen());
  }

  /** The same for a log that is never rotated. */
  reopenUnrotated(plan: StreamPlan): void {
    const { path } = plan;
    if (path !== null && !isRotated(plan) && !isNamed(path, this.#host.held(path))) this.#mend(path);
  }

  #mend(path: string): void {
    if (this.#mending.has(path)) return;
    this.#mending.add(path);
    void this.#mendNow(path)
      .catch((error: unknown) => this.#host.say(`cannot reopen log ${path}: ${reasonOf(error)}`))
      .finally(() => this.#mending.delete(path));
  }

  async #mendNow(path: string): Promise<void> {
    const real = realLogPath(path);
    if (!canCollapse(real))
      throw new Error('the program holds it, and its file system cannot take anything out of it');
    const held = this.#host.held(path);
    await using file = await LogFile.open({
      path: real,
      rotation: { maxBytes: null, maxAgeMs: null, backups: Number.POSITIVE_INFINITY, compress: false },
      report: (notice: LogNotice) => this.#told(notice),
      held: isNamed(path, held) ? null : held,
    });
    await file.reopen();
  }

  /** One that wrote to it will not do so again; if nobody else does, it is left to itself. */
  forget(path: string): void {
    const log = this.#logs.get(path);
    if (log === undefined || this.#host.held(path) !== null) return;
    this.#logs.delete(path);
    this.#due.delete(log);
    this.#rest(log);
    this.#letGo(log);
  }

  /** What fails is told, for nobody waits for it. */
  #ask(log: Log, verb: string, work: (file: LogFile) => Promise<void>): void {
    void this.#keeperOf(log)
      .then((file) => (file === null ? undefined : work(file)))
      .catch((error: unknown) => this.#host.say(`cannot ${verb} log ${log.path}: ${reasonOf(error)}`));
  }

  #lookAtSome(): void {
    if (this.#isLooking || this.#due.size === 0) return;
    this.#isLooking = true;
    setImmediate(() => {
      let left = AT_ONCE;
      for (const log of this.#due) {
        this.#due.delete(log);
        this.#look(log);
        left -= 1;
        if (left === 0) break;
      }
      this.#isLooking = false;
      this.#lookAtSome();
    });
  }

  #look(log: Log): void {
    if (log.keeper !== null) return;
    this.#rest(log);
    this.#attempt(log, () => this.#decide(log));
  }

  #attempt(log: Log, work: () => void): void {
    try {
      work();
      if (log.keeper === null) log.trouble?.end();
    } catch (error) {
      this.#failed(log, error);
    }
  }

  /** EACCES, EMFILE and the like: the kernel does not tell when they are over. */
  #failed(log: Log, error: unknown): void {
    log.trouble ??= new Trouble(log.path, (notice) => this.#told(notice));
    log.trouble.begin(error);
    if (this.#logs.get(log.path) === log) this.#lookIn(log, log.trouble.waitMs);
  }

  /** Leaves it to the kernel, to a look later on, or to a keeper. */
  #decide(log: Log): void {
    const { plan, inode, bytes: before, at } = log;
    const stats = statOrNull(log.path);
    const isFirst = inode === 0;
    if (stats === null || (!isFirst && stats.ino !== inode)) {
      // Renamed or removed under the program's hands.
      if (this.#host.held(log.path) !== null) void this.#keeperOf(log);
      return;
    }
    const { size: bytes } = stats;
    const near = (plan.maxBytes ?? Number.POSITIVE_INFINITY) * NEAR;
    if (bytes >= near || (isFirst && this.#asksForKeeper(log))) return void this.#keeperOf(log);
    log.inode = stats.ino;
    log.bytes = bytes;
    log.at = monotonicMs();
    if (isFirst || bytes === before) this.#sleep(log);
    else this.#lookIn(log, msUntilLook(bytes, near, (bytes - before) / (log.at - at)));
  }

  /** Until it is written to. */
  #sleep(log: Log): void {
    log.watch = this.#writes.add(log.path, log);
    // Written to just now, or nobody would tell.
    if (log.watch === null || statOrNull(log.path)?.size !== log.bytes) this.#lookIn(log, LONGEST_LOOK_MS);
  }

  #asksForKeeper({ path, plan }: Log): boolean {
    return plan.maxAgeMs !== null || plan.compress || isLink(path) || this.#isLeft(path);
  }

  #isLeft(path: string): boolean {
    const folder = folderOf(path);
    let left = this.#leftIn.get(folder);
    if (left === undefined) {
      left = leftIn(folder);
      this.#leftIn.set(folder, left);
    }
    return left.has(basename(path));
  }

  #lookIn(log: Log, waitMs: number): void {
    if (log.timer !== null) clearTimeout(log.timer);
    log.timer = setTimeout(() => this.#look(log), waitMs);
  }

  #rest(log: Log): void {
    if (log.timer !== null) clearTimeout(log.timer);
    log.timer = null;
    if (log.watch !== null) this.#writes.remove(log.watch);
    log.watch = null;
  }

  #keeperOf(log: Log): Promise<LogFile | null> {
    this.#rest(log);
    log.keeper ??= this.#open(log);
    return log.keeper;
  }

  async #open(log: Log): Promise<LogFile | null> {
    const { path, plan } = log;
    const { maxBytes, maxAgeMs, backups, compress } = plan;
    try {
      // Two at a time would compress into one file.
      await this.#leaving.get(path);
      const held = this.#host.held(path);
      const file = await LogFile.open({
        path: realLogPath(path),
        rotation: { maxBytes, maxAgeMs, backups, compress },
        report: (notice: LogNotice) => this.#told(notice),
        held: isNamed(path, held) ? null : held,
        resting: (bytes) => this.#isResting(log, bytes),
      });
      log.trouble?.end();
      return file;
    } catch (error) {
      log.keeper = null;
      this.#failed(log, error);
      return null;
    }
  }

  #letGo(log: Log): void {
    const { path, keeper } = log;
    if (keeper === null) return;
    log.keeper = null;
    const leaving = Promise.all([this.#leaving.get(path), keeper])
      .then(([, file]) => file?.[Symbol.asyncDispose]())
      .finally(() => {
        if (this.#leaving.get(path) === leaving) this.#leaving.delete(path);
      });
    this.#leaving.set(path, leaving);
  }

  #isResting(log: Log, bytes: number): void {
    // It was let go of meanwhile.
    if (log.keeper === null) return;
    this.#letGo(log);
    this.#attempt(log, () => {
      const stats = statOrNull(log.path);
      if (stats === null) return;
      log.inode = stats.ino;
      log.bytes = bytes;
      log.at = monotonicMs();
      this.#sleep(log);
    });
  }

  #told(notice: LogNotice): void {
    if (notice.name === 'trouble') this.#host.say(`cannot rotate log ${notice.log}: ${notice.reason}`);
  }
}

const isRotated = ({ maxBytes, maxAgeMs }: StreamPlan): boolean => maxBytes !== null || maxAgeMs !== null;

function leftIn(folder: string): ReadonlySet<string> {
  try {
    return interruptedIn(folder);
  } catch (error) {
    // EACCES, ENOENT: nothing was ever rotated in there by us.
    if (errnoNameOf(error) === null) throw error;
    return new Set();
  }
}

/** Whether a file is to be found under a log's name. */
function isNamed(path: string, file: string | null): boolean {
  if (file === null) return true;
  const [named, held] = [statOrNull(path), statOrNull(file)];
  return named?.ino === held?.ino && named?.dev === held?.dev;
}
