// What clients are told about a process that a supervisor of ours holds.
import type { SupervisedProcess } from '../runtime/supervised-process.js';
import type { SupervisorDaemon } from '../runtime/supervisor-daemon.js';
import { byText } from '../spec/python-text.js';
import { namespecOf } from '../spec/supervision.js';
import type { EpochMs } from '../spec/time.js';
import { type DescribedFacts, describe, localZone, type ProcessInfo, processInfo } from './process-info.js';

/** What `status` shows of a process; a type, so that it is a value of XML-RPC. */
export type StateRow = readonly [namespec: string, statename: string, description: string];

export function infoOf(daemon: SupervisorDaemon, process: SupervisedProcess, now: EpochMs): ProcessInfo {
  const { service, facts } = process;
  const streams = daemon.outputs.of(process.id);
  const info = processInfo(
    {
      ...describedFacts(process),
      group: service.group,
      exitStatus: facts.exitStatus,
      stdoutLogFile: streams.path('stdout'),
      stderrLogFile: streams.path('stderr'),
    },
    now,
    localZone,
  );
  const waiting = describeWaiting(daemon, process);
  return waiting === null ? info : { ...info, description: waiting };
}

export function stateRow(daemon: SupervisorDaemon, process: SupervisedProcess, now: EpochMs): StateRow {
  const description = describeWaiting(daemon, process) ?? describe(describedFacts(process), now, localZone);
  return [namespecOf(process.service), process.state.name, description];
}

/** In the order in which clients are told about them. */
export const inOrder = (processes: Iterable<SupervisedProcess>): readonly SupervisedProcess[] =>
  [...processes].sort(
    ({ service: first }, { service: second }) =>
      byText(first.group, second.group) || byText(first.name, second.name),
  );

const describedFacts = ({ service, facts, state, pid }: SupervisedProcess): DescribedFacts => ({
  name: service.name,
  state: state.name,
  startedAt: facts.startedAt,
  stoppedAt: facts.endedAt,
  spawnError: facts.spawnError,
  pid,
});

/** null: it does not wait. */
function describeWaiting(daemon: SupervisorDaemon, process: SupervisedProcess): string | null {
  const waits = daemon.supervisor.waitsFor(process);
  if (waits.length === 0) return null;
  return `waits for ${waits.map(({ on, condition }) => `${on} (${condition})`).join(', ')}`;
}
