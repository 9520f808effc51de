// What the methods of `supervisor.*` do, over a supervisor of ours: supervisord's order of checks, its faults and its
// results. Nothing here waits in a way that holds up another call.
import * as messages from '../core/main-log.js';
import { errnoNameOf, reasonOf, SystemError } from '../errors.js';
import type { XmlRpcValue } from '../formats/xml-rpc.js';
import { isThere, readSlice, readTail } from '../os/log-slices.js';
import { parseSignal } from '../os/signals.js';
import { commandProblem } from '../runtime/command-problem.js';
import type { SupervisedProcess } from '../runtime/supervised-process.js';
import { isAtRest } from '../runtime/supervisor.js';
import type { SupervisorDaemon } from '../runtime/supervisor-daemon.js';
import { type FaultName, faultCodes } from '../spec/faults.js';
import { byText, readInteger } from '../spec/python-text.js';
import { idOf } from '../spec/supervision.js';
import type { Channel } from '../spec/supervisor-event.js';
import type { EpochMs } from '../spec/time.js';
import { configInfo } from './config-info.js';
import { RpcError } from './faults.js';
import { makeNamespec, type ProcessInfo, splitNamespec, supervisorStates } from './process-info.js';
import type { RpcMethod, RpcMethods } from './rpc.js';
import { type SupervisorMethodName, supervisorMethods } from './supervisor-methods.js';
import { infoOf, inOrder } from './told-process.js';

/** Clients refuse to work with another one. */
const API_VERSION = '3.0';

/** The release of Supervisor whose behaviour clients may count on. */
const SUPERVISOR_VERSION = '4.3.0';

/** How often the log names what a call waits for. */
const STOP_REPORT_MS = 2000;

type Act = (process: SupervisedProcess, namespec: string) => Promise<XmlRpcValue> | XmlRpcValue;

/** The methods by full name, as a server offers them. */
export function supervisorNamespace(daemon: SupervisorDaemon): RpcMethods {
  const calls = methodCalls(daemon);
  return new Map(
    Object.entries(supervisorMethods).map(([name, entry]) => {
      const call = calls[name as SupervisorMethodName];
      const run: RpcMethod = (...params) => {
        if (daemon.isEnding && name !== 'sendRemoteCommEvent') throw new RpcError('SHUTDOWN_STATE');
        return call(...params);
      };
      return [`supervisor.${name}`, { ...entry, run }];
    }),
  );
}

