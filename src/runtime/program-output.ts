// Where streams of a held program go, and who looks after the file. Three ways: as it is; rotated under the program's
// hands; and through a FIFO, where the file system cannot do that, or where lines are made of what it writes.
import { SystemError } from '../errors.js';
import { type Account, findAccount } from '../os/credentials.js';
import { closeDescriptor } from '../os/descriptors.js';
import { canCollapse } from '../os/log-collapse.js';
import { LogPump } from '../os/log-fifo.js';
import { heldFile, LogFile, realLogPath } from '../os/log-file.js';
import type { ReportLog } from '../os/log-notice.js';
import { closeOutput, type OpenOutput, openOutput } from '../os/outputs.js';
import type { FileSink, LogRotation, ServiceSpec, Sink } from '../spec/service-spec.js';

export type StreamName = 'stdout' | 'stderr';

export const streamNumbers: Readonly<Record<StreamName, number>> = { stdout: 1, stderr: 2 };

export interface OpenedOutput {
  /** The file that the output ends up in. */
  readonly file: OpenOutput;
  /** What the program is to have as each of the streams. */
  readonly ends: ReadonlyMap<StreamName, number>;
  close(): void;
}

export interface ProgramOutput {
  /** For the next run, as its user. Throws SystemError. */
  open(): OpenedOutput;
  /** The program has it. `isTakenOver`: since long ago, so its file may have been renamed. */
  keep(pid: number, isTakenOver: boolean): Promise<void>;
  /** Resolves when what was written is in the file. */
  drain(): Promise<void>;
  /** For an outside logrotate that has renamed the file. Throws SystemError. */
  reopen(pid: number | null): Promise<void>;
  close(): Promise<void>;
}

/** `folder` is private to the service. */
export function makeOutputs(
  { stdio, user }: Pick<ServiceSpec, 'stdio' | 'user'>,
  folder: string,
  report: ReportLog,
): ProgramOutput[] {
  const { stdout, stderr } = stdio;
  const make = (sink: Sink, streams: readonly [StreamName, ...StreamName[]]): ProgramOutput => {
    if (sink.kind !== 'file') return new DirectOutput(sink, null, streams, report);
    const isDirect = sink.lines === null && (sink.rotation === null || canCollapse(realLogPath(sink.path)));
    if (isDirect) return new DirectOutput(sink, sink.rotation, streams, report);
    return new FifoOutput(sink, streams, folder, user === null ? null : findAccount(user), report);
  };
  if (stderr === 'as-stdout') return [make(stdout, ['stdout', 'stderr'])];
  return [make(stdout, ['stdout']), make(stderr, ['stderr'])];
}

class DirectOutput implements ProgramOutput {
  readonly #sink: Sink;
  readonly #rotation: LogRotation | null;
  readonly #streams: readonly [StreamName, ...StreamName[]];
  readonly #report: ReportLog;
  #path: string | null = null;
  #kept: LogFile | null = null;

  constructor(
    sink: Sink,
    rotation: LogRotation | null,
    streams: readonly [StreamName, ...StreamName[]],
    report: ReportLog,
  ) {
    this.#sink = sink;
    this.#rotation = rotation;
    this.#streams = streams;
    this.#report = report;
  }

  open(): OpenedOutput {
    const file = openOutput(this.#sink);
    this.#path = file.path;
    return {
      file,
      ends: new Map(this.#streams.map((stream) => [stream, file.descriptor])),
      close: () => closeOutput(file, true),
    };
  }

  async keep(pid: number, isTakenOver: boolean): Promise<void> {
    if (this.#rotation === null) return;
    if (this.#kept !== null) return this.#kept.follow();
    const held = isTakenOver ? this.#heldBy(pid) : null;
    this.#kept = await LogFile.open({ ...this.#file(), rotation: this.#rotation, held });
  }

  async drain(): Promise<void> {}

  async reopen(pid: number | null): Promise<void> {
    if (this.#kept !== null) return this.#kept.reopen();
    const held = pid === null ? null : this.#heldBy(pid);
    // The next start opens it by its name; and what is no file of ours cannot have been renamed.
    if (held === null) return;
    const { path } = this.#file();
    if (!canCollapse(path))
      throw new SystemError(
        `cannot reopen ${path}: the program holds it, and its file system cannot take anything out of it`,
        { syscall: 'fallocate', errnoName: 'EOPNOTSUPP', path },
      );
    await using file = await LogFile.open({ ...this.#file(), rotation: neverRotated, held });
    await file.reopen();
  }

  async close(): Promise<void> {
    await this.#kept?.[Symbol.asyncDispose]();
  }

  #heldBy(pid: number): string | null {
    return heldFile(pid, streamNumbers[this.#streams[0]]);
  }

  #file(): { readonly path: string; readonly report: ReportLog } {
    const path = this.#path ?? (this.#sink.kind === 'file' ? this.#sink.path : this.#sink.candidates[0]!);
    return { path: realLogPath(path), report: this.#report };
  }
}

const neverRotated: LogRotation = { maxBytes: null, maxAgeMs: null, backups: 0, compress: false };

class FifoOutput implements ProgramOutput {
  readonly #sink: FileSink;
  readonly #streams: readonly [StreamName, ...StreamName[]];
  /** Those that have a FIFO of their own: in JSON a line says whose it is; else what is one file is one FIFO. */
  readonly #piped: readonly [StreamName, ...StreamName[]];
  readonly #pump: LogPump;
  #begun: Promise<void> | null = null;

  constructor(
    sink: FileSink,
    streams: readonly [StreamName, ...StreamName[]],
    folder: string,
    owner: Account | null,
    report: ReportLog,
  ) {
    this.#sink = sink;
    this.#streams = streams;
    this.#piped = sink.lines === 'json-lines' ? streams : [streams[0]];
    this.#pump = new LogPump({
      path: realLogPath(sink.path),
      folder,
      streams: this.#piped,
      format: sink.lines ?? 'as-is',
      rotation: sink.rotation,
      report,
    });
    if (owner !== null) this.#pump.giveTo(owner);
  }

  open(): OpenedOutput {
    const file = openOutput(this.#sink);
    const ends = new Map<StreamName, number>();
    const close = (): void => {
      for (const end of new Set(ends.values())) closeDescriptor(end);
      closeOutput(file, true);
    };
    try {
      if (!file.isRegular)
        throw new SystemError(`cannot keep log ${file.path}: it is no regular file`, {
          syscall: 'fstat',
          errnoName: 'EINVAL',
          path: file.path,
        });
      for (const stream of this.#streams) {
        const isPiped = this.#piped.includes(stream);
        ends.set(stream, isPiped ? this.#pump.openEnd(stream) : ends.get(this.#piped[0])!);
      }
    } catch (error) {
      close();
      throw error;
    }
    return { file, ends, close };
  }

  async keep(): Promise<void> {
    this.#begun ??= this.#pump.begin();
    try {
      await this.#begun;
    } catch (error) {
      this.#begun = null;
      throw error;
    }
  }

  async drain(): Promise<void> {
    await this.keep();
    await this.#pump.drain();
  }

  reopen(): Promise<void> {
    return this.#pump.reopen();
  }

  async close(): Promise<void> {
    if (this.#begun !== null) await this.#pump[Symbol.asyncDispose]();
  }
}
