// What a supervisor writes into its journal, and when: what nobody could find out later at once, the rest together, when
// the burst is over in which a thousand programs may be started.
import { SystemError } from '../errors.js';
import { type Entries, Journal } from '../os/journal.js';
import type { SupervisedProcess } from './supervised-process.js';

const FULL: readonly string[] = ['ENOSPC', 'EDQUOT'];

/** How long after a failure what could not be written is tried again. */
const RETRY_MS = 5000;

export interface NotebookHost {
  /** All that is true now. */
  entries(): Entries;
  /** Empty for a process that is no member any more. */
  entryOf(process: SupervisedProcess): Entries;
  complain(attempt: string, error: unknown): void;
}

export class Notebook {
  readonly #host: NotebookHost;
  /** null: it is not open. */
  #folder: string | null = null;
  #journal: Journal | null = null;
  readonly #changed = new Set<SupervisedProcess>();
  #timer: NodeJS.Immediate | undefined;
  /** Set while the disk is full. */
  #retry: NodeJS.Timeout | null = null;

  constructor(host: NotebookHost) {
    this.#host = host;
  }

  /** What is noted before is in the first entries. Throws SystemError, but not for a disk that is full at the moment. */
  open(folder: string): void {
    this.#folder = folder;
    try {
      this.#create(folder);
    } catch (error) {
      if (!(error instanceof SystemError && FULL.includes(error.errnoName))) throw error;
      this.#failed(error);
    }
  }

  #create(folder: string): void {
    this.#journal = Journal.create(folder, () => this.#host.entries());
  }

  changed(process: SupervisedProcess): void {
    this.#changed.add(process);
    // How a run ended is known to us alone; that the first one began is seen by who looks for strays.
    if (process.pid === null || process.facts.endedAt !== null) this.#writeChanged();
    else this.#timer ??= setImmediate(() => this.#writeChanged());
  }

  /** Before it is started: who finds strays has to know whose they are. */
  areThere(processes: readonly SupervisedProcess[]): void {
    this.#write(processes.flatMap((process) => [...this.#host.entryOf(process)]));
  }

  /** Nothing is left to be written. */
  settle(): void {
    this.#writeChanged();
  }

  /** null: it is not true any more. */
  note(key: string, value: unknown): void {
    this.#write([[key, value]]);
  }

  /** At a regular end nothing is left to be taken over. */
  remove(): void {
    clearImmediate(this.#timer);
    this.#stopRetrying();
    this.#journal?.remove();
    this.#journal = null;
    this.#folder = null;
  }

  #writeChanged(): void {
    clearImmediate(this.#timer);
    this.#timer = undefined;
    const entries = [...this.#changed].flatMap((process) => [...this.#host.entryOf(process)]);
    this.#changed.clear();
    this.#write(entries);
  }

  #write(entries: Entries): void {
    try {
      if (this.#journal !== null) this.#journal.write(entries);
      else if (this.#folder !== null) this.#create(this.#folder);
      this.#stopRetrying();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** A full disk: a successor would know less, the programs run on. Told once, and not for every program. */
  #failed(error: unknown): void {
    if (this.#retry !== null) return;
    this.#host.complain('cannot write the journal', error);
    this.#retry = setInterval(() => this.#write([]), RETRY_MS);
  }

  #stopRetrying(): void {
    if (this.#retry !== null) clearInterval(this.#retry);
    this.#retry = null;
  }
}