function methodCalls(daemon: SupervisorDaemon): Readonly<Record<SupervisorMethodName, RpcMethod>> {
  const { supervisor } = daemon;

  const groupOf = (name: string): NonNullable<ReturnType<typeof supervisor.group>> =>
    supervisor.group(name) ?? refuse('BAD_NAME', name);

  /** null: all of the group are meant. */
  const findOrGroup = (namespec: string): SupervisedProcess | null => {
    const { group, process } = splitNamespec(namespec);
    if (supervisor.group(group) === null) return refuse('BAD_NAME', namespec);
    if (process === null) return null;
    return supervisor.process(idOf({ group, name: process })) ?? refuse('BAD_NAME', namespec);
  };
  const find = (namespec: string): SupervisedProcess => findOrGroup(namespec) ?? refuse('BAD_NAME', namespec);
  const membersOf = (group: string): SupervisedProcess[] => [...groupOf(group).processes].sort(byPriority);
  const everyone = (): SupervisedProcess[] =>
    supervisor.groups.flatMap(({ processes }) => [...processes].sort(byPriority));

  const start =
    (wait: boolean): Act =>
    (process, namespec) => {
      const problem = commandProblem(process.service);
      if (problem !== null) refuse(problem.fault, problem.text);
      if (isUp(process)) refuse('ALREADY_STARTED', namespec);
      supervisor.start(process);
      const isWaiting = (): boolean => supervisor.waitsFor(process).length > 0;
      if (!wait && isWaiting()) return true;
      const verdict = (): boolean => {
        if (process.facts.spawnError !== '') refuse('SPAWN_ERROR', namespec);
        if (wait && process.state.name !== 'RUNNING') refuse('ABNORMAL_TERMINATION', namespec);
        return true;
      };
      if (!wait) return verdict();
      const isDecided = (): boolean =>
        !isWaiting() && process.state.name !== 'STARTING' && process.state.name !== 'STOPPING';
      return process.when(isDecided).then(verdict);
    };

  const stop =
    (wait: boolean): Act =>
    (process, namespec) => {
      if (!isUp(process)) refuse('NOT_RUNNING', namespec);
      supervisor.stop(process);
      if (!wait || isAtRest(process)) return true;
      const report = (): void => daemon.log(messages.waitingToStop(process.service.name));
      report();
      const reports = setInterval(report, STOP_REPORT_MS);
      return process.when(isAtRest).then(() => {
        clearInterval(reports);
        return true;
      });
    };

  const signal =
    (given: string): Act =>
    (process, namespec) => {
      const wanted = readInteger(given) === 0 ? 0 : (parseSignal(given) ?? refuse('BAD_SIGNAL', given));
      if (!isSignallable(process)) refuse('NOT_RUNNING', namespec);
      daemon.log(messages.sending(process.service.name, process.pid ?? 0, wanted));
      try {
        process.signal(wanted);
      } catch (error) {
        refuse('FAILED', reasonOf(error));
      }
      return true;
    };

  const clearLogs: Act = (process, namespec) => {
    try {
      daemon.outputs.of(process.id).clear();
    } catch (error) {
      if (!isOfSystem(error)) throw error;
      refuse('FAILED', namespec);
    }
    return true;
  };

  const many = (
    processes: readonly SupervisedProcess[],
    isMeant: (process: SupervisedProcess) => boolean,
    act: Act,
  ): Promise<XmlRpcValue> => actOnEach(processes.filter(isMeant), act);

  /** `name`, or `group:*`, which is the call for the group. */
  const oneOrGroup = (
    namespec: string,
    isMeant: (process: SupervisedProcess) => boolean,
    act: Act,
  ): XmlRpcValue | Promise<XmlRpcValue> => {
    const process = findOrGroup(namespec);
    if (process !== null) return act(process, namespec);
    return many(membersOf(splitNamespec(namespec).group), isMeant, act);
  };

  const infosOf = (processes: readonly SupervisedProcess[]): ProcessInfo[] => {
    const now = Date.now() as EpochMs;
    return processes.map((process) => infoOf(daemon, process, now));
  };

  const readLog = (path: string | null, offset: number, length: number): string => {
    if (path === null || !isThere(path)) return refuse('NO_FILE', path);
    if (offset < 0 ? length !== 0 : length < 0) return refuse('BAD_ARGUMENTS');
    return (readSlice(path, offset, length) ?? refuse('FAILED')).toString();
  };

  const readMainLog: RpcMethod = (offset, length) => {
    const path = daemon.mainLogFile;
    if (path === null || !isThere(path)) return refuse('NO_FILE');
    return readLog(path, offset as number, length as number);
  };

  const readProcessLog =
    (channel: Channel): RpcMethod =>
    (name, offset, length) =>
      readLog(daemon.outputs.of(find(name as string).id).path(channel), offset as number, length as number);

  const tailProcessLog =
    (channel: Channel): RpcMethod =>
    (name, offset, length) => {
      const path = daemon.outputs.of(find(name as string).id).path(channel);
      const tail = path === null ? null : readTail(path, offset as number, length as number);
      return tail === null ? ['', 0, false] : [tail.bytes.toString(), tail.size, tail.isCut];
    };

  const clearProcessLogs: RpcMethod = (name) => clearLogs(find(name as string), name as string);
  const waits = (wait: XmlRpcValue | undefined): boolean => wait === undefined || Boolean(wait);

  return {
    getAPIVersion: () => API_VERSION,
    getVersion: () => API_VERSION,
    getSupervisorVersion: () => SUPERVISOR_VERSION,
    getIdentification: () => daemon.identifier,
    getState: () => ({ statecode: supervisorStates.RUNNING, statename: 'RUNNING' }),
    getPID: () => daemon.pid,
    readLog: readMainLog,
    readMainLog,
    clearLog: () => {
      const path = daemon.mainLogFile;
      if (path === null || !isThere(path)) return refuse('NO_FILE');
      try {
        daemon.clearMainLog();
      } catch (error) {
        if (!isOfSystem(error)) throw error;
        refuse('FAILED');
      }
      return true;
    },
    shutdown: () => {
      daemon.shutDown();
      return true;
    },
    restart: () => {
      const problem = daemon.restart();
      return problem === null ? true : refuse('CANT_REREAD', problem);
    },
    reloadConfig: () => {
      const changes = daemon.reread();
      if (typeof changes === 'string') return refuse('CANT_REREAD', changes);
      return [[[...changes.added], [...changes.changed], [...changes.removed]]];
    },
    addProcessGroup: (name) => {
      const outcome = daemon.addGroup(name as string);
      return outcome === 'done' ? true : refuse(outcome, name as string);
    },
    removeProcessGroup: (name) => {
      const { processes } = groupOf(name as string);
      if (!processes.every(isAtRest)) return refuse('STILL_RUNNING', name as string);
      daemon.removeGroup(name as string);
      return true;
    },
    startProcess: (name, wait) => oneOrGroup(name as string, isDown, start(waits(wait))),
    startProcessGroup: (name, wait) => many(membersOf(name as string), isDown, start(waits(wait))),
    startAllProcesses: (wait) => many(everyone(), isDown, start(waits(wait))),
    stopProcess: (name, wait) => oneOrGroup(name as string, isUp, stop(waits(wait))),
    stopProcessGroup: (name, wait) => many(membersOf(name as string), isUp, stop(waits(wait))),
    stopAllProcesses: (wait) => many(everyone(), isUp, stop(waits(wait))),
    signalProcess: (name, given) => oneOrGroup(name as string, isSignallable, signal(given as string)),
    signalProcessGroup: (name, given) =>
      many(membersOf(name as string), isSignallable, signal(given as string)),
    signalAllProcesses: (given) => many(everyone(), isSignallable, signal(given as string)),
    getProcessInfo: (name) => infosOf([find(name as string)])[0]!,
    getAllProcessInfo: () => infosOf(inOrder(supervisor.processes)),
    getAllConfigInfo: () =>
      [...daemon.configured()].map(configInfo).sort((first, second) => byText(first.name, second.name)),
    readProcessLog: readProcessLog('stdout'),
    readProcessStdoutLog: readProcessLog('stdout'),
    readProcessStderrLog: readProcessLog('stderr'),
    tailProcessLog: tailProcessLog('stdout'),
    tailProcessStdoutLog: tailProcessLog('stdout'),
    tailProcessStderrLog: tailProcessLog('stderr'),
    clearProcessLog: clearProcessLogs,
    clearProcessLogs,
    clearAllProcessLogs: () => actOnEach(everyone(), clearLogs),
    sendProcessStdin: (name, chars) => {
      const process = find(name as string);
      if (process.pid === null || process.state.name === 'STOPPING') refuse('NOT_RUNNING', name as string);
      const isTaken = daemon.outputs.of(process.id).writeStdin(Buffer.from(chars as string));
      return isTaken ? true : refuse('NO_FILE', name as string);
    },
    sendRemoteCommEvent: (type, data) => {
      daemon.publishRemote(type as string, data as string);
      return true;
    },
  };
}

