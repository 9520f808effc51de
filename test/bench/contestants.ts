// Who is measured: our own verbs, and the tools that do the same work where they are installed. Everybody starts
// `sleep`, but for those that leave no pidfile to end it by.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { command } from '../support/package-root.js';
import { isAlive } from '../support/proc.js';
import { until } from '../support/until.js';
import type { Contestant, Run, Step } from './measure.js';

/** start-stop-daemon lies in sbin, which not every user has in PATH. */
export const searchPath = [process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter);

export function findProgram(name: string): string | null {
  const files = searchPath.split(delimiter).map((folder) => join(folder, name));
  return files.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // ENOENT, EACCES: not here.
    return false;
  }
}

/** daemonize takes no other path than an absolute one. */
const sleep = [findProgram('sleep') ?? '/bin/sleep', '300'];

/** A daemon by its pidfile; knows its process still when the pidfile is gone. */
class Daemon {
  readonly pidfile: string;
  #pid: number | null = null;

  constructor(folder: string, name: string) {
    this.pidfile = join(folder, `${name}.pid`);
  }

  assertRuns(): void {
    this.#pid = Number(readFileSync(this.pidfile, 'latin1'));
    assert.ok(this.#pid > 1 && isRunning(this.#pid), `${this.pidfile} names no process`);
  }

  assertStopped(): void {
    assert.ok(
      this.#pid !== null && !isRunning(this.#pid),
      `process ${this.#pid} of ${this.pidfile} still runs`,
    );
  }
}

function isRunning(pid: number): boolean {
  if (existsSync('/proc/self/stat')) return isAlive(pid);
  try {
    return process.kill(pid, 0);
  } catch {
    // ESRCH: it has ended.
    return false;
  }
}

export const runCommand = (pidfile: string): string[] => [
  command,
  'run',
  '--pidfile',
  pidfile,
  '--',
  ...sleep,
];
export const stopCommand = (pidfile: string): string[] => [command, 'stop', '--pidfile', pidfile];

/** One start and one stop in the life of a daemon. */
export function ours(folder: string): Contestant {
  const daemon = new Daemon(folder, 'tsdaemon');
  const { pidfile } = daemon;
  return {
    name: 'tsdaemon',
    isOurs: true,
    steps: [
      // Without waiting: on return the program runs and its pidfile stands, and after a stop it has ended.
      { title: 'tsdaemon run --pidfile', argv: runCommand(pidfile), check: () => daemon.assertRuns() },
      { title: 'tsdaemon stop --pidfile', argv: stopCommand(pidfile), check: () => daemon.assertStopped() },
    ],
  };
}

/** A start by somebody who never started anything: no state directory yet, and no code cache. */
export function firstRun(folder: string): Contestant {
  const home = join(folder, 'first-home');
  const env = { HOME: home, TSDAEMON_HOME: join(home, 'state') };
  const daemon = new Daemon(folder, 'first');
  const argv = runCommand(daemon.pidfile);
  return {
    name: 'first-run',
    isOurs: true,
    before: () => {
      rmSync(home, { recursive: true, force: true });
      mkdirSync(home);
    },
    steps: [{ title: 'tsdaemon run, the very first', argv, env, check: () => daemon.assertRuns() }],
    after: (run) => {
      run(stopCommand(daemon.pidfile), env);
      daemon.assertStopped();
    },
  };
}

/** Those that are not installed are in the list too, so that the table names them. */
export function rivals(folder: string): Contestant[] {
  return [
    rival('true', 'true', (program) => [{ title: 'true, which only ends', argv: [program] }]),
    rival('nohup', 'nohup', (program) => [
      { title: 'sh -c "nohup true &"', argv: ['sh', '-c', `${program} true >/dev/null 2>&1 &`] },
    ]),
    rival('setsid', 'setsid', (program) => [{ title: 'setsid --fork', argv: [program, '--fork', 'true'] }]),
    rival('daemonize', 'daemonize', (program) => {
      const daemon = new Daemon(folder, 'daemonize');
      const kill = ['sh', '-c', `kill $(cat '${daemon.pidfile}')`];
      return [
        starts('daemonize -p', daemon, [program, '-p', daemon.pidfile, ...sleep]),
        stops('kill $(cat PIDFILE)', daemon, kill),
      ];
    }),
    rival('start-stop-daemon', 'start-stop-daemon', (program) => {
      const daemon = new Daemon(folder, 'start-stop-daemon');
      const [file, ...args] = sleep;
      const start = [program, '--start', '--background', '--make-pidfile', '--pidfile', daemon.pidfile];
      // --retry makes it wait for the end, as we do.
      const stop = [program, '--stop', '--retry', '10', '--pidfile', daemon.pidfile];
      return [
        starts('start-stop-daemon --start', daemon, [...start, '--startas', file!, '--', ...args]),
        stops('start-stop-daemon --stop', daemon, stop),
      ];
    }),
    rival('libslack', 'daemon', (program) => {
      const daemon = new Daemon(folder, 'libslack');
      const named = [program, '--name=libslack', `--pidfiles=${folder}`];
      return [
        starts('libslack daemon', daemon, [...named, '--', ...sleep]),
        stops('libslack daemon --stop', daemon, [...named, '--stop']),
      ];
    }),
    pm2(),
  ];
}

function pm2(): Contestant {
  const [file, ...args] = sleep;
  const options = ['--name', 'bench', '--interpreter', 'none'];
  const contestant = rival('pm2', 'pm2', (program) => [
    // The round that is not counted has started its manager, which runs already in the life of a pm2 user.
    { title: 'pm2 start', argv: [program, 'start', file!, ...options, '--', ...args] },
    { title: 'pm2 stop', argv: [program, 'stop', 'bench'] },
  ]);
  const program = contestant.steps[0]!.argv[0]!;
  return {
    ...contestant,
    after: (run: Run) => {
      run([program, 'delete', 'bench']);
    },
    close: (run: Run) => {
      run([program, 'kill']);
    },
  };
}

function rival(name: string, program: string, stepsOf: (path: string) => readonly Step[]): Contestant {
  const path = findProgram(program);
  return { name, absent: absenceOf(program, path), steps: stepsOf(path ?? program) };
}

function absenceOf(program: string, path: string | null): string | null {
  if (path === null) return `${program} is not installed`;
  // FreeBSD has another program of that name, with other flags.
  const isForeign =
    program === 'daemon' &&
    !/^daemon-\d/.test(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout ?? '');
  return isForeign ? `${path} is not libslack's` : null;
}

/** Some return before their pidfile stands; the wait for it is not on the clock. */
function starts(title: string, daemon: Daemon, argv: readonly string[]): Step {
  return { title, argv, check: () => until(() => daemon.assertRuns(), { withinMs: 5000 }) };
}

function stops(title: string, daemon: Daemon, argv: readonly string[]): Step {
  const check = async (): Promise<void> => {
    await until(() => daemon.assertStopped(), { withinMs: 5000 });
    rmSync(daemon.pidfile, { force: true });
  };
  return { title, argv, check };
}
