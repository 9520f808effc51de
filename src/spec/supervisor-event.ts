// What happens under a supervisor, as its listeners are told. The values are as they were when it happened.
import type { ServiceLife } from './service-life.js';

/** Supervisor's names of states are ours; UNKNOWN is a process that could not be signalled. */
export type ProcessStateName = ServiceLife['state'] | 'UNKNOWN';

export type Channel = 'stdout' | 'stderr';

/** A type is its name on the wire, and one that no other descends from. */
export type SupervisorEvent =
  | ProcessStateEvent
  | (OfProcess & {
      readonly type: 'PROCESS_LOG_STDOUT' | 'PROCESS_LOG_STDERR';
      readonly pid: number;
      readonly data: Uint8Array;
    })
  | (OfProcess & {
      readonly type: 'PROCESS_COMMUNICATION_STDOUT' | 'PROCESS_COMMUNICATION_STDERR';
      readonly pid: number;
      readonly data: Uint8Array;
    })
  /** Sent by a client; `kind` is what the client calls its type. */
  | { readonly type: 'REMOTE_COMMUNICATION'; readonly kind: string; readonly data: string }
  | { readonly type: 'SUPERVISOR_STATE_CHANGE_RUNNING' | 'SUPERVISOR_STATE_CHANGE_STOPPING' }
  /** `when` is in seconds since 1970, a multiple of the period. */
  | { readonly type: 'TICK_5' | 'TICK_60' | 'TICK_3600'; readonly when: number }
  | { readonly type: 'PROCESS_GROUP_ADDED' | 'PROCESS_GROUP_REMOVED'; readonly group: string };

export type ProcessStateEvent = OfProcess & { readonly from: ProcessStateName } & (
    | {
        readonly type: 'PROCESS_STATE_STARTING' | 'PROCESS_STATE_BACKOFF';
        /** How many starts in a row have failed. */
        readonly tries: number;
      }
    | {
        readonly type: 'PROCESS_STATE_RUNNING' | 'PROCESS_STATE_STOPPING' | 'PROCESS_STATE_STOPPED';
        /** 0: there is no process. */
        readonly pid: number;
      }
    | { readonly type: 'PROCESS_STATE_EXITED'; readonly pid: number; readonly expected: boolean }
    | { readonly type: 'PROCESS_STATE_FATAL' | 'PROCESS_STATE_UNKNOWN' }
  );

interface OfProcess {
  readonly name: string;
  readonly group: string;
}
