// What the library exports; nothing else is public.

export {
  AlreadyRunningError,
  BugError,
  ConfigError,
  DetachError,
  IdentityError,
  NotFoundError,
  NotReadyError,
  SpawnError,
  StopTimeoutError,
  SystemError,
  TsdaemonError,
  UsageError,
} from './errors.js';
export type { DaemonHandle } from './runtime/daemon-handle.js';
export { type DaemonizeOptions, daemonize } from './runtime/daemonize.js';
export { list, type RunResult, run, status, stop } from './runtime/run.js';
export type { RunOptions } from './runtime/run-options.js';
export type { DaemonStatus } from './runtime/status.js';
export type { StopOptions, StopResult } from './runtime/stop-daemon.js';
export type { WatchOptions } from './runtime/watch-options.js';
