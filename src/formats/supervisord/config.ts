// What a supervisord.conf says. Settings bear the names of their keys, so that every message and every reply to a
// client can use them as they are; paths are absolute where Supervisor makes them so.
import type {
  DirectiveTable,
  extraKeys,
  processKeys,
  programKeys,
  supervisorctlKeys,
  supervisordKeys,
  ValueOf,
} from './directives.js';
import type { ConfiguredUser, LogTarget, Owner } from './value-types.js';

export interface SupervisordConfig {
  readonly path: string;
  /** Every file that was read, the main one first. */
  readonly files: readonly string[];
  readonly supervisord: SupervisordSection;
  readonly servers: readonly HttpServer[];
  /** What programs are told as SUPERVISOR_SERVER_URL: the first unix server, else the last other; null: none. */
  readonly serverUrl: string | null;
  readonly rpcInterfaces: readonly RpcInterface[];
  /** By priority and name. */
  readonly groups: readonly GroupConfig[];
  /** What is to be written to the main log as soon as it is open, in Supervisor's words. */
  readonly messages: readonly ParseMessage[];
}

export interface ParseMessage {
  readonly level: 'warn' | 'info';
  readonly text: string;
}

type Settings<Table extends DirectiveTable> = { readonly [Key in keyof Table]: ValueOf<Table[Key]> };

export interface SupervisordSection
  extends Omit<Settings<typeof supervisordKeys>, 'environment' | 'user' | 'childlogdir'> {
  readonly childlogdir: string;
  readonly user: ConfiguredUser | null;
  /** `NAME=value`, for every program. */
  readonly environment: readonly string[];
}

export type SupervisorctlSection = Settings<typeof supervisorctlKeys>;

export type HttpServer = UnixServer | InetServer;

interface AnyServer {
  /** The whole name of its section. */
  readonly section: string;
  readonly username: string | null;
  readonly password: string | null;
}

export interface UnixServer extends AnyServer {
  readonly family: 'unix';
  readonly file: string;
  readonly mode: number;
  readonly owner: Owner;
}

export interface InetServer extends AnyServer {
  readonly family: 'inet';
  /** Empty: all interfaces. */
  readonly host: string;
  readonly port: number;
  readonly allow_remote_without_password: boolean;
}

export interface RpcInterface {
  readonly name: string;
  readonly factory: string;
  readonly options: Readonly<Record<string, string>>;
}

interface AnyGroup {
  readonly name: string;
  readonly priority: number;
  /** In the order in which Supervisor starts them. */
  readonly processes: readonly ProcessConfig[];
}

export type GroupConfig = ProgramGroup | ListenerPool | FcgiGroup;

export interface ProgramGroup extends AnyGroup {
  readonly kind: 'programs';
}

export interface ListenerPool extends AnyGroup {
  readonly kind: 'eventlisteners';
  readonly buffer_size: number;
  /** In alphabetical order. */
  readonly events: readonly string[];
}

export interface FcgiGroup extends AnyGroup {
  readonly kind: 'fcgi';
  readonly socket: FcgiSocket;
}

export type FcgiSocket =
  | {
      readonly family: 'unix';
      readonly path: string;
      readonly mode: number;
      /** null: the supervisor's own. */
      readonly owner: Owner | null;
      readonly backlog: number | null;
    }
  | {
      readonly family: 'inet';
      readonly host: string;
      readonly port: number;
      readonly backlog: number | null;
    };

export interface ProcessConfig
  extends Omit<Settings<typeof programKeys>, 'killasgroup'>,
    Omit<Settings<typeof processKeys>, 'stdout_logfile' | 'stderr_logfile'>,
    Settings<typeof extraKeys> {
  readonly name: string;
  readonly group: string;
  /** The whole name of its section, and where that stands. */
  readonly section: string;
  readonly file: string;
  readonly line: number;
  readonly command: string;
  /** The words of the command; empty where it cannot be split, and then the fault says why no start will succeed. */
  readonly argv: readonly string[];
  readonly commandFault: string | null;
  readonly killasgroup: boolean;
  readonly stdout_logfile: LogFile;
  readonly stderr_logfile: LogFile;
  /** `NAME=value`: those of [supervisord], of env_file and of the section; each name once, and the last one wins. */
  readonly environment: readonly string[];
}

/** The word syslog has become stdout_syslog. */
export type LogFile = Exclude<LogTarget, { readonly kind: 'syslog' }>;
