// A world of one test: a directory with home, state and working directory in it, and the processes it started.
import { type ChildProcess, type SpawnOptions, type StdioOptions, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { command } from './package-root.js';
import { describe, isAlive, processesMentioning, statOf } from './proc.js';
import { until } from './until.js';

export interface StartOptions {
  /** Beside the world's own; undefined removes one. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly stdio?: StdioOptions;
  /** What stands before the command, as `['setsid', '-w']`. */
  readonly via?: readonly string[];
}

export interface RunOptions extends StartOptions {
  /** For standard input, which is at its end after it. */
  readonly input?: string | Uint8Array;
  readonly withinMs?: number;
}

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class World {
  /** Everything of this world is below; no process of another world mentions it. */
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'tsd-')));
  readonly home = join(this.folder, 'home');
  readonly cwd = join(this.folder, 'cwd');
  readonly state = join(this.folder, 'state');
  /** All that processes started here see, so that nothing of the machine's own settings leaks in. */
  readonly env: Readonly<Record<string, string>>;
  readonly #tracked = new Map<number, number>();
  readonly #expected = new Set<number>();

  constructor() {
    const bin = join(this.folder, 'bin');
    for (const folder of [this.home, this.cwd, bin]) mkdirSync(folder);
    symlinkSync(command, join(bin, 'tsdaemon'));
    this.env = {
      // The node of this test run, whatever else is installed.
      PATH: [bin, dirname(process.execPath), process.env.PATH].join(delimiter),
      HOME: this.home,
      TMPDIR: this.folder,
      TSDAEMON_HOME: this.state,
      SHELL: '/bin/sh',
    };
  }

  /** A path below the working directory. */
  path(name: string): string {
    return join(this.cwd, name);
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  /** Runs the real command and resolves when it has exited and its output is at its end. */
  tsdaemon(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return this.run([command, ...args], options);
  }

  /** `tsdaemon run ARGS`, which must succeed; returns the daemon's pid. The daemon may outlive the test. */
  async daemon(args: readonly string[], options: RunOptions = {}): Promise<number> {
    const outcome = await this.tsdaemon(['run', ...args], options);
    if (outcome.code !== 0) throw new Error(`tsdaemon run exited with ${outcome.code}: ${outcome.stderr}`);
    const pid = Number(outcome.stdout);
    this.expectSurvivor(pid);
    return pid;
  }

  /** A shell script; `tsdaemon` is in its PATH. */
  sh(script: string, options: RunOptions = {}): Promise<Outcome> {
    return this.run(['/bin/sh', '-c', script], options);
  }

  /** Resolves when the command has exited and every writer has let go of its output. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const child = this.start(argv, options);
    const output: { stdout: string; stderr: string } = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        output[name] += text;
      });
    }
    // EPIPE: it ended without reading all of its input, which its exit code explains.
    child.stdin?.on('error', () => undefined).end(options.input);
    const withinMs = options.withinMs ?? 20_000;
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => {
        const what = child.exitCode === null ? 'still runs' : 'has exited, but its output is still held open';
        reject(
          new Error(
            `${argv.join(' ').slice(0, 300)} ${what} after ${withinMs} ms\n${output.stdout}${output.stderr}`,
          ),
        );
      }, withinMs);
      child.once('error', reject).once('close', (code, signal) => {
        clearTimeout(limit);
        resolve({ code, signal, ...output });
      });
    });
  }

  /** Starts a process in this world and leaves it to the test. */
  start(
    argv: readonly string[],
    { env = {}, cwd = this.cwd, stdio = 'pipe', via = [] }: StartOptions = {},
  ): ChildProcess {
    const [file, ...args] = [...via, ...argv];
    const options: SpawnOptions = { env: { ...this.env, ...env }, cwd, stdio };
    const child = spawn(file!, args, options);
    if (child.pid !== undefined) this.track(child.pid);
    return child;
  }

  /** Takes a process into this world that does not mention its directory anywhere. */
  track(pid: number): void {
    const stat = statOf(pid);
    if (stat !== null) this.#tracked.set(pid, stat.startTime);
  }

  /** This process may live when the test ends; it is killed in silence then. */
  expectSurvivor(pid: number): void {
    this.track(pid);
    this.#expected.add(pid);
  }

  /** Kills what is left of this world and fails if the test did not expect it. */
  async [Symbol.asyncDispose](): Promise<void> {
    let left: string[] = [];
    try {
      // What is about to end by itself gets a moment to do so.
      await until(
        () => {
          const unexpected = this.#living().filter((pid) => !this.#expected.has(pid));
          left = unexpected.map((pid) => `${pid} (${describe(pid)})`);
          if (unexpected.length > 0) throw new Error('not yet');
        },
        { withinMs: 500 },
      ).catch(() => undefined);
    } finally {
      await until(
        () => {
          const living = this.#living();
          for (const pid of living) killIfThere(pid);
          if (living.length > 0) throw new Error(`cannot kill ${living.join(', ')}`);
        },
        { withinMs: 5000 },
      );
      rmSync(this.folder, { recursive: true, force: true });
    }
    if (left.length > 0) throw new Error(`these outlived their test: ${left.join(', ')}`);
  }

  #living(): number[] {
    const known = [...this.#tracked, ...this.#recorded()];
    const same = known.filter(([pid, startTime]) => isAlive(pid) && statOf(pid)?.startTime === startTime);
    return [...new Set([...processesMentioning(this.folder), ...same.map(([pid]) => pid)])];
  }

  /** The processes in the state directory, by pid and start time; a record that a test has spoilt names none. */
  #recorded(): [number, number][] {
    return filesOf(join(this.state, 'daemons')).flatMap((name): [number, number][] => {
      try {
        const text = readFileSync(join(this.state, 'daemons', name, 'record.json'), 'utf8');
        const { process } = JSON.parse(text) as { process: { pid: number; startTime: number } | null };
        return process === null ? [] : [[process.pid, process.startTime]];
      } catch {
        // ENOENT: the launcher was killed in between. Not JSON: the test made it so.
        return [];
      }
    });
  }
}

export async function makeWorld(): Promise<World> {
  return new World();
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // ENOENT: nothing was ever recorded.
    return [];
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH: it ended by itself.
  }
}
