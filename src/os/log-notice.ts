// What the keeper of a log tells its owner, and how it keeps quiet about a trouble that goes on.
import { reasonOf } from '../errors.js';
import { monotonicMs } from './clock.js';

export type LogNotice =
  | { readonly name: 'rotated'; readonly log: string; readonly bytes: number }
  /** Told once, however often it is tried again, until `trouble-over`. Nothing that was written is lost by it. */
  | { readonly name: 'trouble'; readonly log: string; readonly reason: string }
  | { readonly name: 'trouble-over'; readonly log: string };

export type ReportLog = (notice: LogNotice) => void;

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 30_000;

/** Work that may fail for a while, as on a full disk: tells the first failure and the end of it. */
export class Trouble {
  readonly #log: string;
  readonly #report: ReportLog;
  #retryMs = 0;
  #retryAt = 0;

  constructor(log: string, report: ReportLog) {
    this.#log = log;
    this.#report = report;
  }

  /** How long until it is worth another attempt; 0: now. */
  get waitMs(): number {
    return this.#retryMs === 0 ? 0 : Math.max(0, this.#retryAt - monotonicMs());
  }

  /** The file system does not tell when it has room again, so only a failing log is looked at from time to time. */
  begin(error: unknown): void {
    const reason = reasonOf(error);
    if (this.#retryMs === 0) this.#report({ name: 'trouble', log: this.#log, reason });
    this.#retryMs = this.#retryMs === 0 ? FIRST_RETRY_MS : Math.min(2 * this.#retryMs, LAST_RETRY_MS);
    this.#retryAt = monotonicMs() + this.#retryMs;
  }

  end(): void {
    if (this.#retryMs === 0) return;
    this.#retryMs = 0;
    this.#report({ name: 'trouble-over', log: this.#log });
  }
}
