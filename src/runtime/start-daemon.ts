// Starts one daemon: takes the lock, judges what is there, and performs the detach plan. Runs in a launcher, a
// process that exits soon after; where this process may not leave its session, a copy of the launcher does it all.
import { closeSync, openSync } from 'node:fs';
import { setPriority } from 'node:os';
import { dirname } from 'node:path';
import { commandCandidates } from '../core/command-path.js';
import { type DetachStep, planDetach } from '../core/detach-plan.js';
import { variable } from '../core/environment.js';
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
import { type DescriptorMap, looksInvokable, reap, spawn } from '../os/invoke.js';
import { setSoftOpenFiles } from '../os/limits.js';
import { type DirectoryLock, lockDirectory } from '../os/lock.js';
import { closeOutput, type OpenOutput, openOutput, truncateOutput } from '../os/outputs.js';
import { checkPidfilePlace, removePidfile, writePidfile } from '../os/pidfile.js';
import { joinProcessGroup, leaveSession, sessionFacts } from '../os/session.js';
import { setDisposition } from '../os/signals.js';
import { StateDirectory } from '../os/state-directory.js';
import { enterDirectory } from '../os/working-directory.js';
import type { DaemonRecord } from '../spec/daemon-record.js';
import type { ServiceSpec, Sink } from '../spec/service-spec.js';
import { claimPlace } from './claim-place.js';
import { spawnWithLimits, startInCopy } from './stage.js';
import type { StartedDaemon, StartRequest } from './start-request.js';

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
    if (pidfile !== null) this.#locks.push(lockDirectory(dirname(pidfile)));
  }

  #writeIntent(): void {
    const { pidfile } = this.#spec.detach;
    if (pidfile !== null) checkPidfilePlace(pidfile);
    const name = claimPlace(this.#spec, this.#request.named, this.#state);
    this.#spec = { ...this.#spec, name };
    this.#previous = this.#state.read(name);
    this.#intent = {
      version: 1,
      spec: this.#spec,
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
    const { command, detach } = this.#spec;
    const softOpenFiles = this.#request.callerOpenFiles;
    const path = variable(command.env, 'PATH');
    const invocation = {
      candidates: commandCandidates(command.argv[0], path, this.#request.callerCwd),
      argv: command.argv,
      env: command.env,
    };
    const stdin = openSync('/dev/null', 'r+');
    const [stdout, stderr = stdout] = this.#outputs.map((output) => output.descriptor);
    const descriptors = new Map<number, number>([
      [0, stdin],
      [1, stdout!],
      [2, stderr!],
    ]);
    for (const descriptor of detach.keepFds) descriptors.set(descriptor, descriptor);
    for (const [there, here] of this.#extra) descriptors.set(there, here);
    // What cannot be exec'ed must not cost a log its content.
    if (looksInvokable(invocation)) for (const output of this.#outputs) truncateOutput(output);
    const ours = process.umask(command.umask ?? this.#callerUmask);
    let raiseAgain = (): unknown => undefined;
    try {
      if (command.limits.length > 0) {
        // The stage is our own file and may be out of the user's reach, so it takes the user on itself.
        this.#leaveUser();
        const { limits } = command;
        const touches = { limits, softOpenFiles, hangup: detach.hangup, user: this.#spec.user };
        this.#pid = spawnWithLimits(invocation, descriptors, touches);
      } else {
        if (softOpenFiles !== null) raiseAgain = setSoftOpenFiles(softOpenFiles);
        this.#pid = spawn(invocation, descriptors, detach.hangup);
      }
    } finally {
      raiseAgain();
      process.umask(ours);
      this.#leaveUser();
      closeSync(stdin);
    }
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

function setNice(nice: number): void {
  try {
    setPriority(0, nice);
  } catch (error) {
    // Node wraps the errno of os functions in `info`.
    const info = error instanceof Error && 'info' in error ? (error.info as { code?: string }) : {};
    throw new SystemError(
      `cannot set nice value ${nice}`,
      { syscall: 'setpriority', errnoName: info.code ?? 'EINVAL' },
      error,
    );
  }
}

/** Our own errors say what failed already; a bare errno gets the step's name. */
function detachError(step: DetachStep, error: unknown): unknown {
  const errnoName = errnoNameOf(error);
  if (error instanceof TsdaemonError || errnoName === null) return error;
  return new DetachError(step.name, `cannot detach: ${step.name}: ${errnoText(errnoName)}`, error);
}
