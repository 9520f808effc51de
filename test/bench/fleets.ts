// A thousand programs under one supervisor: ours and the others, each with the same `sleep` as every program.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { command } from '../support/package-root.js';
import { processesMentioning, statOf } from '../support/proc.js';
import { until } from '../support/until.js';
import { findProgram, searchPath } from './contestants.js';

const GIVES_UP_MS = 120_000;
/** The unit of start times in /proc. */
const TICK_MS = 10;

export interface Fleet {
  readonly name: string;
  readonly absent: string | null;
  /** Writes what is needed for so many programs and returns the command that starts them all. */
  readonly prepare: (folder: string, programs: number, program: readonly string[]) => readonly string[];
  /** Asks for the states of all programs; null: there is no such command. */
  readonly status: ((folder: string) => readonly string[]) | null;
}

export function fleets(): Fleet[] {
  return [
    {
      ...configured('tsdaemon supervise', command, ['supervise']),
      status: (folder) => [command, 'ctl', '-c', join(folder, 'conf'), 'status'],
    },
    {
      ...configured('supervisord', findProgram('supervisord'), []),
      status: (folder) => [
        findProgram('supervisorctl') ?? 'supervisorctl',
        '-c',
        join(folder, 'conf'),
        'status',
      ],
    },
    // It takes a thousand services unless it is told that there are more.
    scanning('s6', 's6-svscan', (folder, programs) => ['-c', String(programs + 10), folder]),
    scanning('runit', 'runsvdir', (folder) => [folder]),
    scanning('daemontools', 'svscan', (folder) => [folder]),
  ];
}

/** With logs and rotation as they are by default. */
function configured(
  name: string,
  program: string | null,
  words: readonly string[],
): Omit<Fleet, 'status'> & { readonly name: string } {
  return {
    name,
    absent: program === null ? `${name} is not installed` : null,
    prepare: (folder, programs, argv) => {
      const file = join(folder, 'conf');
      const head = [
        '[unix_http_server]\nfile=%(here)s/sock',
        '[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface',
        '[supervisorctl]\nserverurl=unix://%(here)s/sock',
        // Two logs for each program are two descriptors of a supervisor that writes them itself.
        `[supervisord]\nlogfile=%(here)s/main.log\npidfile=%(here)s/pid\nchildlogdir=%(here)s\nminfds=${6 * programs + 1024}`,
        `[program:p]\ncommand=${argv.join(' ')}\nnumprocs=${programs}\nprocess_name=%(program_name)s_%(process_num)04d`,
      ];
      writeFileSync(file, `${head.join('\n')}\n`);
      return [program!, ...words, '-n', '-c', file];
    },
  };
}

/** Those of the daemontools family: a folder of folders, and a process more for each of them. */
function scanning(
  name: string,
  program: string,
  argsOf: (folder: string, programs: number) => readonly string[],
): Fleet {
  const path = findProgram(program);
  return {
    name,
    absent: path === null ? `${program} is not installed` : null,
    status: null,
    prepare: (folder, programs, argv) => {
      for (let number = 0; number < programs; number += 1) {
        const own = join(folder, `p${String(number).padStart(4, '0')}`);
        mkdirSync(own);
        writeFileSync(join(own, 'run'), `#!/bin/sh\nexec ${argv.join(' ')}\n`);
        chmodSync(join(own, 'run'), 0o755);
      }
      return [path!, ...argsOf(folder, programs)];
    },
  };
}

/** A supervisor with all its programs running. */
export class RunningFleet {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  /** From the start of the supervisor to the start of its last program. */
  readonly startMs: number;
  readonly #child: ChildProcess;
  readonly #programs: ReadonlySet<number>;

  private constructor(
    child: ChildProcess,
    programs: ReadonlySet<number>,
    folder: string,
    env: NodeJS.ProcessEnv,
  ) {
    this.#child = child;
    this.#programs = programs;
    this.folder = folder;
    this.env = env;
    const last = Math.max(...[...programs].map(startOf));
    this.startMs = TICK_MS * (last - startOf(child.pid!));
  }

  /** `mark` is a number of seconds to sleep that no other process has. */
  static async start(fleet: Fleet, folder: string, programs: number, mark: string): Promise<RunningFleet> {
    mkdirSync(folder, { recursive: true });
    const argv = [findProgram('sleep') ?? '/bin/sleep', mark];
    const [file, ...args] = fleet.prepare(folder, programs, argv);
    const env = { PATH: searchPath, HOME: folder, TMPDIR: folder, TSDAEMON_HOME: join(folder, 'state') };
    const tasks = countTasks();
    const child = spawn(file!, args, { cwd: folder, env, stdio: 'ignore', detached: true });
    const deadline = performance.now() + GIVES_UP_MS;
    for (let looks = 1; ; looks += 1) {
      await pause(100);
      if (performance.now() > deadline) throw await failure(fleet, folder);
      // A look into every process costs time that the supervisor needs, so it is rare before there are that many more
      // tasks: others may have ended meanwhile. When each program began, the kernel has written down.
      if (countTasks() - tasks < programs && looks % 20 > 0) continue;
      const running = sleepersOf(mark);
      if (running.length >= programs) return new RunningFleet(child, new Set(running), folder, env);
    }
  }

  /** All processes of the supervisor. */
  supervising(): number[] {
    return processesMentioning(this.folder).filter((pid) => !this.#programs.has(pid));
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await endAllOf(this.folder);
  }
}

async function failure(fleet: Fleet, folder: string): Promise<Error> {
  await endAllOf(folder);
  return new Error(`${fleet.name} has not started all programs in ${GIVES_UP_MS / 1000} s`);
}

/** Those that bring others back first: a supervisor that is gone starts nothing. */
export async function endAllOf(folder: string): Promise<void> {
  await until(
    () => {
      const left = processesMentioning(folder).filter((pid) => pid !== process.pid);
      for (const pid of left.sort((first, second) => first - second)) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // ESRCH: it ended by itself.
        }
      }
      if (left.length > 0) throw new Error(`cannot end ${left.join(', ')}`);
    },
    { withinMs: 10_000 },
  );
}

function countTasks(): number {
  return Number(/\/(\d+)/.exec(readFileSync('/proc/loadavg', 'latin1'))![1]);
}

function sleepersOf(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && existsSync(`/proc/${name}`))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'latin1').endsWith(`sleep\0${mark}\0`);
      } catch {
        // ENOENT, ESRCH: it has ended.
        return false;
      }
    })
    .map(Number);
}

function startOf(pid: number): number {
  return statOf(pid)?.startTime ?? Number.NaN;
}
