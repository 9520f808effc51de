// What starts a program, or starts it again, without anybody asking: a schedule, and changes to files.
import type { Cron } from 'croner';
import { reasonOf, UsageError } from '../errors.js';
import { PathWatch } from '../os/path-watch.js';
import type { Watch } from '../spec/service-spec.js';

export interface Triggered {
  /** Files in the watched paths that change without meaning anything. */
  ignores(path: string): boolean;
  changed(): void;
  isDue(): void;
}

export class Triggers {
  #paths: PathWatch | null = null;
  #cron: Cron | null = null;

  /** Throws for a path that cannot be watched and a schedule that cannot be read. */
  async arm({ paths, cron }: Watch, triggered: Triggered): Promise<void> {
    if (paths.length > 0)
      this.#paths = new PathWatch(
        paths,
        (path) => triggered.ignores(path),
        () => triggered.changed(),
      );
    if (cron === null) return;
    // Loaded by those alone who have a schedule.
    const croner = await import('croner');
    try {
      this.#cron = new croner.Cron(cron, () => triggered.isDue());
    } catch (error) {
      const reason = reasonOf(error);
      throw new UsageError(`cannot use --cron '${cron}': ${reason}`, '--cron');
    }
  }

  /** On the wall clock; null: never by a schedule. */
  nextStartAt(): number | null {
    return this.#cron?.nextRun()?.getTime() ?? null;
  }

  [Symbol.dispose](): void {
    this.#paths?.[Symbol.dispose]();
    this.#cron?.stop();
  }
}
