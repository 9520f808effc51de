// The main log of a supervisor: lines of supervisord's format into a file that rotates, and in the foreground to stdout.
import { reasonOf } from '../errors.js';
import { mainLogText } from '../formats/supervisord/main-log-text.js';
import { writeIfHeard } from '../os/descriptors.js';
import { RotatingLog } from '../os/rotating-log.js';
import { sendToSyslog } from '../os/syslog.js';
import { isLogged, type LogLevel, type MainLogLine } from '../spec/main-log-line.js';
import type { EpochMs } from '../spec/time.js';

export interface MainLogOptions {
  /** null: no file. */
  readonly path: string | null;
  readonly maxBytes: number | null;
  readonly backups: number;
  readonly level: LogLevel;
  readonly toStdout: boolean;
  readonly toSyslog: boolean;
}

export class MainLog {
  readonly #options: MainLogOptions;
  readonly #file: RotatingLog | null;

  /** Throws SystemError. */
  constructor(options: MainLogOptions) {
    this.#options = options;
    const { path, maxBytes, backups } = options;
    const failed = (error: unknown): void =>
      this.#write({ level: 'ERRO', text: `cannot write the main log: ${reasonOf(error)}` }, null);
    this.#file =
      path === null
        ? null
        : new RotatingLog({ path, maxBytes, backups, compress: false, isMovedTo: false, failed });
  }

  get path(): string | null {
    return this.#options.path;
  }

  /** Whether lines of the level are written: for those that cost something to make. */
  has(level: LogLevel): boolean {
    return isLogged(level, this.#options.level);
  }

  /** Never throws. */
  write(line: MainLogLine): void {
    this.#write(line, this.#file);
  }

  #write(line: MainLogLine, file: RotatingLog | null): void {
    if (!this.has(line.level)) return;
    const at = Date.now() as EpochMs;
    const text = mainLogText(line, at, -new Date(at).getTimezoneOffset());
    file?.write(Buffer.from(text));
    if (this.#options.toSyslog) sendToSyslog('supervisord', `${line.level} ${line.text}`, new Date(at));
    if (this.#options.toStdout) writeIfHeard(1, text);
  }

  reopen(): void {
    this.#file?.reopen();
  }

  clear(): void {
    this.#file?.clear();
  }
}
