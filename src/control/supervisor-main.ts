// The process behind dist/supervisor.cjs: reads its order, becomes what the configuration says, and supervises until it
// is told to end. In between it does nothing but answer.
import * as messages from '../core/main-log.js';
import { ConfigError, errnoNameOf, reasonOf, TsdaemonError } from '../errors.js';
import type { HttpServer as ServerConfig, SupervisordConfig } from '../formats/supervisord/config.js';
import { becomeSubreaper, onChildEnd } from '../os/children.js';
import { becomeForGood, findAccount } from '../os/credentials.js';
import { closeDescriptor, duplicate, keepOnExec, writeText } from '../os/descriptors.js';
import { HeldSignals } from '../os/held-signals.js';
import { exec, exitNow } from '../os/invoke.js';
import { raiseLimit } from '../os/limits.js';
import { makeMessage, readMessage } from '../os/message.js';
import { removePidfile, writePidfile } from '../os/pidfile.js';
import { setDisposition } from '../os/signals.js';
import { AddedPrograms } from '../runtime/added-programs.js';
import { removeOldAutoLogs } from '../runtime/auto-logs.js';
import { loadSupervisordConfig } from '../runtime/load-supervisord-config.js';
import { MainLog } from '../runtime/main-log.js';
import {
  UPGRADE_SIGNAL,
  WATCH_ORDER_DESCRIPTOR,
  WATCH_VERDICT_DESCRIPTOR,
} from '../runtime/start-request.js';
import {
  type SuperviseOrder,
  type SuperviseVerdict,
  supervisorCommand,
  supervisorEnvironment,
} from '../runtime/supervise-order.js';
import { SupervisorDaemon } from '../runtime/supervisor-daemon.js';
import { readLeft, type SupervisorMemory } from '../runtime/supervisor-memory.js';
import { type LogLevel, logLevels, type MainLogLine } from '../spec/main-log-line.js';
import { type HttpLog, HttpServer } from './http-server.js';
import { splitNamespec } from './process-info.js';
import { withSystemMethods } from './rpc.js';
import { makeSupervisorHandler } from './supervisor-handler.js';
import { supervisorNamespace } from './supervisor-namespace.js';
import { tsdaemonNamespace } from './tsdaemon-namespace.js';

const order = readMessage(WATCH_ORDER_DESCRIPTOR) as SuperviseOrder;

/** An exchange in place is no moment at which a supervisor could be told to reload in vain, let alone end of it. */
const heldSignals =
  order.memory === undefined
    ? null
    : new HeldSignals(['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR2', UPGRADE_SIGNAL]);

/** As soon as there is one. */
let openLog: MainLog | null = null;

async function main(): Promise<void> {
  const config = order.kept ?? loadSupervisordConfig(order.place);
  const { supervisord } = config;
  const notes = becomeWhatIsAsked(config);
  const mainLog = new MainLog({
    path: supervisord.logfile === 'syslog' ? null : supervisord.logfile,
    maxBytes: supervisord.logfile_maxbytes === 0 ? null : supervisord.logfile_maxbytes,
    backups: supervisord.logfile_backups,
    level: levelNamed(supervisord.loglevel),
    toStdout: order.isForeground && !supervisord.silent,
    toSyslog: supervisord.logfile === 'syslog',
  });
  openLog = mainLog;
  const first = [...config.messages.map(asLine), ...notes];
  for (const level of ['CRIT', 'WARN', 'INFO'])
    for (const line of first.filter((each) => each.level === level)) mainLog.write(line);
  const left = order.memory ?? readLeft(order.folder, config);
  if (left !== null && 'heldBy' in left)
    throw new ConfigError(`Another supervisor runs with this configuration: process ${left.heldBy}`, []);
  if (!supervisord.nocleanup) removeOldAutoLogs(supervisord, autoLogsOf(left));

  const servers: HttpServer[] = [];
  const daemon = new SupervisorDaemon({
    config,
    reload: () => loadSupervisordConfig(order.place),
    about: {
      identifier: supervisord.identifier,
      place: order.place,
      mainLog: mainLog.path,
      exchanges: order.exchanges ?? 0,
    },
    inherited: order.inherited,
    folder: order.folder,
    mainLog,
    exchange: (memory) => exchange(memory, daemon),
    over: (exitCode) => end(exitCode, supervisord.pidfile, servers),
  });
  if (left === null) daemon.sockets.openAll(config.groups);
  servers.push(...(await openServers(config, daemon)));
  listen(daemon, mainLog);
  heldSignals?.release();
  if (order.memory === undefined) writeOwnPidfile(supervisord.pidfile, daemon);
  if (!order.isForeground && order.memory === undefined) {
    daemon.log(messages.daemonizing());
    if (supervisord.directory !== null) daemon.log(messages.directoryChanged(supervisord.directory));
  }
  daemon.log(messages.started(process.pid));
  tell({ failure: null });
  await daemon.begin(
    left,
    order.memory === undefined ? 'start' : order.kept === undefined ? 'reload' : 'upgrade',
  );
}

