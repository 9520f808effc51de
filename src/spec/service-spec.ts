/**
 * What one service is. Complete and frozen; flags and library options become this, and nothing else is started.
 * Durations are milliseconds; null instead of one means never, or for ever.
 */
export interface ServiceSpec {
  readonly name: string;
  readonly command: {
    /** Texts as in byte-text.ts, so that every byte survives. */
    readonly argv: readonly [string, ...string[]];
    /** null: inherit. */
    readonly cwd: string | null;
    /** `NAME=value`, as execve takes them: order, duplicates and odd names are the caller's. */
    readonly env: readonly string[];
    readonly umask: number | null;
    readonly nice: number | null;
    readonly limits: readonly Limit[];
  };
  readonly user: UserName | null;
  readonly stdio: { readonly stdout: Sink; readonly stderr: Sink | 'as-stdout' };
  readonly detach: {
    readonly pidfile: string | null;
    readonly hangup: 'ignore' | 'default';
    /** Descriptors above 2 that the program inherits under the same number. */
    readonly keepFds: readonly number[];
    /** Of the watchdog that holds the program; `pidfile` always names the program. */
    readonly watchdogPidfile: string | null;
  };
  readonly start: {
    /** Whether it starts with its supervisor, unasked. */
    readonly auto: boolean;
    /**
     * What makes it ready: that its program was executed, that it stayed up for stayUpMs, or a report (its own
     * READY=1, a probe that succeeds, a line in its log). To end before that is a failed start.
     */
    readonly readiness: 'exec' | 'stay-up' | 'report';
    readonly stayUpMs: number;
    /** How long `exec` or `report` may take; then it is stopped, and its exit is a timeout. */
    readonly timeoutMs: number | null;
  };
  readonly restart: RestartPolicy;
  readonly stop: {
    readonly signal: SignalName;
    /** Between that signal and SIGKILL; null: SIGKILL is never sent. */
    readonly graceMs: number | null;
    /** Whom the stop signal reaches. */
    readonly reach: Reach;
    /** Whom SIGKILL reaches: `process` and then `tree` is what systemd calls mixed. */
    readonly killReach: Reach;
    /** Processes within killReach that outlive the main one are left alone, or stopped before anything else happens. */
    readonly leftovers: 'spare' | 'stop';
  };
  /** How a program that hangs is ended: as by `stop`, but with a signal that leaves a core dump behind. */
  readonly abort: { readonly signal: SignalName; readonly graceMs: number | null };
  /** Once ready, it must give a sign of life at least this often. */
  readonly heartbeat: { readonly everyMs: number } | null;
  readonly watch: Watch;
}

/** What is looked at beside its exit. All null and empty: nothing, and then nobody wakes up for it. */
export interface Watch {
  /** The report that start.readiness may ask for; null: that it has gone into the background, if it daemonizes. */
  readonly report: Report | null;
  /** Asked again and again once it is ready; so many failures in a row mean that it hangs. */
  readonly liveness: {
    readonly probe: ProbeTarget;
    readonly everyMs: number;
    readonly timeoutMs: number;
    readonly failures: number;
  } | null;
  /** What all its processes may hold together. */
  readonly memory: { readonly maxBytes: number; readonly everyMs: number } | null;
  /** It goes into the background by itself, and writes this pidfile of its own; null there: it writes none. */
  readonly daemonizes: { readonly pidfile: string | null } | null;
  /** A change at or below one of these restarts it. Absolute. */
  readonly paths: readonly string[];
  /** When it is started, in the words of cron; null: at once. */
  readonly cron: string | null;
}

export const watchNothing: Watch = {
  report: null,
  liveness: null,
  memory: null,
  daemonizes: null,
  paths: [],
  cron: null,
};

/** What a program does, or what is seen of it, when it is ready. */
export type Report =
  /** It said READY=1 on NOTIFY_SOCKET. */
  | { readonly kind: 'notify' }
  /** It wrote to the descriptor that it inherited under this number. */
  | { readonly kind: 'fd'; readonly descriptor: number }
  /** A line of its output matches. */
  | { readonly kind: 'log'; readonly pattern: string }
  | ProbeTarget;

/** What is asked from outside, again and again until it answers; so these serve as health checks too. */
export type ProbeTarget =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'http'; readonly url: string }
  /** Text for the shell; exit code 0 is yes. */
  | { readonly kind: 'command'; readonly script: string };

