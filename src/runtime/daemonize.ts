// daemonize(): the app's first run is the launcher, which starts the app once more, detached, and waits for its
// word; the second run returns from the call and is the daemon. The two are told apart by an order that the second
// inherits as descriptor 3, so nothing of us is ever in its environment, and none of its children can inherit it:
// Node marks inherited descriptors close-on-exec at its start.
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { systemError, UsageError } from '../errors.js';
import { currentEnvironment, parentSoftOpenFiles } from '../os/caller.js';
import { becomeSubreaper } from '../os/children.js';
import { makePipe } from '../os/descriptors.js';
import { exitCodeOf, reap } from '../os/invoke.js';
import { makeMessage, makeUnnamedFile, readMessage, readUnnamedFile } from '../os/message.js';
import { canonicalPidfile, removePidfile } from '../os/pidfile.js';
import { waitReadable } from '../os/poll.js';
import { StateDirectory } from '../os/state-directory.js';
import { enterDirectory, isDirectory, workingDirectory } from '../os/working-directory.js';
import { encodeBytes, splitNulEnded } from '../spec/byte-text.js';
import type { ServiceSpec } from '../spec/service-spec.js';
import { type DaemonHandle, keepHangupIgnored, LockedPidfile, makeHandle } from './daemon-handle.js';
import { buildSpec, callersPath, type RunOptions } from './run-options.js';
import { startDaemon } from './start-daemon.js';
import type { StartedDaemon, StartRequest } from './start-request.js';

/** Options of daemonize(). Relative paths are resolved against the working directory of the call. */
export interface DaemonizeOptions
  extends Pick<RunOptions, 'pidfile' | 'name' | 'stdout' | 'stderr' | 'cwd' | 'umask' | 'user'> {
  /** The launcher waits until the daemon calls ready(). Default: it waits until the daemon's entry point runs. */
  readonly waitReady?: boolean;
  /** How long it waits, in milliseconds, before it stops what it started. Default: 30,000. */
  readonly readyTimeoutMs?: number;
  /**
   * always (default): detach. never: stay in front, but keep pidfile and handle. auto: stay in front where something
   * else keeps the process already: as PID 1, under systemd, Supervisor, runit, s6 or pm2.
   */
  readonly detach?: 'always' | 'auto' | 'never';
}

const ORDER = 'tsdaemon-daemonize';
const ORDER_DESCRIPTOR = 3;
const VERDICT_DESCRIPTOR = 4;
const DEFAULT_READY_TIMEOUT_MS = 30_000;

/** What the launcher tells the daemon. */
interface DaemonOrder {
  readonly magic: typeof ORDER;
  readonly waitReady: boolean;
  readonly pidfile: string | null;
  /** Entered by the daemon itself: Node options such as `--import tsx` mean the directory of the call. */
  readonly cwd: string | null;
  readonly stdio: ServiceSpec['stdio'];
}

/**
 * Makes this program a daemon: call it as the first statement of the entry point. In the first run it does not
 * return: it starts the program again as a daemon, with the same Node options and arguments, waits for its word, and
 * exits with 0, or with the daemon's own error text and exit code if it died before. In the second run it returns
 * the handle. Follows daemon(7): own session, no controlling terminal, SIGHUP ignored unless the app listens for it,
 * stdin /dev/null, output to files (nohup.out by default), a locked pidfile.
 *
 * Throws UsageError where there is no entry point that could be started again (a worker thread, a cluster worker,
 * the REPL, -e, a script from stdin), or for an option that cannot be right; nothing has been started then.
 */
export function daemonize(options: DaemonizeOptions = {}): DaemonHandle {
  const order = takeOrder();
  if (order !== null) return becomeDaemon(order);
  checkPlace();
  if (staysInFront(options.detach ?? 'always')) return stayInFront(options);
  return launch(options);
}

let order: DaemonOrder | null | undefined;

/** The order, if this run is the daemon; the answer stays the same for a second call. */
function takeOrder(): DaemonOrder | null {
  if (order !== undefined) return order;
  order = null;
  if (!isMainThread || !isOrder(ORDER_DESCRIPTOR)) return null;
  const message = readMessage(ORDER_DESCRIPTOR) as DaemonOrder;
  if (message.magic === ORDER) order = message;
  return order;
}

