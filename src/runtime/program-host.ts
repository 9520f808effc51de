import type { ServiceEvent, ServiceState } from '../core/service-machine.js';
import type { Reach, SignalName } from '../spec/service-spec.js';
import type { Streams } from './start-run.js';

/** What is asked of whoever holds the program. */
export interface ProgramHost {
  /** Whether the streams are opened with the rights of the program's user, or with the holder's own. */
  readonly opensAs: 'user' | 'holder';
  /** Called with the umask that the files are to be made with. */
  openStreams(isFirst: boolean): Streams;
  /** Whether a process that lost its parent, and so became ours, is one of this program's. */
  ownsOrphan(pid: number): boolean;
  /** A directory of the program's own, where a socket for it may lie. */
  readonly folder: string;
  /** The program has been executed. Told before anything else happens. */
  spawned?(pid: number): void;
  /** One step from one state to another, before what it brings about is done. */
  moved?(before: ServiceState, event: ServiceEvent, after: ServiceState): void;
  /** A signal of a stop is about to be sent to this program, or to all within reach of it. */
  signalling?(pid: number, signal: SignalName, reach: Reach): void;
  /** Something has changed, and all that follows from it has been done. */
  changed(state: ServiceState): void;
  /** What went wrong and does not change what becomes of the program. */
  complain(attempt: string, error: unknown): void;
}
