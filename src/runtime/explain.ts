// Why a program is where it is: from what its supervisor or watchdog has written down. Nobody is asked, so it also tells
// of programs whose supervisor is busy, or was killed.
import type { ProcessConfig } from '../formats/supervisord/config.js';
import { findProcesses } from '../formats/supervisord/dependencies.js';
import { readTail } from '../os/log-slices.js';
import type { StateDirectory } from '../os/state-directory.js';
import type { ServiceLife } from '../spec/service-life.js';
import { idOf, namespecOf } from '../spec/supervision.js';
import { findDaemon } from './find-daemon.js';
import { type KnownSupervisor, knownSupervisors } from './known-supervisors.js';

/** Times as ISO 8601; null: never, or none. */
export interface Explanation {
  readonly name: string;
  readonly state: ServiceLife['state'];
  /** What the state alone does not say: why it gave up, or why it is being stopped. */
  readonly reason: string | null;
  readonly since: string;
  readonly pid: number | null;
  readonly restarts: number;
  /** Runs in a row that did not last. */
  readonly failures: number;
  readonly lastExit: string | null;
  readonly nextStartAt: string | null;
  /** What it says of itself. */
  readonly status: string | null;
  /** Those of its dependencies that are not met. */
  readonly waitsFor: readonly Unmet[];
  /** What the main log still tells of its last ends. */
  readonly ends: readonly string[];
  readonly holder: Holder;
}

export interface Unmet {
  readonly on: string;
  readonly until: 'started' | 'ready';
  readonly state: ServiceLife['state'];
}

export interface Holder {
  readonly kind: 'supervisor' | 'watchdog';
  /** null: it was killed. */
  readonly pid: number | null;
  readonly file: string | null;
}

/** All that bear the name: programs, members of a group, and a watched daemon. `file`: of this configuration alone. */
export function explain(name: string, state: StateDirectory, file: string | null): readonly Explanation[] {
  const supervised = knownSupervisors(state)
    .filter(({ about }) => file === null || about.place.file === file)
    .flatMap((supervisor) =>
      processesOf(supervisor)
        .filter((instance) =>
          [instance.name, instance.group, namespecOf(instance), idOf(instance)].includes(name),
        )
        .flatMap((instance) => explainSupervised(instance, supervisor)),
    );
  return file === null ? [...supervised, ...explainWatched(name, state)] : supervised;
}

const processesOf = ({ groups }: KnownSupervisor): ProcessConfig[] =>
  groups.flatMap(({ processes }) => processes);

function explainSupervised(instance: ProcessConfig, supervisor: KnownSupervisor): Explanation[] {
  const record = supervisor.processes[idOf(instance)];
  if (record === undefined) return [];
  const { life, state } = record.memory.program;
  const isDown = life.process === null && state.name !== 'STARTING';
  const cause = state.name === 'STOPPING' && typeof state.next === 'object' ? state.next.cause : null;
  return [
    {
      ...common(namespecOf(instance), life),
      reason: life.reason ?? cause,
      failures: 'tally' in state ? state.tally.failures : 0,
      waitsFor: isDown ? unmetOf(instance, supervisor) : [],
      ends: endsIn(supervisor.about.mainLog, instance.name),
      holder: {
        kind: 'supervisor',
        pid: supervisor.isRunning ? supervisor.holder.pid : null,
        file: supervisor.about.place.file,
      },
    },
  ];
}

function explainWatched(name: string, state: StateDirectory): Explanation[] {
  const found = findDaemon({ name }, state);
  const life = found?.record?.launchedBy === 'watchdog' ? state.readLife(name) : null;
  if (life === null) return [];
  const isWatched = found!.judgement.is === 'alive' && found!.isOrphaned !== true;
  return [
    {
      ...common(name, life),
      reason: life.reason,
      failures: 0,
      waitsFor: [],
      ends: [],
      holder: { kind: 'watchdog', pid: isWatched ? found!.process!.pid : null, file: null },
    },
  ];
}

function common(
  name: string,
  life: Omit<ServiceLife, 'upgrades' | 'reopens' | 'reopenFailure'>,
): Pick<
  Explanation,
  'name' | 'state' | 'since' | 'pid' | 'restarts' | 'lastExit' | 'nextStartAt' | 'status'
> {
  return {
    name,
    state: life.state,
    since: new Date(life.changedAt).toISOString(),
    pid: life.process?.pid ?? null,
    restarts: life.restarts,
    lastExit: life.lastExit,
    nextStartAt: life.nextStartAt === null ? null : new Date(life.nextStartAt).toISOString(),
    status: life.notify?.status ?? null,
  };
}

function unmetOf(instance: ProcessConfig, supervisor: KnownSupervisor): Unmet[] {
  return instance.depends_on.flatMap(({ name, until }) =>
    findProcesses(name, processesOf(supervisor)).flatMap((other): Unmet[] => {
      const state = supervisor.processes[idOf(other)]?.memory.program.life.state ?? 'STOPPED';
      const isMet = state === 'RUNNING' || (until === 'started' && state === 'STARTING');
      return isMet ? [] : [{ on: namespecOf(other), until, state }];
    }),
  );
}

/** As far back as is cheap to look. */
const LOG_BYTES = 256 * 1024;
const MOST_ENDS = 5;

function endsIn(mainLog: string | null, name: string): string[] {
  const tail = mainLog === null ? null : readTail(mainLog, 0, LOG_BYTES);
  const marks = [` exited: ${name} (`, ` stopped: ${name} (`, ` gave up: ${name} `];
  return (tail?.bytes.toString() ?? '')
    .split('\n')
    .filter((line) => marks.some((mark) => line.includes(mark)))
    .slice(-MOST_ENDS);
}
