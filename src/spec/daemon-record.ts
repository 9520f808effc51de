// What is written down about a daemon, so that it can be found, judged and stopped later by somebody else.
import type { ServiceSpec } from './service-spec.js';

/**
 * Which process, beyond its pid: pids are reused after seconds, across reboots and between containers. Together
 * these five name one process for ever. null where this machine cannot tell (no /proc).
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot on Linux (it survives exec), microseconds since the epoch on macOS. */
  readonly startTime: number | null;
  readonly bootId: string | null;
  readonly pidNamespace: string | null;
  readonly host: HostIdentity;
}

/** Which machine or container. The name alone is not enough: a restarted container keeps its name. */
export interface HostIdentity {
  readonly name: string;
  readonly utsNamespace: string | null;
}

export interface DaemonRecord {
  readonly version: 1;
  readonly spec: ServiceSpec;
  /** Whether the user chose the name; one we made up may be given to another daemon once this one is gone. */
  readonly named: boolean;
  /**
   * starting: the intent, written before the program exists. It carries the launcher, whose pid is the session id
   * of the program, so that a launcher killed half-way leaves a trace of what it started.
   */
  readonly phase: 'starting' | 'running' | 'stopped';
  readonly launcher: ProcessIdentity;
  readonly process: ProcessIdentity | null;
  /**
   * Whose process is recorded: the program's own, started by `run` or by the program's own daemonize(), that of
   * the watchdog that holds it, or a supervisor.
   */
  readonly launchedBy: 'run' | 'daemonize' | 'watchdog' | 'supervise';
  /** What the spec left to be inherited, as it was then; a restart from elsewhere gives the same. */
  readonly inherited: {
    readonly cwd: string | null;
    readonly umask: number;
    readonly openFiles: number | null;
  };
  /** Wall time in milliseconds, only shown. */
  readonly startedAt: number;
  /** The files that the streams really went to. */
  readonly outputs: readonly string[];
}

/** What stands under a pidfile's path. */
export type PidfileContent =
  | { readonly kind: 'absent' }
  | { readonly kind: 'empty' }
  | { readonly kind: 'pid'; readonly pid: number; readonly writtenAt: number; readonly trusted: boolean }
  | { readonly kind: 'unusable'; readonly reason: string };
