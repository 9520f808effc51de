/** What one service is. Complete and frozen; flags and library options become this, and nothing else is started. */
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
  };
  readonly stop: { readonly signal: SignalName; readonly graceMs: number };
}

/** Where a stream goes. Paths are absolute. `nohup-out` is nohup.out in cwd, else in $HOME, as POSIX has it. */
export type Sink =
  | { readonly kind: 'file'; readonly path: string; readonly open: 'append' | 'truncate' }
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

export type SignalName = NodeJS.Signals;
