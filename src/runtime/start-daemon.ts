// Starts one daemon: takes the lock, judges what is there, and performs the detach plan. Runs in a launcher, a
// process that exits soon after; where this process may not leave its session, a copy of the launcher does it all.
import { dirname } from 'node:path';
import { type DetachStep, planDetach } from '../core/detach-plan.js';
import {
  BugError,
  DetachError,
  errnoNameOf,
  errnoText,
  SystemError,
  systemError,
  TsdaemonError,
} from '../errors.js';
import { actAs, findAccount } from '../os/credentials.js';
import { closeOnExecAboveTwo } from '../os/descriptors.js';
import { identityOf } from '../os/identity.js';
import { type DescriptorMap, reap } from '../os/invoke.js';
import { type DirectoryLock, lockDirectory } from '../os/lock.js';
import { makeMessage } from '../os/message.js';
import { closeOutput, type OpenOutput, openOutput, truncateOutput } from '../os/outputs.js';
import { checkPidfilePlace, removePidfile, writePidfile } from '../os/pidfile.js';
import { setNice } from '../os/priority.js';
import { joinProcessGroup, leaveSession, sessionFacts } from '../os/session.js';
import { setDisposition } from '../os/signals.js';
import { StateDirectory } from '../os/state-directory.js';
import { enterDirectory } from '../os/working-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceSpec, Sink } from '../spec/service-spec.js';
import { claimPlace } from './claim-place.js';
import { spawnProgram } from './spawn-program.js';
import { startInCopy } from './stage.js';
import {
  type StartedDaemon,
  type StartRequest,
  WATCH_ORDER_DESCRIPTOR,
  type WatchOrder,
} from './start-request.js';

/** What the program gets beside 0, 1, 2 and the descriptors it is to keep: descriptor there -> descriptor here. */
export type ExtraDescriptors = DescriptorMap;

/** Resolves paths, users and directories that cannot be right anyway, before anything is changed. */
export function planStart(request: StartRequest): readonly DetachStep[] {
  return planDetach(request.spec, { ...sessionFacts(), callerOpenFiles: request.callerOpenFiles });
}

/**
 * Promises that on return the program has been exec'ed, its pidfile stands and its record is written. On any error
 * nothing is left: no process, no pidfile, no empty log that was not there.
 */
export function startDaemon(request: StartRequest, extra: ExtraDescriptors = new Map()): StartedDaemon {
  const plan = planStart(request);
  if (!leaveTerminal(plan)) return startInCopy(request, extra);
  return new Start(request, extra).perform(plan);
}

/** False where only a copy of this launcher could leave the session. */
function leaveTerminal(plan: readonly DetachStep[]): boolean {
  for (const step of plan) {
    if (step.name === 'copy-launcher') return false;
    try {
      if (step.name === 'join-group') joinProcessGroup(step.group);
      if (step.name === 'leave-session') leaveSession();
    } catch (error) {
      // EPERM: the group we led still has members (`tsdaemon run x | cat`), or the parent's is out of reach.
      if (errnoNameOf(error) === 'EPERM') return false;
      throw detachError(step, error);
    }
  }
  return true;
}

/** One start under way; knows what to undo. */
class Start {
  readonly #request: StartRequest;
  readonly #extra: ExtraDescriptors;
  readonly #state: StateDirectory;
  readonly #locks: DirectoryLock[] = [];
  readonly #outputs: OpenOutput[] = [];
  /** The caller's; ours is 022 meanwhile, so that a strange one cannot make our own files unreadable. */
  readonly #callerUmask = process.umask(0o022);
  #leaveUser: () => void = () => undefined;
  #spec: ServiceSpec;
  #intent: DaemonRecord | null = null;
  /** What the intent replaced. */
  #previous: DaemonRecord | null = null;
  #pid: number | null = null;
  #record: DaemonRecord | null = null;

  constructor(request: StartRequest, extra: ExtraDescriptors) {
    this.#request = request;
    this.#extra = extra;
    this.#spec = request.spec;
    this.#state = new StateDirectory(request.stateDirectory);
  }

