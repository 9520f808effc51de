// What reading a configuration needs to know of the world. Everything comes in as a value or a function.
export interface ConfigSource {
  /** As it was given or found; messages show it so. */
  readonly path: string;
  readonly cwd: string;
  /** null where there is no such file; throws where it cannot be read. */
  readonly readFile: (path: string) => string | null;
  /** The paths that match, in any order. */
  readonly listFiles: (glob: string) => readonly string[];
  /** `NAME=value`, as the supervisor itself has it. */
  readonly environment: readonly string[];
  readonly host: HostFacts;
  readonly lookups: Lookups;
  /** Programs without a file, and where they are kept; absent: none. */
  readonly added?: { readonly file: string; readonly programs: readonly AddedProgram[] };
}

export interface AddedProgram {
  readonly name: string;
  /** By key, as they would be written in a file. */
  readonly values: Readonly<Record<string, string>>;
}

export interface HostFacts {
  readonly nodeName: string;
  readonly uid: number;
  readonly tempDirectory: string;
  /** SIGTERM: 15, and all others that can be sent. */
  readonly signals: Readonly<Record<string, number>>;
  /** What `limit` may name. */
  readonly resources: readonly string[];
}

export interface Account {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface Lookups {
  readonly user: (nameOrUid: string | number) => Account | null;
  /** The gid. */
  readonly group: (nameOrGid: string | number) => number | null;
  readonly isDirectory: (path: string) => boolean;
  /** What is wrong with a cron expression; null: nothing. */
  readonly cronFault: (expression: string) => string | null;
  /** Why what a file says must not be run: who else could have written it; null: it may. */
  readonly distrust: (path: string) => string | null;
}
