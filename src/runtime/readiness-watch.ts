// Waits for what makes one run of a program ready: a byte in a pipe, a line in its log, or an answer to a probe. What
// it says on NOTIFY_SOCKET is heard elsewhere.
import type { DescriptorMap } from '../os/invoke.js';
import type { ProbeOutcome } from '../os/probes.js';
import { ReadyPipe } from '../os/ready-pipe.js';
import type { ProbeTarget, Report } from '../spec/service-spec.js';
import { LogLineWatch } from './await-log-line.js';
import { logFiles } from './read-logs.js';

/** Between two attempts: often at first, for most programs are ready in a moment. */
const FIRST_WAIT_MS = 25;
const LONGEST_WAIT_MS = 1000;

export class ReadinessWatch {
  readonly #report: Report;
  readonly #ready: () => void;
  #pipe: ReadyPipe | null = null;
  #log: LogLineWatch | null = null;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  /** Made before the program starts. `pipe`: one that the program holds already. Calls back once at most. */
  constructor(report: Report, pipe: number | null, ready: () => void) {
    this.#report = report;
    this.#ready = ready;
    if (report.kind === 'fd') this.#pipe = pipe === null ? new ReadyPipe() : ReadyPipe.adopt(pipe);
  }

  /** What the program inherits for it. */
  get descriptors(): DescriptorMap {
    const end = this.#pipe?.writeEnd ?? null;
    return this.#report.kind === 'fd' && end !== null ? new Map([[this.#report.descriptor, end]]) : new Map();
  }

  /** The program is about to write to these. Throws NotFoundError where there is no file to look into. */
  listen(outputs: readonly string[]): void {
    if (this.#report.kind !== 'log') return;
    const files = logFiles(outputs, 'the program');
    this.#log = new LogLineWatch(files, new RegExp(this.#report.pattern), () => this.#tell());
  }

  /** The program runs. */
  begin(ask: (target: ProbeTarget) => Promise<ProbeOutcome>): void {
    const report = this.#report;
    if (this.#pipe !== null) void this.#await(this.#pipe);
    if (report.kind === 'tcp' || report.kind === 'http' || report.kind === 'command')
      void this.#poll(() => ask(report), FIRST_WAIT_MS);
  }

  /** Its pipe, to go on with after an exec; null: it has none. */
  handOver(): number | null {
    return this.#pipe?.handOver() ?? null;
  }

  /** Its end is about to be judged: what it has said before comes first. */
  look(): void {
    this.#log?.look();
    if (this.#pipe?.look() === true) this.#tell();
  }

  /** Also lets go of the pipe: to write to it after that would be a program's death. */
  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#log?.[Symbol.dispose]();
    this.#pipe?.[Symbol.dispose]();
  }

  async #await(pipe: ReadyPipe): Promise<void> {
    if ((await pipe.ready(Number.POSITIVE_INFINITY)) === 'ready') this.#tell();
  }

  async #poll(ask: () => Promise<ProbeOutcome>, waitMs: number): Promise<void> {
    const { isReady } = await ask();
    if (this.#isOver) return;
    if (isReady) return this.#tell();
    this.#timer = setTimeout(() => void this.#poll(ask, Math.min(2 * waitMs, LONGEST_WAIT_MS)), waitMs);
  }

  #tell(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ready();
  }
}