/** Recognised by its name before it is read: descriptor 3 may be anything in a process that is not our daemon. */
function isOrder(descriptor: number): boolean {
  try {
    if (process.platform === 'linux')
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(`/memfd:${ORDER}`);
    const stats = fstatSync(descriptor);
    return stats.isFile() && stats.nlink === 0;
  } catch {
    // EBADF or ENOENT: there is no such descriptor.
    return false;
  }
}

function checkPlace(): void {
  const refuse = (where: string): never => {
    throw new UsageError(`cannot daemonize ${where}: call it from the entry point of a program file`);
  };
  if (process.platform === 'win32') throw new UsageError('cannot daemonize on Windows: run it in WSL');
  if (!isMainThread) refuse('in a worker thread');
  const cluster = createRequire(import.meta.url)('node:cluster') as typeof import('node:cluster').default;
  if (cluster.isWorker) refuse('in a cluster worker');
  const script = process.argv[1];
  // -e, -p, the REPL and a script from stdin have no file of their own in argv[1].
  if (
    script === undefined ||
    script === '-' ||
    process.execArgv.some((flag) => /^(-e|-p|-pe|--eval|--print)\b/.test(flag))
  )
    refuse('without a program file (REPL, -e or a script from stdin)');
}

function staysInFront(detach: string): boolean {
  if (detach === 'never') return true;
  if (detach === 'always') return false;
  if (detach !== 'auto')
    throw new UsageError(`cannot use detach '${detach}': expected always, auto or never`, 'detach');
  const { env } = process;
  const supervised = ['INVOCATION_ID', 'NOTIFY_SOCKET', 'SUPERVISOR_ENABLED', 'pm_id'].some(
    (name) => env[name] !== undefined,
  );
  return process.pid === 1 || supervised || ['runsv', 's6-supervise', 'supervise'].includes(parentName());
}

function parentName(): string {
  try {
    return readFileSync(`/proc/${process.ppid}/comm`, 'latin1').trim();
  } catch {
    // No /proc: the environment alone decides.
    return '';
  }
}

/** The launcher's side. */
function launch(options: DaemonizeOptions): never {
  closeInspector();
  const { pidfile, name, stdout, stderr, umask, user } = options;
  const caller = { cwd: workingDirectory(), environment: currentEnvironment(), inherited: () => null };
  // What belongs to our parent's arrangement with us (fork's channel, cluster) must not reach the daemon.
  const environment = caller.environment.filter((entry) => !/^NODE_(CHANNEL_|UNIQUE_ID)/.test(entry));
  const argv = [process.execPath, ...process.execArgv, ...ownArguments()];
  const given = { pidfile, name, stdout, stderr, umask, user };
  const cwd = options.cwd === undefined ? null : callersPath(options.cwd, 'cwd', caller.cwd);
  if (cwd !== null) checkDirectory(cwd);
  const spec = buildSpec(argv, given, { ...caller, environment }, process.argv[1]);
  const request: StartRequest = {
    spec,
    named: name !== undefined,
    callerCwd: caller.cwd,
    callerOpenFiles: parentSoftOpenFiles(),
    stateDirectory: StateDirectory.ofUser(process.env).path,
    launchedBy: 'daemonize',
  };
  const order: DaemonOrder = {
    magic: ORDER,
    waitReady: options.waitReady === true,
    pidfile: spec.detach.pidfile,
    cwd,
    stdio: spec.stdio,
  };
  const message = makeMessage(ORDER, order);
  const pipe = makePipe();
  const words = makeUnnamedFile('tsdaemon-stderr');
  const extra = new Map([
    [2, words],
    [ORDER_DESCRIPTOR, message],
    [VERDICT_DESCRIPTOR, pipe.write],
  ]);
  // Where only a copy of this launcher may leave the session, the daemon is the copy's child, and ours when that exits.
  becomeSubreaper();
  const started = startDaemon(request, extra);
  closeSync(pipe.write);
  return awaitVerdict(started, pipe.read, words, options.readyTimeoutMs ?? DEFAULT_READY_TIMEOUT_MS);
}

