/**
 * What a supervisor holds: services in named groups. A configuration file becomes this, complete; what runs is compared
 * with what a newer file asks for by comparing two of these.
 */
import type { ServiceSpec, SignalName } from './service-spec.js';

export interface SupervisedGroup {
  readonly name: string;
  readonly priority: number;
  readonly services: readonly SupervisedService[];
  /** Set for a pool of event listeners. */
  readonly pool: { readonly events: readonly string[]; readonly bufferSize: number } | null;
  /** Set where the supervisor holds a listening socket for the members, who get it as their standard input. */
  readonly socket: ListeningSocket | null;
}

export interface SupervisedService {
  readonly name: string;
  readonly group: string;
  /** Within its group. */
  readonly priority: number;
  readonly spec: ServiceSpec;
  /** Why its command can never be executed, whatever is on the disk; null: it may be. */
  readonly commandFault: string | null;
  /** Its standard output is the protocol of an event listener. */
  readonly isListener: boolean;
  readonly stdout: StreamPlan;
  readonly stderr: StreamPlan | 'as-stdout';
  readonly dependencies: readonly Dependency[];
  /** What makes it read its own configuration again; null: nothing does. */
  readonly reloadSignal: SignalName | null;
  /** How its end becomes the supervisor's own: never, when it is FATAL, or whenever it comes to rest by itself. */
  readonly exitOn: 'never' | 'fatal' | 'exited';
}

/** Where a stream goes, and what is made of it on the way. */
export interface StreamPlan {
  /** null: nowhere. */
  readonly path: string | null;
  /** null: never rotated. */
  readonly maxBytes: number | null;
  /** Rotated when it is as old as that; null: at no age. */
  readonly maxAgeMs: number | null;
  readonly backups: number;
  readonly compress: boolean;
  /** How much of what stands between the two marks of capture mode is kept; 0: no capture mode. */
  readonly captureMaxBytes: number;
  readonly publishes: boolean;
  readonly toSyslog: boolean;
  readonly stripsAnsi: boolean;
}

export type ListeningSocket =
  | {
      readonly family: 'unix';
      readonly path: string;
      readonly mode: number;
      /** null: the supervisor's own; a gid of -1: as it is. */
      readonly owner: { readonly uid: number; readonly gid: number } | null;
      readonly backlog: number | null;
    }
  | {
      readonly family: 'inet';
      readonly host: string;
      readonly port: number;
      readonly backlog: number | null;
    };

export interface Dependency {
  /** As `group:name`. */
  readonly on: string;
  readonly condition: Condition;
}

/** What a dependent waits for: that it was executed, or that it is ready. */
export type Condition = 'started' | 'ready';

/** The name by which clients and dependencies mean a service. */
export const idOf = ({ group, name }: Pick<SupervisedService, 'group' | 'name'>): string =>
  `${group}:${name}`;

/** As Supervisor shortens it. */
export const namespecOf = ({ group, name }: Pick<SupervisedService, 'group' | 'name'>): string =>
  group === name ? name : `${group}:${name}`;
