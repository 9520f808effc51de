// Logs that several streams go to. The kernel moves bytes to the end that a file had a moment ago, and so over what a
// program appends to it meanwhile: where one writes by itself, we append too.
import type { RotatingLog } from '../os/rotating-log.js';

export class SharedLogs {
  /** By path; never forgotten, for who wrote to it once may do so again. */
  readonly #direct = new Set<string>();
  readonly #ours = new Map<string, Set<RotatingLog>>();

  /** A program has opened it, and writes to it without us. */
  writtenDirectly(path: string): void {
    if (this.#direct.has(path)) return;
    this.#direct.add(path);
    for (const log of this.#ours.get(path) ?? []) log.share();
  }

  add(log: RotatingLog): void {
    const logs = this.#ours.get(log.path) ?? new Set();
    this.#ours.set(log.path, logs.add(log));
    if (this.#direct.has(log.path)) log.share();
  }

  delete(log: RotatingLog): void {
    const logs = this.#ours.get(log.path);
    logs?.delete(log);
    if (logs?.size === 0) this.#ours.delete(log.path);
  }
}