  perform(plan: readonly DetachStep[]): StartedDaemon {
    try {
      for (const step of plan) {
        try {
          this.#performStep(step);
        } catch (error) {
          throw detachError(step, error);
        }
      }
      for (const output of this.#outputs) closeOutput(output, true);
      const created = this.#outputs.filter((output) => output.created).map((output) => output.path);
      return { pid: this.#pid!, record: this.#record!, created };
    } catch (error) {
      this.#undo();
      throw error;
    } finally {
      process.umask(this.#callerUmask);
      for (const lock of this.#locks.reverse()) lock[Symbol.dispose]();
    }
  }

  #performStep(step: DetachStep): void {
    switch (step.name) {
      case 'copy-launcher':
        throw new BugError('a plan that needs a copy of the launcher was performed in this one');
      case 'join-group':
      case 'leave-session':
        return;
      case 'take-lock':
        return this.#takeLock(step.pidfile);
      case 'write-intent':
        return this.#writeIntent();
      case 'set-hangup':
        return setDisposition('SIGHUP', step.hangup);
      case 'take-user':
        this.#leaveUser = actAs(findAccount(step.user));
        return;
      case 'open-stdout':
      case 'open-stderr':
        return this.#openOutput(step.sink);
      case 'change-directory':
        return changeDirectory(step.path);
      case 'set-nice':
        return setNice(step.nice);
      case 'set-umask':
      case 'restore-open-files':
        // Both would hamper the launcher's own work, so they are made right before the spawn.
        return;
      case 'close-descriptors':
        return closeOnExecAboveTwo();
      case 'spawn':
        return this.#spawn();
      case 'write-pidfile':
        return writePidfile(step.path, this.#pid!);
      case 'write-record':
        return this.#writeRecord();
    }
  }

  /** The state directory first, the pidfile's second: always in this order, so that two starts cannot wait for each other. */
  #takeLock(pidfile: string | null): void {
    this.#state.create();
    this.#locks.push(lockDirectory(this.#state.path));
    const { program = this.#spec } = this.#request;
    const pidfiles = [pidfile, program.detach.pidfile].filter((path) => path !== null);
    const folders = new Set(pidfiles.map(dirname));
    // A pidfile may lie right there, and who holds a lock must not wait for it.
    folders.delete(this.#state.path);
    for (const folder of folders) this.#locks.push(lockDirectory(folder));
  }

  #writeIntent(): void {
    const { program = this.#spec } = this.#request;
    const { pidfile } = program.detach;
    for (const path of [pidfile, this.#spec.detach.pidfile]) if (path !== null) checkPidfilePlace(path);
    const name = claimPlace(program, this.#request.named, this.#request.program !== undefined, this.#state);
    this.#spec = { ...this.#spec, name };
    this.#previous = this.#state.read(name);
    this.#intent = {
      version: 1,
      spec: { ...program, name },
      named: this.#request.named,
      phase: 'starting',
      launcher: identityOf(process.pid),
      process: null,
      launchedBy: this.#request.launchedBy,
      inherited: {
        cwd: this.#request.callerCwd,
        umask: this.#callerUmask,
        openFiles: this.#request.callerOpenFiles,
      },
      startedAt: Date.now(),
      outputs: [],
    };
    this.#state.write(this.#intent);
    if (pidfile !== null) this.#state.linkPidfile(pidfile, name);
  }

  #openOutput(sink: Sink): void {
    const ours = process.umask(this.#callerUmask);
    try {
      this.#outputs.push(openOutput(sink));
    } finally {
      process.umask(ours);
    }
  }

  #spawn(): void {
    const [stdout, stderr = stdout] = this.#outputs.map((output) => output.descriptor);
    this.#pid = spawnProgram({
      spec: this.#spec,
      cwd: this.#request.callerCwd,
      umask: this.#callerUmask,
      softOpenFiles: this.#request.callerOpenFiles,
      descriptors: new Map([[1, stdout!], [2, stderr!], ...this.#extra, ...this.#watchOrder()]),
      ownGroup: false,
      // The launcher has it already.
      nice: null,
      leaveUser: this.#leaveUser,
      whenInvokable: () => this.#outputs.forEach(truncateOutput),
    });
  }

  /** A watchdog is told what it holds in the moment that this is settled: name, place and all. */
  #watchOrder(): [number, number][] {
    if (this.#request.program === undefined) return [];
    const order = { record: this.#intent!, stateDirectory: this.#state.path };
    return [[WATCH_ORDER_DESCRIPTOR, makeMessage('tsdaemon-watch', order satisfies WatchOrder)]];
  }

  #writeRecord(): void {
    if (this.#locks.some((lock) => !lock.isHeld()))
      throw new SystemError('cannot finish the start: another start took the lock over', {
        syscall: 'utime',
        errnoName: 'ESTALE',
      });
    const outputs = [...new Set(this.#outputs.map((output) => output.path))];
    this.#record = { ...this.#intent!, phase: 'running', process: identityOf(this.#pid!), outputs };
    this.#state.write(this.#record);
  }

  #undo(): void {
    this.#leaveUser();
    returnTo(this.#request.callerCwd);
    if (this.#pid !== null) {
      process.kill(this.#pid, 'SIGKILL');
      reap(this.#pid, true);
      if (this.#spec.detach.pidfile !== null) removePidfile(this.#spec.detach.pidfile, this.#pid);
    }
    for (const output of this.#outputs) closeOutput(output, false);
    if (this.#intent === null) return;
    if (this.#previous === null) this.#state.remove(this.#spec.name);
    else this.#state.write(this.#previous);
  }
}

/** An app that catches the error goes on where it was. */
function returnTo(cwd: string | null): void {
  try {
    if (cwd !== null) enterDirectory(cwd);
  } catch {
    // ENOENT: it has been removed meanwhile, and the error that brought us here is the one to tell.
  }
}

function changeDirectory(path: string): void {
  try {
    enterDirectory(path);
  } catch (error) {
    throw systemError(`cannot change to directory ${path}`, error, path);
  }
}

/** Our own errors say what failed already; a bare errno gets the step's name. */
function detachError(step: DetachStep, error: unknown): unknown {
  const errnoName = errnoNameOf(error);
  if (error instanceof TsdaemonError || errnoName === null) return error;
  return new DetachError(step.name, `cannot detach: ${step.name}: ${errnoText(errnoName)}`, error);
}