/** Which exits bring a service back, after how long, and how often. */
export interface RestartPolicy {
  /** The kinds of exit that bring it back once it was ready; empty: none does. */
  readonly on: readonly ExitKind[];
  /** The same for an exit before it was ready. */
  readonly onFailedStart: readonly ExitKind[];
  /** The exits that are clean. All of them: where 0 is missing here, even exit code 0 is not clean. */
  readonly okExits: readonly CodeOrSignal[];
  /** Exits that never bring it back, and exits that always do, whatever the two lists of kinds say. Never wins. */
  readonly neverAfter: readonly CodeOrSignal[];
  readonly alwaysAfter: readonly CodeOrSignal[];
  /**
   * The wait before the next start, after n failures in a row:
   *   delayMs * backoffFactor ** (n - 1)  +  n * backoffMs,  at most backoffMaxMs,
   * so the one grows by doubling (or so), the other by steps. After a run that lasted n is 0, and the wait delayMs.
   */
  readonly delayMs: number;
  readonly backoffMs: number;
  readonly backoffFactor: number;
  readonly backoffMaxMs: number | null;
  /** Which share of the wait chance may take off, 0 to 1, so that what failed together does not return together. */
  readonly jitter: number;
  /** A run that was ready for so long clears the count of failures; a shorter one adds to it, however it ended. */
  readonly resetAfterMs: number | null;
  /** How many restarts are allowed, in a row or within the window, before the service is FATAL. */
  readonly retries: number | null;
  /** null: retries counts failures in a row. Else it counts restarts in a window that opens with a start. */
  readonly withinMs: number | null;
  /** How long FATAL lasts before all is forgiven and it is tried again. */
  readonly fatalRetryAfterMs: number | null;
}

/** Nothing brings it back. */
export const noRestart: RestartPolicy = {
  on: [],
  onFailedStart: [],
  okExits: [0],
  neverAfter: [],
  alwaysAfter: [],
  delayMs: 0,
  backoffMs: 0,
  backoffFactor: 1,
  backoffMaxMs: null,
  jitter: 0,
  resetAfterMs: null,
  retries: null,
  withinMs: null,
  fatalRetryAfterMs: null,
};

/**
 * What kind of end a run came to. `timeout`: not ready, or not gone, in time. `heartbeat-lost`: it hung, by its
 * heartbeat or by a probe. `unknown`: a process that was not our child ended, and the kernel kept no exit code.
 */
export const exitKinds = [
  'clean',
  'exit-code',
  'signal',
  'timeout',
  'heartbeat-lost',
  'over-memory',
  'spawn-failed',
  'unknown',
] as const;

export type ExitKind = (typeof exitKinds)[number];

/** How a process ended: with this exit code, or by this signal. Exit code 143 is not the signal SIGTERM. */
export type CodeOrSignal = number | SignalName;

/** The main process alone, its process group, or all its descendants, those that changed group or parent too. */
export type Reach = 'process' | 'group' | 'tree';

export interface FileSink {
  readonly kind: 'file';
  readonly path: string;
  readonly open: 'append' | 'truncate';
  /** The file, its backups and what is written to it are looked after by whoever holds the program. */
  readonly rotation: LogRotation | null;
  /** null: the program's bytes as they are. */
  readonly lines: LineFormat | null;
}

export interface LogRotation {
  /** Rotated when it is as long as this; no backup becomes longer. null: whatever its length. */
  readonly maxBytes: number | null;
  /** Rotated when it has been written to for so long. null: whatever its age. */
  readonly maxAgeMs: number | null;
  /** How many backups are kept. 0: what would go into a backup is thrown away. */
  readonly backups: number;
  readonly compress: boolean;
}

/** Each line after the time, or as a JSON object with time, stream and text. */
export type LineFormat = 'timestamps' | 'json-lines';

/** Where a stream goes. Paths are absolute. `nohup-out` is nohup.out in cwd, else in $HOME, as POSIX has it. */
export type Sink =
  | FileSink
  | {
      readonly kind: 'nohup-out';
      readonly candidates: readonly string[];
      readonly open: 'append' | 'truncate';
    };

export interface UserName {
  readonly user: string;
  readonly group: string | null;
}

/** A resource limit as setrlimit(2) takes it. */
export interface Limit {
  readonly resource: string;
  readonly soft: LimitValue;
  readonly hard: LimitValue;
}

/** RLIM_INFINITY is a word here: JSON has no Infinity, and specs travel as JSON. */
export type LimitValue = number | 'unlimited';

export type SignalName = NodeJS.Signals | 'SIGRTMIN' | 'SIGRTMAX';
