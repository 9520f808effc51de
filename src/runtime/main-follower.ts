// Follows a program that goes into the background by itself: from the process that was started to its main process,
// and from that one to its successor.
import {
  findMain,
  followMain,
  type MainChoice,
  refusalOfMain,
  type TreeMember,
} from '../core/main-process.js';
import type { Ending } from '../core/restart-policy.js';
import { readPidfile } from '../os/pidfile.js';
import { readStat } from '../os/processes.js';
import type { ProgramMemory } from './program-memory.js';
import { situationOfPidfile } from './situation.js';

/** A pidfile is written a moment after its process has come into being. */
const PIDFILE_EVERY_MS = 20;

export interface FollowedProgram {
  /** All that live of it. */
  living(): readonly TreeMember[];
  /** Whether a former holder started it, so that its orphans are not among the living. */
  isAdopted(): boolean;
  isClean(ending: Ending): boolean;
  /** This is its main process from now on. */
  mainIs(member: TreeMember): void;
  /** It is over, and ended like this. */
  over(ending: Ending): void;
}

export class MainFollower {
  readonly #program: FollowedProgram;
  readonly #pidfile: string | null;
  /** It is known which process is the program; before that the one is held that was started. */
  #isSettled = false;
  /** What was started has ended, and it is not clear yet who goes on. */
  #waiting: { readonly pid: number; readonly ending: Ending } | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(pidfile: string | null, program: FollowedProgram) {
    this.#pidfile = pidfile;
    this.#program = program;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  get isWaiting(): boolean {
    return this.#waiting !== null;
  }

  /** Another run; `isSettled` where its main process is known, as of one that runs already. */
  reset(isSettled: boolean): void {
    this.#isSettled = isSettled;
    this.#waiting = null;
    clearTimeout(this.#timer);
  }

  memory(): ProgramMemory['following'] {
    return { isSettled: this.#isSettled, waiting: this.#waiting };
  }

  /** Goes on where our former self left off. */
  resume({ isSettled, waiting }: NonNullable<ProgramMemory['following']>): void {
    this.reset(isSettled);
    if (waiting !== null) this.ended(waiting.pid, waiting.ending);
  }

  /** It said itself which one is its main process. */
  settle(): void {
    this.reset(true);
  }

  /** The process that is held has ended. */
  ended(pid: number, ending: Ending): void {
    this.#waiting = { pid, ending };
    this.look();
  }

  /** Something may have changed. */
  look(): void {
    if (this.#waiting === null) return;
    const { pid, ending } = this.#waiting;
    const choice = this.#choose(pid, ending);
    clearTimeout(this.#timer);
    if (choice.is === 'awaited') this.#timer = setTimeout(() => this.look(), PIDFILE_EVERY_MS);
    if (choice.is === 'gone') this.giveUp();
    if (choice.is !== 'main') return;
    this.settle();
    this.#program.mainIs(choice.member);
  }

  /** Nobody is waited for any more: it is over as it ended. */
  giveUp(): void {
    if (this.#waiting === null) return;
    const { ending } = this.#waiting;
    this.reset(false);
    this.#program.over(ending);
  }

  /** Of the orphans of one that was adopted the one that its pidfile names is all that can be told. */
  #members(): readonly TreeMember[] {
    const living = this.#program.living();
    if (this.#pidfile === null || !this.#program.isAdopted()) return living;
    const named = situationOfPidfile(this.#pidfile);
    const stat = named?.judgement.is === 'alive' ? readStat(named.process!.pid) : null;
    return stat === null || living.some(({ pid }) => pid === stat.pid) ? living : [...living, stat];
  }

  #choose(pid: number, ending: Ending): MainChoice {
    const facts = {
      watchdog: process.pid,
      members: this.#members(),
      pidfile: this.#pidfile === null ? null : readPidfile(this.#pidfile),
    };
    if (this.#isSettled) return followMain({ pid, isClean: this.#program.isClean(ending) }, facts);
    // Of one whose end nobody saw the pidfile is believed.
    const isUnseen = ending.how === 'unseen' && this.#pidfile !== null;
    return findMain({ pid, isClean: isUnseen || (ending.how === 'exited' && ending.code === 0) }, facts);
  }
}

/** Why this process cannot be the program's main one, whoever says so; null if it can. */
export const whyNotMain = (pid: number, members: readonly TreeMember[]): string | null =>
  refusalOfMain(pid, { watchdog: process.pid, members });
