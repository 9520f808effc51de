// The words and numbers by which Supervisor's clients know what a process does.
import type { EpochMs } from '../spec/time.js';

export const processStates = {
  STOPPED: 0,
  STARTING: 10,
  RUNNING: 20,
  BACKOFF: 30,
  STOPPING: 40,
  EXITED: 100,
  FATAL: 200,
  UNKNOWN: 1000,
} as const;

export type ProcessStateName = keyof typeof processStates;

export const supervisorStates = { FATAL: 2, RUNNING: 1, RESTARTING: 0, SHUTDOWN: -1 } as const;

/** What a description is made of; null is never, or none. */
export interface DescribedFacts {
  readonly name: string;
  readonly state: ProcessStateName;
  readonly startedAt: EpochMs | null;
  readonly stoppedAt: EpochMs | null;
  readonly spawnError: string | null;
  readonly pid: number | null;
}

/** All that is known about one process. */
export interface ProcessFacts extends DescribedFacts {
  readonly group: string;
  /** -1 after a signal, 0 before the first end. */
  readonly exitStatus: number;
  readonly stdoutLogFile: string | null;
  readonly stderrLogFile: string | null;
}

/** The struct of getProcessInfo; a type, so that it is a value of XML-RPC. */
export type ProcessInfo = {
  readonly name: string;
  readonly group: string;
  readonly start: number;
  readonly stop: number;
  readonly now: number;
  readonly state: number;
  readonly statename: string;
  readonly spawnerr: string;
  readonly exitstatus: number;
  readonly logfile: string;
  readonly stdout_logfile: string;
  readonly stderr_logfile: string;
  readonly pid: number;
  readonly description: string;
};

/** The local time of a moment: its offset to UTC in minutes, east positive. */
type Zone = (seconds: number) => number;

export function processInfo(facts: ProcessFacts, now: EpochMs, zone: Zone): ProcessInfo {
  const stdoutLogFile = facts.stdoutLogFile ?? '';
  return {
    name: facts.name,
    group: facts.group,
    start: wholeSeconds(facts.startedAt),
    stop: wholeSeconds(facts.stoppedAt),
    now: wholeSeconds(now),
    state: processStates[facts.state],
    statename: facts.state,
    spawnerr: facts.spawnError ?? '',
    exitstatus: facts.exitStatus,
    logfile: stdoutLogFile,
    stdout_logfile: stdoutLogFile,
    stderr_logfile: facts.stderrLogFile ?? '',
    pid: facts.pid ?? 0,
    description: describe(facts, now, zone),
  };
}

/** Clients read 32 bits, which end in January 2038. */
const wholeSeconds = (at: EpochMs | null): number =>
  at === null ? 0 : Math.min(Math.max(Math.floor(at / 1000), -(2 ** 31)), 2 ** 31 - 1);

export function describe(facts: DescribedFacts, now: EpochMs, zone: Zone): string {
  const start = wholeSeconds(facts.startedAt);
  switch (facts.state) {
    case 'RUNNING':
      // Never negative: the clock may have been set back since.
      return `pid ${facts.pid ?? 0}, uptime ${uptime(Math.max(0, wholeSeconds(now) - start))}`;
    case 'FATAL':
    case 'BACKOFF':
      return facts.spawnError || `unknown error (try "tail ${facts.name}")`;
    case 'STOPPED':
    case 'EXITED':
      return start === 0 ? 'Not started' : formatMoment(wholeSeconds(facts.stoppedAt), zone);
    default:
      return '';
  }
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');

/** Of the last process asked about: those that were started together, of which there may be thousands, share it. */
let lastUptime = { seconds: 0, text: '0:00:00' };

function uptime(seconds: number): string {
  if (lastUptime.seconds !== seconds) lastUptime = { seconds, text: formatUptime(seconds) };
  return lastUptime.text;
}

/** As Python writes a timedelta: `0:00:07`, `1 day, 2:03:04`, `12 days, 0:00:00`. */
function formatUptime(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const clock = `${hours}:${twoDigits(Math.floor(seconds / 60) % 60)}:${twoDigits(seconds % 60)}`;
  return days === 0 ? clock : `${days} day${days === 1 ? '' : 's'}, ${clock}`;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Nov 21 12:29 PM`: strftime's `%b %d %I:%M %p`. */
function formatMoment(seconds: number, zone: Zone): string {
  const local = new Date((seconds + zone(seconds) * 60) * 1000);
  const hour = local.getUTCHours();
  const clock = `${twoDigits(hour % 12 === 0 ? 12 : hour % 12)}:${twoDigits(local.getUTCMinutes())}`;
  const day = `${months[local.getUTCMonth()]} ${twoDigits(local.getUTCDate())}`;
  return `${day} ${clock} ${hour < 12 ? 'AM' : 'PM'}`;
}

/** The offset that the process itself lives in. */
export const localZone: Zone = (seconds) => -new Date(seconds * 1000).getTimezoneOffset();

export interface Namespec {
  readonly group: string;
  /** null: all of the group. */
  readonly process: string | null;
}

/** `web`, `group:process`, `group:*`, `group:`. */
export function splitNamespec(namespec: string): Namespec {
  const colon = namespec.indexOf(':');
  if (colon === -1) return { group: namespec, process: namespec };
  const name = namespec.slice(colon + 1);
  return { group: namespec.slice(0, colon), process: name === '' || name === '*' ? null : name };
}

export const makeNamespec = (group: string, name: string): string =>
  group === name ? name : `${group}:${name}`;
