// Tells when something changes at or below a path. Each directory is watched by itself, so that the large ones that
// nobody edits cost nothing: dependencies, version control, and what is hidden.
import { type FSWatcher, readdirSync, statSync, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errnoNameOf, systemError } from '../errors.js';

/** Editors write a file in several steps, and a checkout many files: it is one change when all is quiet. */
const QUIET_MS = 200;
/** Where it is never quiet. */
const AT_LATEST_MS = 3000;

export class PathWatch {
  readonly #watchers = new Set<FSWatcher>();
  /** Directories that are watched with all that is in them. */
  readonly #trees = new Set<string>();
  /** Files that change without meaning anything: logs. */
  readonly #ignores: (path: string) => boolean;
  readonly #changed: () => void;
  #timer: NodeJS.Timeout | undefined;
  #firstAt = 0;

  /** Throws SystemError for a path that is not there or cannot be watched. */
  constructor(paths: readonly string[], ignores: (path: string) => boolean, changed: () => void) {
    this.#ignores = ignores;
    this.#changed = changed;
    try {
      for (const path of paths) {
        if (statSync(path).isDirectory()) this.#watchTree(path);
        // By its directory: an editor puts another file in its place.
        else this.#watchFolder(dirname(path), (name) => name === basename(path));
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw systemError(`cannot watch ${paths.join(' and ')}`, error);
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers.clear();
  }

  #watchTree(folder: string): void {
    const watcher = this.#watchFolder(folder, (name) => !isHidden(name));
    this.#trees.add(folder);
    // One that is removed and made again is another one.
    watcher.once('close', () => this.#trees.delete(folder));
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory() && !isHidden(entry.name)) this.#watchNew(join(folder, entry.name));
  }

  #watchFolder(folder: string, isMeant: (name: string) => boolean): FSWatcher {
    const watcher = watch(folder, (_, name) => {
      if (name === null) return this.#note();
      const path = join(folder, name);
      // Its own name is told by inotify when the directory itself is removed.
      if (name === basename(folder) && !isThere(folder)) return this.#close(watcher);
      if (!isMeant(name) || this.#ignores(path)) return;
      this.#watchNew(path);
      this.#note();
    });
    watcher.on('error', () => this.#close(watcher));
    this.#watchers.add(watcher);
    return watcher;
  }

  #close(watcher: FSWatcher): void {
    watcher.close();
    this.#watchers.delete(watcher);
    this.#note();
  }

  /** A directory that has come into being; what was put into it meanwhile is covered by the note of its coming. */
  #watchNew(path: string): void {
    try {
      if (!this.#trees.has(path) && statSync(path).isDirectory()) this.#watchTree(path);
    } catch (error) {
      // ENOENT: gone again. EACCES: not for us. ENOSPC: no more watches; what is watched already still counts.
      if (errnoNameOf(error) === null) throw error;
    }
  }

  #note(): void {
    const now = performance.now();
    if (this.#timer === undefined) this.#firstAt = now;
    clearTimeout(this.#timer);
    const waitMs = Math.max(0, Math.min(QUIET_MS, this.#firstAt + AT_LATEST_MS - now));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#changed();
    }, waitMs);
  }
}

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;
const isHidden = (name: string): boolean => name === 'node_modules' || name.startsWith('.');
