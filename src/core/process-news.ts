// What Supervisor's users learn when a service changes its state: the events, the lines of the main log, and the two
// fields of getProcessInfo that tell how the last run ended. The machine takes some of Supervisor's steps in one; here
// they are told one by one, so that each event names the state that the one before it led to.
import type { MainLogLine } from '../spec/main-log-line.js';
import type { ServiceSpec } from '../spec/service-spec.js';
import type { ProcessStateEvent, ProcessStateName } from '../spec/supervisor-event.js';
import * as messages from './main-log.js';
import { countRun, type Ending, kindOf } from './restart-policy.js';
import type { ServiceEvent, ServiceState } from './service-machine.js';

/** What led from the one state to the other, and what the states do not say. */
export interface NewsFacts {
  readonly event: ServiceEvent;
  readonly spec: ServiceSpec;
  readonly name: string;
  readonly group: string;
  /** Of the process that is there or has just ended; 0: there was none. */
  readonly pid: number;
}

export interface News {
  readonly events: readonly ProcessStateEvent[];
  readonly lines: readonly MainLogLine[];
  readonly lastRun: LastRun;
}

/** `exitstatus` and `spawnerr`, as getProcessInfo has them. */
export interface LastRun {
  /** -1: by a signal. 0 too if there was no run, or one that ended too soon. */
  readonly exitStatus: number;
  readonly spawnError: string;
}

export const noLastRun: LastRun = { exitStatus: 0, spawnError: '' };

export function newsOf(before: ServiceState, after: ServiceState, facts: NewsFacts, lastRun: LastRun): News {
  if (before === after) return { events: [], lines: [], lastRun };
  const end = endOf(before, facts);
  const step = before.name === after.name ? [] : [after.name];
  const path = end === null ? step : pathOf(end, after);
  const froms = [before.name, ...path];
  const tries = 'tally' in after ? after.tally.failures : (end?.failures ?? 0);
  return {
    events: path.map((to, index) => stateEvent(froms[index]!, to, tries, end, facts)),
    lines: linesOf(before, after, end, facts),
    lastRun: path.at(-1) === 'STARTING' ? noLastRun : end === null ? lastRun : recordOf(end),
  };
}

/** A run that is over. */
interface RunEnd {
  readonly ending: Ending;
  /** It ended by one of the exits that are clean, and not too soon. */
  readonly isExpected: boolean;
  /** `stopped`: somebody wanted it. `too-soon`: it never was ready. `by-itself`: all else. */
  readonly how: 'stopped' | 'too-soon' | 'by-itself';
  /** With this run counted. */
  readonly failures: number;
}

function endOf(before: ServiceState, { event, spec }: NewsFacts): RunEnd | null {
  if (event.name !== 'exited' && event.name !== 'spawn-failed') return null;
  const ending: Ending =
    event.name === 'exited' ? event.ending : { how: 'not-spawned', reason: event.reason };
  const isClean = kindOf(ending, spec.restart) === 'clean';
  const end = (how: RunEnd['how'], failures: number): RunEnd => ({
    ending,
    isExpected: isClean && how !== 'too-soon',
    how,
    failures,
  });
  switch (before.name) {
    case 'STARTING':
      return end('too-soon', countRun(before.tally, null, spec.restart).failures);
    case 'RUNNING':
      return end('by-itself', countRun(before.tally, event.at - before.since, spec.restart).failures);
    case 'STOPPING':
      if (typeof before.next === 'string') return end('stopped', 0);
      return end(before.next.wasReady ? 'by-itself' : 'too-soon', before.next.tally.failures);
    default:
      return null;
  }
}

/** The states that Supervisor would have shown after the end of a run, up to the one where the machine is. */
function pathOf({ how }: RunEnd, after: ServiceState): ProcessStateName[] {
  const end = how === 'stopped' ? 'STOPPED' : 'EXITED';
  switch (after.name) {
    case 'STARTING':
      return [how === 'too-soon' ? 'BACKOFF' : end, 'STARTING'];
    case 'BACKOFF':
      return how === 'too-soon' ? ['BACKOFF'] : [end, 'BACKOFF'];
    case 'FATAL':
      return how === 'too-soon' ? ['BACKOFF', 'FATAL'] : [end, 'BACKOFF', 'FATAL'];
    default:
      return [after.name];
  }
}

function stateEvent(
  from: ProcessStateName,
  to: ProcessStateName,
  tries: number,
  end: RunEnd | null,
  { name, group, pid }: NewsFacts,
): ProcessStateEvent {
  const common = { name, group, from };
  switch (to) {
    case 'STARTING':
    case 'BACKOFF':
      return { type: `PROCESS_STATE_${to}`, ...common, tries };
    case 'EXITED':
      return { type: 'PROCESS_STATE_EXITED', ...common, expected: end?.isExpected ?? false, pid };
    case 'FATAL':
    case 'UNKNOWN':
      return { type: `PROCESS_STATE_${to}`, ...common };
    default:
      return { type: `PROCESS_STATE_${to}`, ...common, pid };
  }
}

function linesOf(
  before: ServiceState,
  after: ServiceState,
  end: RunEnd | null,
  facts: NewsFacts,
): MainLogLine[] {
  const { name, pid, spec, event } = facts;
  if (end !== null) {
    const lines = [endLine(end, facts)];
    if (after.name === 'FATAL') lines.push(messages.gaveUp(name));
    return lines;
  }
  if (before.name === 'STARTING' && after.name === 'RUNNING') {
    return spec.start.readiness === 'report'
      ? [messages.reportedReady(name)]
      : [messages.stayedUp(name, spec.start.stayUpMs / 1000)];
  }
  return before.name === 'STOPPING' && event.name === 'woke' ? [messages.killingAtLast(name, pid)] : [];
}

function endLine({ how, ending, isExpected }: RunEnd, { name }: NewsFacts): MainLogLine {
  if (ending.how === 'not-spawned') return messages.spawnError(ending.reason);
  const text = messages.endingText(ending);
  if (how === 'stopped') return messages.stopped(name, text, isExpected);
  return messages.exited(name, text, isExpected);
}

function recordOf({ how, ending, isExpected }: RunEnd): LastRun {
  if (ending.how === 'not-spawned') return { exitStatus: 0, spawnError: ending.reason };
  if (how === 'too-soon')
    return { exitStatus: 0, spawnError: 'Exited too quickly (process log may have details)' };
  const exitStatus = ending.how === 'exited' ? ending.code : -1;
  const isBad = how === 'by-itself' && !isExpected;
  return { exitStatus, spawnError: isBad ? `Bad exit code ${exitStatus}` : '' };
}
