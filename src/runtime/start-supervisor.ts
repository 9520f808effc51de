// Starts a supervisor: detached, as a daemon of our own kind that `list`, `status` and `stop` know; or in the
// foreground, as what this very process becomes.
import { join } from 'node:path';
import { ConfigError } from '../errors.js';
import type { SupervisordConfig } from '../formats/supervisord/config.js';
import { closeDescriptor, duplicate, keepOnExec, makePipe } from '../os/descriptors.js';
import { exec, reap } from '../os/invoke.js';
import { makeMessage, readToEnd } from '../os/message.js';
import { setDisposition } from '../os/signals.js';
import { noRestart, type ServiceSpec, watchNothing } from '../spec/service-spec.js';
import { addedFileIn } from './added-programs.js';
import { readAddedFile } from './load-supervisord-config.js';
import { startDaemon } from './start-daemon.js';
import { type StartedDaemon, WATCH_ORDER_DESCRIPTOR, WATCH_VERDICT_DESCRIPTOR } from './start-request.js';
import {
  type SuperviseOrder,
  type SuperviseVerdict,
  supervisorCommand,
  supervisorEnvironment,
} from './supervise-order.js';

export interface SupervisorStart {
  readonly config: SupervisordConfig;
  readonly order: Omit<SuperviseOrder, 'isForeground' | 'folder'>;
  readonly stateDirectory: string;
}

/** Becomes the supervisor. */
export function superviseHere(start: SupervisorStart): never {
  const message = makeMessage('tsdaemon-supervise', orderOf(start, true));
  setDisposition('SIGHUP', 'default');
  exec(
    {
      candidates: [process.execPath],
      argv: supervisorCommand(),
      env: supervisorEnvironment(start.order.place),
    },
    () => {
      duplicate(message, WATCH_ORDER_DESCRIPTOR);
      for (const standard of [0, 1, 2]) keepOnExec(standard);
    },
  );
}

/** Returns when the supervisor has read its configuration and opened its sockets. Throws ConfigError if it could not. */
export function superviseDetached(start: SupervisorStart): StartedDaemon {
  const pipe = makePipe();
  const message = makeMessage('tsdaemon-supervise', orderOf(start, false));
  const { order, stateDirectory } = start;
  const started = startDaemon(
    {
      spec: supervisorSpec(start),
      named: false,
      callerCwd: order.place.cwd,
      callerOpenFiles: order.inherited.openFiles,
      stateDirectory,
      launchedBy: 'supervise',
    },
    new Map([
      [WATCH_ORDER_DESCRIPTOR, message],
      [WATCH_VERDICT_DESCRIPTOR, pipe.write],
    ]),
  );
  closeDescriptor(message);
  closeDescriptor(pipe.write);
  const text = readToEnd(pipe.read).toString();
  const { failure } = (
    text === '' ? { failure: 'it ended without a word' } : JSON.parse(text)
  ) as SuperviseVerdict;
  if (failure === null) return started;
  reap(started.pid, true);
  throw new ConfigError(failure, []);
}

function orderOf({ order, config, stateDirectory }: SupervisorStart, isForeground: boolean): SuperviseOrder {
  const key = `${order.place.file} ${config.supervisord.identifier}`;
  const folder = join(stateDirectory, 'supervisors', folderName(key));
  const addedFile = addedFileIn(folder);
  const { kept, ...rest } = order;
  // What was added at run time is in no file that was read here.
  const isWhole = kept !== undefined && readAddedFile(addedFile).length === 0;
  return {
    ...rest,
    ...(isWhole ? { kept } : {}),
    isForeground,
    folder,
    place: { ...order.place, addedFile },
  };
}

/** Readable, and another one for every configuration. */
function folderName(key: string): string {
  let hash = 0n;
  for (const byte of Buffer.from(key)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return `${key.replace(/^.*\//, '').replace(/[^A-Za-z0-9.-]+/g, '_')}-${hash.toString(16)}`;
}

function supervisorSpec(start: SupervisorStart): ServiceSpec {
  const { supervisord } = start.config;
  const never = { kind: 'file', path: '/dev/null', open: 'append', rotation: null, lines: null } as const;
  return {
    name: supervisord.identifier,
    command: {
      argv: supervisorCommand(),
      cwd: '/',
      env: supervisorEnvironment(start.order.place),
      umask: start.order.inherited.umask,
      nice: null,
      limits: [],
    },
    user: null,
    stdio: { stdout: never, stderr: 'as-stdout' },
    detach: { pidfile: supervisord.pidfile, hangup: 'default', keepFds: [], watchdogPidfile: null },
    start: { auto: true, readiness: 'exec', stayUpMs: 0, timeoutMs: null },
    restart: noRestart,
    // Its programs have graces of their own, and it ends when the last one has.
    stop: { signal: 'SIGTERM', graceMs: null, reach: 'process', killReach: 'process', leftovers: 'spare' },
    abort: { signal: 'SIGABRT', graceMs: null },
    heartbeat: null,
    watch: watchNothing,
  };
}
