// A cgroup (version 2) of the program's own: nobody leaves it by forking, and it is killed as a whole. It is
// used only where the part of the hierarchy that we live in is ours to divide; systemd's, above all, is
// systemd's.
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { callLibc } from '../../native-bindings/libc.js';
import { cString } from '../../native-bindings/structs.js';
import { errnoNameOf } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';
import { isZombie, readStat } from './processes.js';

export class Cgroup {
  /** Its directory. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** A group below our own, made or found again; null where we have no right to one. */
  static create(name: string): Cgroup | null {
    const own = ownGroup();
    if (own === null || !isOurs(own)) return null;
    const path = join(own, name);
    try {
      mkdirSync(path);
    } catch (error) {
      // EROFS and EACCES: a container's read-only mount. EAGAIN, EBUSY: a limit on groups, or a threaded
      // subtree.
      if (errnoNameOf(error) === null) throw error;
      if (errnoNameOf(error) !== 'EEXIST') return null;
    }
    return Cgroup.open(path);
  }

  /** One that a record names; null if it is no cgroup any more. */
  static open(path: string): Cgroup | null {
    return existsSync(join(path, 'cgroup.events')) ? new Cgroup(path) : null;
  }

  /**
   * Moves a process here; what it has started before stays where it is. false: it has ended, or may not be
   * moved.
   */
  add(pid: number): boolean {
    return this.#write('cgroup.procs', String(pid));
  }

  /** Here and below: programs make groups of their own where they may. Zombies are left out. */
  members(): number[] {
    return foldersBelow(this.path)
      .flatMap((folder) => readPids(join(folder, 'cgroup.procs')))
      .filter((pid) => {
        const stat = readStat(pid);
        return stat !== null && !isZombie(stat);
      });
  }

  /** Whether anybody lives here or below. */
  isPopulated(): boolean {
    return /^populated 1$/m.test(readText(join(this.path, 'cgroup.events')));
  }

  /**
   * SIGKILL for all, those included that are being forked right now. false: the kernel is older than 5.14.
   */
  kill(): boolean {
    return this.#write('cgroup.kill', '1');
  }

  /** Resolves to true when nobody is left, to false when the time is over. */
  async emptied(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      // The kernel reports a change of this file as it does that of an ordinary one.
      const watcher = watch(join(this.path, 'cgroup.events'), () => look());
      const timer = Number.isFinite(timeoutMs) ? setTimeout(() => settle(false), timeoutMs) : undefined;
      const settle = (isEmpty: boolean): void => {
        watcher.close();
        clearTimeout(timer);
        resolve(isEmpty);
      };
      const look = (): void => {
        if (!this.isPopulated()) settle(true);
      };
      look();
    });
  }

  /** false: somebody is left. */
  remove(): boolean {
    try {
      for (const folder of foldersBelow(this.path).reverse()) rmdirSync(folder);
      return true;
    } catch (error) {
      if (errnoNameOf(error) === 'ENOENT') return true;
      if (errnoNameOf(error) === 'EBUSY') return false;
      throw error;
    }
  }

  #write(file: string, text: string): boolean {
    try {
      writeFileSync(join(this.path, file), text);
      return true;
    } catch (error) {
      // ESRCH: the process has ended. EACCES: it is in a part that is not ours. ENOENT: the file or group is
      // not there.
      if (errnoNameOf(error) !== null) return false;
      throw error;
    }
  }
}

/** The directory of the group that we are in; null without version 2, or where its mount does not show it. */
function ownGroup(): string | null {
  const path = /^0::(\/.*)$/m.exec(readText('/proc/self/cgroup'))?.[1];
  if (path === undefined) return null;
  for (const line of readText('/proc/self/mountinfo').split('\n')) {
    const [mount, kind] = line.split(' - ');
    if (kind?.startsWith('cgroup2 ') !== true) continue;
    const [root, place] = mount!.split(' ').slice(3, 5).map(unescapeOctal);
    const below = pathBelow(root!, path);
    if (below !== null) return join(place!, below);
  }
  return null;
}

/** What follows the root, with its slash; null for a path that is not below it. */
function pathBelow(root: string, path: string): string | null {
  if (root === '/') return path;
  if (root === path) return '';
  return path.startsWith(`${root}/`) ? path.slice(root.length) : null;
}

/** mountinfo writes blanks and backslashes as octal numbers. */
const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/**
 * Ours to divide: marked as delegated by systemd; or handed to our user, who is not root, by making it his;
 * or we are root and no systemd is there to have another opinion.
 */
function isOurs(folder: string): boolean {
  try {
    accessSync(join(folder, 'cgroup.procs'), constants.W_OK);
    if (hasMark(folder, 'user.delegate') || hasMark(folder, 'trusted.delegate')) return true;
    const self = process.geteuid!();
    return self === 0 ? !existsSync('/run/systemd/system') : statSync(folder).uid === self;
  } catch (error) {
    // EACCES, EROFS, ENOENT: it is not.
    if (errnoNameOf(error) !== null) return false;
    throw error;
  }
}

function hasMark(folder: string, attribute: string): boolean {
  const value = Buffer.alloc(16);
  try {
    const length = callLibc(
      'lgetxattr',
      cString(encodeBytes(folder)),
      cString(attribute),
      value,
      value.length,
    );
    return value.toString('latin1', 0, length) === '1';
  } catch (error) {
    // ENODATA: it has no such mark. EOPNOTSUPP: it has none at all.
    if (errnoNameOf(error) !== null) return false;
    throw error;
  }
}

/** The group itself first, each one before those below it. */
function foldersBelow(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    // ENOENT: it was removed meanwhile.
    return [];
  }
  return [folder, ...names.flatMap((name) => foldersBelow(join(folder, name)))];
}

const readPids = (file: string): number[] => (readText(file).match(/^\d+$/gm) ?? []).map(Number);

/** '' for what is not there. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    // ENOENT and ENODEV: no /proc, no such group any more. EOPNOTSUPP: cgroup.procs of a threaded group.
    if (errnoNameOf(error) !== null) return '';
    throw error;
  }
}