/** Privileges and limits, before anything is opened. Returns what the log is to say about it. */
function becomeWhatIsAsked({ supervisord }: SupervisordConfig): MainLogLine[] {
  const notes: MainLogLine[] = [];
  if (supervisord.user !== null && supervisord.user.uid !== process.getuid!()) {
    if (process.getuid!() !== 0) throw new ConfigError("Can't drop privilege as nonroot user", []);
    becomeForGood(findAccount({ user: supervisord.user.name, group: null }));
    notes.push(messages.userChanged(supervisord.user.uid));
  } else if (process.getuid!() === 0 && supervisord.user === null) notes.push(messages.ranAsRoot());
  raiseLimit('nofile', supervisord.minfds);
  raiseLimit('nproc', supervisord.minprocs);
  return notes;
}

const asLine = ({ level, text }: SupervisordConfig['messages'][number]): MainLogLine => ({
  level: level === 'warn' ? 'WARN' : 'INFO',
  text,
});

function levelNamed(name: string): LogLevel {
  return (Object.entries(logLevels).find(([, word]) => word === name)?.[0] ?? 'INFO') as LogLevel;
}

function autoLogsOf(left: SupervisorMemory | null): Set<string> {
  const paths = Object.values(left?.processes ?? {}).flatMap(({ autoLogs }) => [
    autoLogs.stdout,
    autoLogs.stderr,
  ]);
  return new Set(paths.filter((path) => path !== null));
}

async function openServers(config: SupervisordConfig, daemon: SupervisorDaemon): Promise<HttpServer[]> {
  const methods = withSystemMethods(
    new Map([
      ...supervisorNamespace(daemon),
      ...tsdaemonNamespace(daemon, new AddedPrograms(daemon, order.place, order.place.addedFile!)),
    ]),
  );
  const log: HttpLog = (level, text) => daemon.log({ level: levelNamed(level), text });
  const handler = makeSupervisorHandler({
    methods,
    logs: {
      processLog: (namespec, channel) => {
        const { group, process: name } = splitNamespec(namespec);
        const found = name === null ? null : daemon.supervisor.process(`${group}:${name}`);
        return found === null ? null : daemon.outputs.of(found.id).path(channel);
      },
      mainLog: () => daemon.mainLogFile,
    },
    log,
  });
  const servers: HttpServer[] = [];
  const connectionsMax = connectionsFor(config);
  for (const server of config.servers) {
    const { username, password } = server;
    const credentials = username === null || password === null ? null : { username, password };
    const { section } = server;
    daemon.log(messages.interfaceInitialized('supervisor'));
    const allowOpenPort = server.family === 'inet' && server.allow_remote_without_password;
    const options = { credentials, handler, log, section, connectionsMax, allowOpenPort };
    servers.push(await HttpServer.listen(addressOf(server), options));
  }
  return servers;
}

/** A quarter of the descriptors that we are sure to have: those that programs need stay free, whoever connects. */
const connectionsFor = ({ servers, supervisord }: SupervisordConfig): number =>
  Math.max(16, Math.min(512, Math.floor(supervisord.minfds / 4 / servers.length)));

