// Who keeps a program alive: our watchdog and the tools that do the same, each over the same script.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  read,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { command } from '../support/package-root.js';
import { statOf } from '../support/proc.js';
import { until } from '../support/until.js';
import { findProgram } from './contestants.js';

/** A program that says its pid through a FIFO as soon as it runs. */
export class Witness {
  readonly script: string;
  readonly #fifo: number;

  constructor(folder: string) {
    const path = join(folder, 'fifo');
    const { status } = spawnSync('mkfifo', [path]);
    if (status !== 0) throw new Error(`cannot make ${path}`);
    // Read-write, so that neither side ever waits for the other to open it.
    this.#fifo = openSync(path, constants.O_RDWR);
    this.script = join(folder, 'run');
    writeFileSync(this.script, `#!/bin/sh\necho $$ > '${path}'\nexec sleep 300\n`);
    chmodSync(this.script, 0o755);
  }

  /** The pid that the next run says; null when there was none in time. */
  next(withinMs: number): Promise<number | null> {
    const bytes = Buffer.alloc(64);
    return new Promise((resolve, reject) => {
      // A read that nobody answers would keep a thread and this process for ever.
      const limit = setTimeout(() => writeSync(this.#fifo, '0\n'), withinMs);
      read(this.#fifo, bytes, 0, bytes.length, null, (error, count) => {
        clearTimeout(limit);
        if (error !== null) reject(error);
        else resolve(Number(bytes.toString('latin1', 0, count)) || null);
      });
    });
  }

  close(): void {
    closeSync(this.#fifo);
  }
}

/** One that watches: how it is begun and ended, and which process it is. */
export interface Watcher {
  readonly name: string;
  /** Why it is not measured. */
  readonly absent: string | null;
  readonly witness: Witness;
  /** Starts it; the program's first run reports to the witness. Returns the process that watches. */
  begin(): Promise<number>;
  end(): void;
}

export function watchers(folder: string): Watcher[] {
  const make = [ours, supervise, shellLoop, runit, daemontools, s6, libslack, supervisor];
  return make.map((build, index) => {
    const own = join(folder, `watcher-${index}`);
    mkdirSync(own);
    return build(own, new Witness(own));
  });
}

function ours(folder: string, witness: Witness): Watcher {
  const env = { ...process.env, TSDAEMON_HOME: join(folder, 'state') };
  const pidfile = join(folder, 'w.pid');
  const run = (...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync(command, args, { env, cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(`tsdaemon ${args[0]}: ${stderr}`);
    return stdout;
  };
  return {
    name: 'tsdaemon run --restart',
    absent: null,
    witness,
    begin: async () => {
      const flags = [
        '--name',
        'bench',
        '--restart',
        'always',
        '--backoff',
        '0',
        '--watchdog-pidfile',
        pidfile,
      ];
      run('run', ...flags, '--output', '/dev/null', '--', witness.script);
      const { watchdog } = JSON.parse(run('status', 'bench', '--json')) as { watchdog: { pid: number } };
      return watchdog.pid;
    },
    end: () => void run('stop', 'bench'),
  };
}

/** The least that anybody can do: wait for a child and start the next. */
function shellLoop(folder: string, witness: Witness): Watcher {
  let watcher: ChildProcess | undefined;
  return {
    name: 'a loop in sh',
    absent: null,
    witness,
    begin: async () => {
      const script = `while :; do '${witness.script}'; done`;
      watcher = spawn('/bin/sh', ['-c', script], { cwd: folder, stdio: 'ignore', detached: true });
      return watcher.pid!;
    },
    end: () => killSession(watcher),
  };
}

/** Those of the daemontools family: a folder with the program in it, and one process for that folder. */
function family(name: string, program: string) {
  return (folder: string, witness: Witness): Watcher => {
    const path = findProgram(program);
    let watcher: ChildProcess | undefined;
    return {
      name,
      absent: path === null ? `${program} is not installed` : null,
      witness,
      begin: async () => {
        watcher = spawn(path!, [folder], { stdio: 'ignore', detached: true });
        return watcher.pid!;
      },
      end: () => killSession(watcher),
    };
  };
}

const runit = family('runit: runsv', 'runsv');
const daemontools = family('daemontools: supervise', 'supervise');
const s6 = family('s6: s6-supervise', 's6-supervise');

function libslack(folder: string, witness: Witness): Watcher {
  const path = findProgram('daemon');
  let watcher: ChildProcess | undefined;
  return {
    name: 'libslack: daemon --respawn',
    absent: path === null ? 'daemon is not installed' : null,
    witness,
    begin: async () => {
      // --idiot lets root shorten what makes a run acceptable; else five short runs mean five minutes of waiting.
      // --unsafe lets root start a script below a directory that others can write to, as /tmp is.
      const flags = ['--foreground', '--unsafe', '--respawn', '--idiot', '--acceptable=1', '--attempts=100'];
      watcher = spawn(path!, [...flags, '--', witness.script], {
        cwd: folder,
        stdio: 'ignore',
        detached: true,
      });
      return watcher.pid!;
    },
    end: () => killSession(watcher),
  };
}

const supervise = underSupervisor('tsdaemon supervise', command, 'supervise');
const supervisor = underSupervisor('supervisord', findProgram('supervisord'));

function underSupervisor(name: string, program: string | null, ...words: readonly string[]) {
  return (folder: string, witness: Witness): Watcher => {
    let watcher: ChildProcess | undefined;
    return {
      name,
      absent: program === null ? `${name} is not installed` : null,
      witness,
      begin: async () => {
        const file = join(folder, 'supervisord.conf');
        const main = `[supervisord]\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=${folder}/s.pid\n`;
        const streams = 'stdout_logfile=NONE\nstderr_logfile=NONE\n';
        writeFileSync(
          file,
          `${main}[program:bench]\ncommand=${witness.script}\nautorestart=true\n${streams}`,
        );
        const env = { ...process.env, TSDAEMON_HOME: join(folder, 'state') };
        const args = [...words, '-n', '-c', file];
        watcher = spawn(program!, args, { cwd: folder, env, stdio: 'ignore', detached: true });
        return watcher.pid!;
      },
      end: () => killSession(watcher),
    };
  };
}

/** The watcher first, else it would bring its program back; the program is left to the sweep of the folder. */
function killSession(watcher: ChildProcess | undefined): void {
  watcher?.kill('SIGKILL');
}

/** Resolves when the process sleeps, so that what is measured next does not measure its start. */
export function settled(pid: number): Promise<void> {
  return until(
    () => {
      if (statOf(pid)?.state !== 'S') throw new Error(`process ${pid} is at work`);
    },
    { withinMs: 5000 },
  );
}