function checkDirectory(path: string): void {
  try {
    accessSync(encodeBytes(path), constants.X_OK);
    if (!isDirectory(path)) throw Object.assign(new Error(), { code: 'ENOTDIR', syscall: 'chdir' });
  } catch (error) {
    throw systemError(`cannot change to directory ${path}`, error, path);
  }
}

/** The script and its arguments, byte for byte. */
function ownArguments(): string[] {
  try {
    const words = splitNulEnded(readFileSync('/proc/self/cmdline'));
    // The kernel's line has the script as it was typed; argv[1] is the file it turned out to be.
    const own = words.slice(words.length - (process.argv.length - 2));
    // process.title overwrites the memory that the kernel's line is read from.
    const isIntact = own.every((word, index) => toWellFormed(word) === process.argv[index + 2]);
    return isIntact && own.length === process.argv.length - 2
      ? [process.argv[1]!, ...own]
      : process.argv.slice(1);
  } catch {
    // No /proc: Node's view, in which bytes that are not UTF-8 are replaced.
    return process.argv.slice(1);
  }
}

/** What process.argv makes of bytes that are no UTF-8. */
const toWellFormed = (text: string): string => text.replaceAll(/[\udc80-\udcff]/g, '\ufffd');

/** The daemon will want the same port under --inspect. */
function closeInspector(): void {
  if (process.execArgv.some((flag) => flag.startsWith('--inspect')))
    (createRequire(import.meta.url)('node:inspector') as typeof import('node:inspector')).close();
}

/** Does not return: exits as the daemon fares. */
function awaitVerdict(started: StartedDaemon, pipe: number, words: number, timeoutMs: number): never {
  const { pid } = started;
  const word = readWord(pipe, timeoutMs);
  if (word === 'ready') process.exit(0);
  let exitCode = 125;
  if (word === 'timeout') {
    process.kill(pid, 'SIGTERM');
    const GRACE_MS = 2000;
    // The pipe closes when the daemon ends.
    if (readWord(pipe, GRACE_MS) !== 'closed') process.kill(pid, 'SIGKILL');
    reap(pid, true);
  } else exitCode = exitCodeOf(reap(pid, true)) || 1;
  writeSync(2, readUnnamedFile(words));
  const ending =
    word === 'timeout'
      ? `was not ready within ${timeoutMs / 1000} s and was stopped`
      : `ended with exit code ${exitCode} before it was ready`;
  writeSync(2, `${started.record.spec.name}: cannot daemonize: the daemon ${ending}\n`);
  forget(started);
  process.exit(exitCode);
}

/** 'ready' as soon as the daemon says so; 'closed' when it ended without a word. */
function readWord(pipe: number, timeoutMs: number): 'ready' | 'closed' | 'timeout' {
  if (!waitReadable(pipe, timeoutMs)) return 'timeout';
  return readSync(pipe, Buffer.alloc(1)) === 1 ? 'ready' : 'closed';
}

function forget({ pid, record, created }: StartedDaemon): void {
  for (const path of created) {
    if (statSync(encodeBytes(path), { throwIfNoEntry: false })?.size === 0) unlinkSync(encodeBytes(path));
  }
  const { pidfile } = record.spec.detach;
  if (pidfile !== null) removePidfile(pidfile, pid);
  StateDirectory.ofUser(process.env).write({ ...record, phase: 'stopped' });
}

/** The daemon's side. */
function becomeDaemon({ waitReady, pidfile, cwd, stdio }: DaemonOrder): DaemonHandle {
  if (cwd !== null) enterDirectory(cwd);
  keepHangupIgnored();
  const handle = makeHandle(pidfile === null ? null : new LockedPidfile(pidfile), stdio, VERDICT_DESCRIPTOR);
  if (!waitReady) handle.ready();
  return handle;
}

function stayInFront(options: DaemonizeOptions): DaemonHandle {
  const cwd = workingDirectory();
  const pidfile =
    options.pidfile === undefined ? null : canonicalPidfile(callersPath(options.pidfile, 'pidfile', cwd));
  return makeHandle(pidfile === null ? null : new LockedPidfile(pidfile), null, null);
}
