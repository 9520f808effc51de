// Rotation of the logs that programs write to themselves. One keeper for each log, made when its program has started:
// a few at a time, so that a thousand programs are started before the first keeper is made.

import { folderOf } from '../os/folders.js';
import { canCollapse } from '../os/log-collapse.js';
import { LogFile, realLogPath } from '../os/log-file.js';
import type { LogNotice } from '../os/log-notice.js';
import type { StreamPlan } from '../spec/supervision.js';

/** How many keepers are made before other events have their turn. */
const AT_ONCE = 8;

export class LogKeepers {
  readonly #say: (line: string) => void;
  readonly #keepers = new Map<string, Promise<LogFile | null>>();
  readonly #canCollapseIn = new Map<string, boolean>();
  #due: (() => void)[] = [];
  #isMaking = false;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  /** Whether a log of this plan can be rotated while its program writes to it; true where it is never rotated. */
  canKeep({ path, maxBytes }: StreamPlan): boolean {
    if (path === null || maxBytes === null) return true;
    const folder = folderOf(path);
    let can = this.#canCollapseIn.get(folder);
    if (can === undefined) {
      can = canCollapse(realLogPath(path));
      this.#canCollapseIn.set(folder, can);
    }
    return can;
  }

  /** The program has opened its log. Returns at once. */
  keep({ path, maxBytes, backups, compress }: StreamPlan): void {
    if (path === null || maxBytes === null) return;
    const keeper = this.#keepers.get(path);
    if (keeper !== undefined) {
      void keeper.then((file) => file?.follow());
      return;
    }
    const rotation = { maxBytes, maxAgeMs: null, backups, compress };
    const made = new Promise<LogFile | null>((resolve) => {
      this.#due.push(() => {
        const options = {
          path: realLogPath(path),
          rotation,
          report: (notice: LogNotice) => this.#told(notice),
        };
        LogFile.open(options).then(resolve, (error: unknown) => {
          this.#say(`cannot rotate log ${path}: ${error instanceof Error ? error.message : String(error)}`);
          resolve(null);
        });
      });
    });
    this.#keepers.set(path, made);
    this.#makeSome();
  }

  /** After somebody has renamed the files. */
  reopen(): void {
    for (const [path, keeper] of this.#keepers)
      void keeper
        .then((file) => file?.reopen())
        .catch((error: unknown) => this.#say(`cannot reopen log ${path}: ${String(error)}`));
  }

  forget(path: string): void {
    void this.#keepers.get(path)?.then((file) => file?.[Symbol.asyncDispose]());
    this.#keepers.delete(path);
  }

  #makeSome(): void {
    if (this.#isMaking || this.#due.length === 0) return;
    this.#isMaking = true;
    setImmediate(() => {
      for (const make of this.#due.splice(0, AT_ONCE)) make();
      this.#isMaking = false;
      this.#makeSome();
    });
  }

  #told(notice: LogNotice): void {
    if (notice.name === 'trouble') this.#say(`cannot rotate log ${notice.log}: ${notice.reason}`);
  }
}
