// A command on a real pseudo-terminal, by means of script(1), and a terminal that hangs up.
import type { ChildProcess } from 'node:child_process';
import { until } from './until.js';
import type { StartOptions, World } from './world.js';

export class Pty {
  /** Everything that appeared on the terminal up to now. */
  output = '';
  readonly #script: ChildProcess;
  readonly #ended: Promise<number | null>;

  constructor(script: ChildProcess) {
    this.#script = script;
    script.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    this.#ended = new Promise((resolve) => script.once('close', resolve));
  }

  /** The command's exit code. */
  get exited(): Promise<number | null> {
    return this.#ended;
  }

  /** As if somebody typed it. */
  type(text: string): void {
    this.#script.stdin!.write(text);
  }

  /** Resolves with the match when the terminal has shown it. */
  shows(pattern: RegExp): Promise<RegExpExecArray> {
    return until(
      () => {
        const match = pattern.exec(this.output);
        if (match === null) throw new Error(`the terminal does not show ${pattern}, but: ${this.output}`);
        return match;
      },
      { withinMs: 10_000 },
    );
  }

  /** Closes the master side, as a lost connection does: the kernel hangs up on all who have the terminal. */
  async hangUp(): Promise<void> {
    this.#script.kill('SIGKILL');
    await this.#ended;
  }
}

/** Runs a shell command as the leader of a session whose controlling terminal is a fresh pty. */
export function openPty(world: World, command: string, options: StartOptions = {}): Pty {
  const argv = ['script', '--quiet', '--return', '--flush', '--command', command, '/dev/null'];
  return new Pty(world.start(argv, { ...options, env: { TERM: 'dumb', ...options.env } }));
}
