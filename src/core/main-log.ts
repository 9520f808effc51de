// Every message of the supervisor's own log that tells what happened to a process, a listener or the supervisor, in
// the words of supervisord, for people and programs search for them.
import type { LogLevel, MainLogLine } from '../spec/main-log-line.js';
import { repr, reprOfBytes, textOrRepr } from '../spec/python-text.js';
import type { Reach, SignalName } from '../spec/service-spec.js';
import type { Channel } from '../spec/supervisor-event.js';
import type { Ending } from './restart-policy.js';

type Message<Facts extends readonly unknown[]> = (...facts: Facts) => MainLogLine;

const at =
  <Facts extends readonly unknown[]>(level: LogLevel, words: (...facts: Facts) => string): Message<Facts> =>
  (...facts) => ({ level, text: words(...facts) });

// The life of a process.

export const spawned = at('INFO', (name: string, pid: number) => `spawned: '${name}' with pid ${pid}`);
export const spawnError = at('INFO', (reason: string) => `spawnerr: ${reason}`);
export const stayedUp = at(
  'INFO',
  (name: string, seconds: number) =>
    `success: ${name} entered RUNNING state, process has stayed up for > than ${seconds} seconds (startsecs)`,
);
export const reportedReady = at(
  'INFO',
  (name: string) => `success: ${name} entered RUNNING state, process has reported that it is ready`,
);
export const gaveUp = at(
  'INFO',
  (name: string) => `gave up: ${name} entered FATAL state, too many start retries too quickly`,
);
export const killing = at(
  'DEBG',
  (name: string, pid: number, signal: SignalName, reach: Reach) =>
    `killing ${name} (pid ${pid}) ${reach === 'process' ? '' : `process ${reach} `}with signal ${signal}`,
);
export const killingAtLast = at(
  'WARN',
  (name: string, pid: number) => `killing '${name}' (${pid}) with SIGKILL`,
);
export const sending = at(
  'DEBG',
  (name: string, pid: number, signal: SignalName | 0) =>
    `sending ${name} (pid ${pid}) sig ${signal === 0 ? 'signal 0' : signal}`,
);

/** How a process ended, as it stands in parentheses. */
export const endingText = (ending: Ending): string => {
  switch (ending.how) {
    case 'exited':
      return `exit status ${ending.code}`;
    case 'killed':
      return `terminated by ${ending.signal}${ending.dumpedCore ? ' (core dumped)' : ''}`;
    case 'not-spawned':
      return 'not spawned';
    case 'unseen':
      return 'exit status unknown';
  }
};

export const exited = (name: string, ending: string, isExpected: boolean): MainLogLine => ({
  level: isExpected ? 'INFO' : 'WARN',
  text: `exited: ${name} (${ending}; ${isExpected ? 'expected' : 'not expected'})`,
});
export const stopped = (name: string, ending: string, isExpected: boolean): MainLogLine => ({
  level: isExpected ? 'INFO' : 'WARN',
  text: `stopped: ${name} (${ending})`,
});
export const reapedUnknown = at(
  'INFO',
  (pid: number, ending: string) => `reaped unknown pid ${pid} (${ending})`,
);
export const waitingToStop = at('INFO', (name: string) => `waiting for ${name} to stop`);

// The output of a process.

export const output = at(
  'DEBG',
  (name: string, channel: Channel, data: Uint8Array) =>
    `${repr(name)} ${channel} output:\n${textOrRepr(data)}`,
);
export const emittedCommunication = at(
  'DEBG',
  (name: string, channel: Channel) => `${repr(name)} ${channel} emitted a comm event`,
);

// Listeners and their pools.

export const listenerOutput = at(
  'DEBG',
  (name: string, data: Uint8Array) => `${repr(name)} stdout output:\n${reprOfBytes(data)}`,
);
export const listenerMoved = at(
  'DEBG',
  (name: string, from: string, to: string) => `${name}: ${from} -> ${to}`,
);
export const listenerUnknown = at(
  'WARN',
  (name: string) =>
    `${name}: has entered the UNKNOWN state and will no longer receive events, this usually indicates the process ` +
    'violated the eventlistener protocol',
);
export const badResultLine = at(
  'WARN',
  (name: string, line: Uint8Array) => `${name}: bad result line: '${textOrRepr(line)}'`,
);
export const eventProcessed = at('DEBG', (name: string) => `${name}: event was processed`);
export const eventRejected = at('WARN', (name: string) => `${name}: event was rejected`);
export const eventSent = at(
  'DEBG',
  (serial: number, name: string) => `event ${serial} sent to listener ${name}`,
);
export const eventNotSent = at(
  'DEBG',
  (serial: number, name: string) =>
    `epipe occurred while sending event ${serial} to listener ${name}, listener state unchanged`,
);
export const eventRebuffered = at(
  'DEBG',
  (serial: number, pool: string, size: number, max: number) =>
    `rebuffering event ${serial} for pool ${pool} (buf size=${size}, max=${max})`,
);
export const eventDiscarded = at(
  'ERRO',
  (pool: string, serial: number) => `pool ${pool} event buffer overflowed, discarding event ${serial}`,
);

export const listenerSilent = at(
  'WARN',
  (name: string, serial: number) =>
    `${name}: has not answered event ${serial} since the supervisor was killed, and is started again`,
);

// The supervisor itself.

export const daemonizing = at('INFO', () => 'daemonizing the supervisord process');
export const directoryChanged = at('INFO', (path: string) => `set current directory: ${repr(path)}`);
export const started = at('INFO', (pid: number) => `supervisord started with pid ${pid}`);
export const interfaceInitialized = at('INFO', (name: string) => `RPC interface '${name}' initialized`);
export const ranAsRoot = at(
  'CRIT',
  () =>
    'Supervisor is running as root.  Privileges were not dropped because no user is specified in the config file.  ' +
    'If you intend to run as root, you can set user=root in the config file to avoid this message.',
);
export const userChanged = at('INFO', (uid: number) => `Set uid to user ${uid} succeeded`);
export const reloading = at(
  'INFO',
  (name: string, pid: number, signal: SignalName) => `reloading: ${name} (pid ${pid}) with ${signal}`,
);
export const exitsWith = at(
  'CRIT',
  (name: string) => `${name} has ended, and so does its supervisor (exit_on)`,
);
export const waitingToDie = at(
  'INFO',
  (names: readonly string[]) => `waiting for ${names.join(', ')} to die`,
);
export const logReopened = at('INFO', () => 'supervisord logreopen');

/** What a signal makes the supervisor do; `isStopping`: it is on its way out already. */
export function signalReceived(signal: SignalName, isStopping: boolean): MainLogLine {
  switch (signal) {
    case 'SIGTERM':
    case 'SIGINT':
    case 'SIGQUIT':
      return { level: 'WARN', text: `received ${signal} indicating exit request` };
    case 'SIGHUP':
      return isStopping
        ? { level: 'WARN', text: `ignored ${signal} indicating restart request (shutdown in progress)` }
        : { level: 'WARN', text: `received ${signal} indicating restart request` };
    case 'SIGCHLD':
      return { level: 'DEBG', text: `received ${signal} indicating a child quit` };
    case 'SIGUSR2':
      return { level: 'INFO', text: `received ${signal} indicating log reopen request` };
    default:
      return { level: 'BLAT', text: `received ${signal} indicating nothing` };
  }
}