function addressOf(server: ServerConfig): Parameters<typeof HttpServer.listen>[0] {
  return server.family === 'unix'
    ? { kind: 'unix', path: server.file, mode: server.mode, owner: server.owner }
    : { kind: 'inet', host: server.host, port: server.port };
}

function listen(daemon: SupervisorDaemon, mainLog: MainLog): void {
  becomeSubreaper();
  // Before the children are looked at, for what follows from it.
  if (mainLog.has('DEBG'))
    process.on('SIGCHLD', () => daemon.log(messages.signalReceived('SIGCHLD', daemon.isEnding)));
  onChildEnd((pid, end) => daemon.childEnded(pid, end));
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)
    process.on(signal, () => {
      daemon.log(messages.signalReceived(signal, daemon.isEnding));
      daemon.shutDown();
    });
  process.on('SIGHUP', () => {
    daemon.log(messages.signalReceived('SIGHUP', daemon.isEnding));
    if (daemon.isEnding) return;
    const problem = daemon.restart();
    if (problem !== null) daemon.log({ level: 'CRIT', text: `cannot restart: ${problem}` });
  });
  // The code alone: what is active stays so, whatever the file says now.
  process.on(UPGRADE_SIGNAL, () => {
    if (daemon.isEnding) return;
    const memory = daemon.memory();
    exchange(memory, daemon, { ...memory.config, groups: memory.groups });
  });
  process.on('SIGUSR2', () => {
    daemon.log(messages.signalReceived('SIGUSR2', daemon.isEnding));
    daemon.reopenLogs();
  });
  setDisposition('SIGPIPE', 'ignore');
  // Nothing else keeps the loop alive while the programs run: their ends arrive as signals.
  setInterval(() => undefined, 2 ** 31 - 1);
}

function writeOwnPidfile(path: string, daemon: SupervisorDaemon): void {
  try {
    writePidfile(path, process.pid);
  } catch (error) {
    if (!(error instanceof TsdaemonError) && errnoNameOf(error) === null) throw error;
    daemon.log({ level: 'CRIT', text: `could not write pidfile ${path}` });
  }
}

/** Becomes the supervisor.cjs that is installed now, in place: same pid, and the programs stay its children. */
function exchange(memory: SupervisorMemory, daemon: SupervisorDaemon, kept?: SupervisordConfig): void {
  const exchanges = (order.exchanges ?? 0) + 1;
  const { kept: _, ...rest } = order;
  const next: SuperviseOrder = { ...rest, memory, exchanges, ...(kept === undefined ? {} : { kept }) };
  const message = makeMessage('tsdaemon-supervise', next);
  try {
    exec(
      { candidates: [process.execPath], argv: supervisorCommand(), env: supervisorEnvironment(order.place) },
      () => {
        duplicate(message, WATCH_ORDER_DESCRIPTOR);
        for (const kept of [0, 1, 2, ...Object.values(memory.sockets)]) keepOnExec(kept);
      },
    );
  } catch (error) {
    // The old code still runs, and goes on.
    daemon.complain('cannot exchange the supervisor', error);
    closeDescriptor(message);
  }
}

function end(exitCode: number, pidfile: string, servers: readonly HttpServer[]): void {
  for (const server of servers) server.close();
  try {
    removePidfile(pidfile, process.pid);
  } catch {
    // It is gone, or in a directory that has changed hands: nobody is left to tell.
  }
  exitNow(exitCode);
}

let isTold = false;

function tell(verdict: SuperviseVerdict): void {
  if (isTold || order.memory !== undefined) return;
  isTold = true;
  if (order.isForeground) {
    if (verdict.failure !== null) writeText(2, verdict.failure);
    return;
  }
  writeText(WATCH_VERDICT_DESCRIPTOR, JSON.stringify(verdict));
  closeDescriptor(WATCH_VERDICT_DESCRIPTOR);
}

main().catch((error: unknown) => {
  const reason = reasonOf(error);
  // Nobody waits for a verdict any more: it must not be silent in the end.
  if (isTold || order.memory !== undefined) openLog?.write({ level: 'CRIT', text: reason });
  tell({ failure: `Error: ${reason}\nFor help, use tsdaemon supervise -h\n` });
  exitNow(2);
});
