// Where daemons are written down:
//   HOME/daemons/NAME/record.json    one directory per daemon, 0700
//   HOME/by-pidfile/HASH             a link to the name, so that a pidfile's daemon is found without a search
import {
  accessSync,
  constants,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, errnoNameOf, reasonOf, systemError, UsageError } from '../errors.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceLife, StopWish } from '../spec/service-life.js';
import { makeFolders } from './folders.js';

export class StateDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** TSDAEMON_HOME; for root /var/lib/tsdaemon, else /run/tsdaemon; else $XDG_STATE_HOME/tsdaemon or ~/.local/state/tsdaemon. */
  static ofUser(env: NodeJS.ProcessEnv): StateDirectory {
    const given = env.TSDAEMON_HOME;
    if (given !== undefined && given !== '') {
      // Node has replaced the bytes that are not UTF-8, and what it made of them is another directory's name.
      if (given.includes('\ufffd'))
        throw new UsageError(`cannot use TSDAEMON_HOME '${given}': the name is not UTF-8`);
      if (!given.startsWith('/'))
        throw new UsageError(`cannot use TSDAEMON_HOME '${given}': not an absolute path`);
      return new StateDirectory(given);
    }
    if (process.geteuid?.() === 0) {
      return new StateDirectory(isWritable('/var/lib') ? '/var/lib/tsdaemon' : '/run/tsdaemon');
    }
    // XDG: "all paths must be absolute; a relative one is to be ignored".
    const xdg = env.XDG_STATE_HOME;
    if (xdg?.startsWith('/')) return new StateDirectory(join(xdg, 'tsdaemon'));
    const home = homedir();
    if (home !== '' && home !== '/' && isWritable(home))
      return new StateDirectory(join(home, '.local/state/tsdaemon'));
    return new StateDirectory(join(tmpdir(), `tsdaemon-${process.geteuid?.() ?? 'user'}`));
  }

  /** Makes the directory, 0700, or checks that nobody else can write to the one that is there. */
  create(): void {
    try {
      makeFolders(join(this.path, 'daemons'));
      makeFolders(join(this.path, 'by-pidfile'));
    } catch (error) {
      throw systemError(`cannot make state directory ${this.path}`, error, this.path);
    }
    const stats = lstatSync(this.path);
    if (!stats.isDirectory() || stats.uid !== process.geteuid!() || (stats.mode & 0o022) !== 0)
      throw new UsageError(
        `cannot use state directory ${this.path}: it must be a directory of ours that nobody else can write to`,
      );
  }

  /** Where each supervisor keeps its journal, in a folder of its own. */
  supervisorFolders(): string[] {
    const parent = join(this.path, 'supervisors');
    try {
      return readdirSync(parent)
        .sort()
        .map((name) => join(parent, name));
    } catch (error) {
      if (errnoNameOf(error) === 'ENOENT') return [];
      throw systemError(`cannot read state directory ${parent}`, error, parent);
    }
  }

  folderOf(name: string): string {
    return join(this.path, 'daemons', name);
  }

  names(): string[] {
    try {
      return readdirSync(join(this.path, 'daemons')).sort();
    } catch (error) {
      if (errnoNameOf(error) === 'ENOENT') return [];
      throw systemError(`cannot read state directory ${this.path}`, error, this.path);
    }
  }

  /** null: there is none. Throws ConfigError for one that is damaged, so that it is never mistaken for "none". */
  read(name: string): DaemonRecord | null {
    const file = join(this.folderOf(name), 'record.json');
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      const errnoName = errnoNameOf(error);
      if (errnoName === 'ENOENT' || errnoName === 'ENOTDIR') return null;
      throw systemError(`cannot read record ${file}`, error, file);
    }
    try {
      const record = JSON.parse(text) as DaemonRecord;
      if (record.version === 1) return record;
      throw new Error(`version ${String(record.version)} is not known to this tsdaemon`);
    } catch (error) {
      const message = reasonOf(error);
      throw new ConfigError(`cannot use record ${file}`, [{ severity: 'error', file, line: 1, message }]);
    }
  }

  write(record: DaemonRecord): void {
    const folder = this.folderOf(record.spec.name);
    const file = join(folder, 'record.json');
    try {
      makeFolders(folder);
      const temporary = `${file}.${process.pid}.tmp`;
      writeFileSync(temporary, JSON.stringify(record), { mode: 0o600 });
      renameSync(temporary, file);
    } catch (error) {
      throw systemError(`cannot write record ${file}`, error, file);
    }
  }

  /** What the watchdog wrote of its program; null: nothing yet. */
  readLife(name: string): ServiceLife | null {
    try {
      return JSON.parse(readFileSync(join(this.folderOf(name), 'life.json'), 'utf8')) as ServiceLife;
    } catch (error) {
      if (errnoNameOf(error) === 'ENOENT') return null;
      throw systemError(`cannot read the state of '${name}'`, error);
    }
  }

  writeLife(name: string, life: ServiceLife): void {
    const file = join(this.folderOf(name), 'life.json');
    const temporary = `${file}.${process.pid}.tmp`;
    writeFileSync(temporary, JSON.stringify(life), { mode: 0o600 });
    renameSync(temporary, file);
  }

  /** Left for the watchdog, which reads it when the stop is asked for. */
  writeStopWish(name: string, wish: StopWish): void {
    writeFileSync(join(this.folderOf(name), 'stop.json'), JSON.stringify(wish), { mode: 0o600 });
  }

  /** null: nothing special was asked for. */
  takeStopWish(name: string): StopWish | null {
    const file = join(this.folderOf(name), 'stop.json');
    try {
      const wish = JSON.parse(readFileSync(file, 'utf8')) as StopWish;
      unlinkSync(file);
      return wish;
    } catch (error) {
      if (errnoNameOf(error) === 'ENOENT') return null;
      throw systemError(`cannot read ${file}`, error, file);
    }
  }

  remove(name: string): void {
    rmSync(this.folderOf(name), { recursive: true, force: true });
  }

  /** The name last started with this pidfile; null if none, or if its record has moved on to another pidfile. */
  nameByPidfile(pidfile: string): string | null {
    try {
      const name = readlinkSync(this.linkOf(pidfile));
      return this.read(name)?.spec.detach.pidfile === pidfile ? name : null;
    } catch (error) {
      if (errnoNameOf(error) === 'ENOENT') return null;
      throw error;
    }
  }

  linkPidfile(pidfile: string, name: string): void {
    const link = this.linkOf(pidfile);
    try {
      if (errnoOf(() => symlinkSync(name, link)) === null) return;
      unlinkSync(link);
      symlinkSync(name, link);
    } catch (error) {
      throw systemError(`cannot write ${link}`, error, link);
    }
  }

  private linkOf(pidfile: string): string {
    return join(this.path, 'by-pidfile', pathHash(pidfile));
  }
}

/**
 * FNV-1a over the characters, twice with different seeds, for 64 bits. node:crypto would cost 4 ms at every start;
 * nothing is protected by this, and a name found by it is compared with its record's pidfile.
 */
function pathHash(path: string): string {
  let low = 0x811c9dc5;
  let high = 0x9747b28c;
  for (let index = 0; index < path.length; index += 1) {
    low = Math.imul(low ^ path.charCodeAt(index), 0x01000193);
    high = Math.imul(high ^ (path.charCodeAt(index) + index), 0x01000193);
  }
  return [high, low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
}

function errnoOf(attempt: () => void): string | null {
  try {
    attempt();
    return null;
  } catch (error) {
    if (errnoNameOf(error) === 'EEXIST') return 'EEXIST';
    throw error;
  }
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    // EACCES, EROFS, ENOENT: the next place serves.
    return false;
  }
}
