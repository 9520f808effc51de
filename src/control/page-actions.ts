// What the links of the status page do, and the sentence with which the page comes back.
import type { XmlRpcValue } from '../formats/xml-rpc.js';
import type { FaultName } from '../spec/faults.js';
import { RpcError } from './faults.js';
import { invoke, type RpcMethods } from './rpc.js';

/** null: there is no such action. */
export async function performAction(
  methods: RpcMethods,
  action: string,
  namespec: string,
): Promise<string | null> {
  const call = (method: string, ...params: readonly XmlRpcValue[]): Promise<XmlRpcValue> =>
    invoke(methods, { method: `supervisor.${method}`, params });
  if (Object.hasOwn(forAll, action)) {
    const [words, ...names] = forAll[action]!;
    for (const name of names) await call(name);
    return `${words} at ${formatTime(new Date())}`;
  }
  if (!Object.hasOwn(forOne, action) || namespec === '') return null;
  try {
    await call('getProcessInfo', namespec);
  } catch (error) {
    if (faultOf(error) === 'BAD_NAME') return `No such process named ${namespec}`;
    throw error;
  }
  return forOne[action]!(call, namespec);
}

const forAll: Readonly<Record<string, readonly [words: string, ...methods: string[]]>> = {
  refresh: ['Page refreshed'],
  startall: ['All started', 'startAllProcesses'],
  stopall: ['All stopped', 'stopAllProcesses'],
  restartall: ['All restarted', 'stopAllProcesses', 'startAllProcesses'],
};

type Call = (method: string, ...params: readonly XmlRpcValue[]) => Promise<XmlRpcValue>;

const forOne: Readonly<Record<string, (call: Call, namespec: string) => Promise<string>>> = {
  start: (call, namespec) =>
    say(
      call('startProcess', namespec),
      `Process ${namespec} started`,
      (words) => `ERROR: Process ${namespec}: ${words}`,
    ),
  stop: (call, namespec) =>
    say(call('stopProcess', namespec), `Process ${namespec} stopped`, (words) => words),
  clearlog: (call, namespec) =>
    say(call('clearProcessLogs', namespec), `Log for ${namespec} cleared`, (words) => words),
  // As supervisord: whether or not it ran, and whatever became of it, which the page then shows.
  restart: async (call, namespec) => {
    for (const method of ['stopProcess', 'startProcess']) await call(method, namespec).catch(onlyFaults);
    return `Process ${namespec} restarted`;
  },
};

function onlyFaults(error: unknown): void {
  if (!(error instanceof RpcError)) throw error;
}

const faultWords: Readonly<Partial<Record<FaultName, string>>> = {
  NO_FILE: 'no such file',
  NOT_EXECUTABLE: 'file not executable',
  ALREADY_STARTED: 'already started',
  SPAWN_ERROR: 'spawn error',
  ABNORMAL_TERMINATION: 'abnormal termination',
};

async function say(
  done: Promise<unknown>,
  words: string,
  failed: (words: string) => string,
): Promise<string> {
  try {
    await done;
    return words;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const known = faultWords[error.fault];
    return failed(known ?? `unexpected rpc fault [${error.faultCode}] ${error.message}`);
  }
}

const faultOf = (error: unknown): FaultName | null => (error instanceof RpcError ? error.fault : null);

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Sat Nov 21 12:28:56 2026`: C's ctime, in local time. */
export function formatTime(at: Date): string {
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) =>
    String(part).padStart(2, '0'),
  );
  const day = String(at.getDate()).padStart(2, ' ');
  return `${days[at.getDay()]} ${months[at.getMonth()]} ${day} ${clock.join(':')} ${at.getFullYear()}`;
}