/** What a disk or a folder brings about, and no mistake of ours does. */
const isOfSystem = (error: unknown): boolean => error instanceof SystemError || errnoNameOf(error) !== null;

function refuse(fault: FaultName, detail: string | null = null): never {
  throw new RpcError(fault, detail);
}

/** The results stand in the order in which they came about: first, in order, what needs no waiting. */
async function actOnEach(processes: readonly SupervisedProcess[], act: Act): Promise<XmlRpcValue> {
  const results: XmlRpcValue[] = [];
  const settle = async (process: SupervisedProcess): Promise<void> => {
    const { name, group } = process.service;
    try {
      const outcome = act(process, makeNamespec(group, name));
      if (outcome instanceof Promise) await outcome;
      results.push({ name, group, status: faultCodes.SUCCESS, description: 'OK' });
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      results.push({ name, group, status: error.faultCode, description: error.message });
    }
  };
  await Promise.all(processes.map(settle));
  return results;
}

/** What ALREADY_STARTED and NOT_RUNNING go by: who waits for its next try counts as running, who is stopping does not. */
const isUp = ({ state }: SupervisedProcess): boolean =>
  state.name === 'STARTING' || state.name === 'RUNNING' || state.name === 'BACKOFF';

const isDown = (process: SupervisedProcess): boolean => !isUp(process);

const isSignallable = ({ state }: SupervisedProcess): boolean =>
  state.name === 'STARTING' || state.name === 'RUNNING' || state.name === 'STOPPING';

const byPriority = ({ service: first }: SupervisedProcess, { service: second }: SupervisedProcess): number =>
  first.priority - second.priority || byText(first.name, second.name);
