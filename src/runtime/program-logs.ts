// All output of one held program, for whoever holds it. Nothing here fails the program: what goes wrong with its logs
// is told, once, and it runs on.
import { reasonOf } from '../errors.js';
import type { LogNotice } from '../os/log-notice.js';
import { truncateOutput } from '../os/outputs.js';
import type { ServiceSpec } from '../spec/service-spec.js';
import { makeOutputs, type OpenedOutput, type ProgramOutput, streamNumbers } from './program-output.js';
import type { Streams } from './start-run.js';

export class ProgramLogs {
  readonly #outputs: readonly ProgramOutput[];
  readonly #say: (line: string) => void;
  #keptFor: number | null = null;

  /** Where FIFOs are needed they are made here, before the program's user is taken on. `folder` is private to it. */
  constructor(spec: Pick<ServiceSpec, 'stdio' | 'user'>, folder: string, say: (line: string) => void) {
    this.#say = say;
    this.#outputs = makeOutputs(spec, folder, (notice) => this.#told(notice));
  }

  /** For the next run. Files are emptied at the first start alone: a crashed run's last words are wanted. */
  openStreams(isFirst: boolean): Streams {
    const opened: OpenedOutput[] = [];
    const close = (): void => {
      for (const output of opened) output.close();
    };
    try {
      for (const output of this.#outputs) opened.push(output.open());
    } catch (error) {
      close();
      throw error;
    }
    const ends = opened.flatMap((output) => [...output.ends]);
    return {
      descriptors: new Map(ends.map(([stream, end]) => [streamNumbers[stream], end])),
      paths: [...new Set(opened.map(({ file }) => file.path))],
      whenInvokable: () => (isFirst ? opened.forEach(({ file }) => void truncateOutput(file)) : undefined),
      close,
    };
  }

  /** This process is the program now. `isTakenOver`: somebody else started it. */
  keep(pid: number, isTakenOver: boolean): void {
    if (pid === this.#keptFor) return;
    this.#keptFor = pid;
    for (const output of this.#outputs) void this.#try(() => output.keep(pid, isTakenOver));
  }

  /** Resolves when all that was written is in the files, or cannot be written now. */
  async drain(): Promise<void> {
    await Promise.all(this.#outputs.map((output) => this.#try(() => output.drain())));
  }

  /** For an outside logrotate that has renamed the files. Throws SystemError. */
  async reopen(pid: number | null): Promise<void> {
    await Promise.all(this.#outputs.map((output) => output.reopen(pid)));
  }

  /** Drains, and lets go of everything. */
  async close(): Promise<void> {
    await this.drain();
    await Promise.all(this.#outputs.map((output) => this.#try(() => output.close())));
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#say(reasonOf(error));
    }
  }

  #told(notice: LogNotice): void {
    if (notice.name === 'trouble') this.#say(`${notice.reason}; it is tried again until it succeeds`);
    if (notice.name === 'trouble-over') this.#say(`log ${notice.log} is in order again`);
  }
}
