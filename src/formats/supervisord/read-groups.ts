// Which processes belong together: [group:x], programs by themselves, pools of listeners, fcgi programs.

import { eventTypes } from '../../spec/event-types.js';
import { byText } from '../../spec/python-text.js';
import { isAbsolute, normalizePath } from '../posix-path.js';
import type { FcgiGroup, FcgiSocket, GroupConfig, ListenerPool } from './config.js';
import { fcgiKeys, groupKeys, listenerKeys, programKeys } from './directives.js';
import { nameOfSection, readProcesses } from './read-programs.js';
import { octalOrNull } from './read-servers.js';
import { type Reading, type Scope, SectionReader } from './reading.js';
import { findOwner, type Owner, port, user, wholePath } from './value-types.js';

/** `common` is the environment of [supervisord]. Sorted by priority and name. */
export function readGroups(reading: Reading, common: readonly string[]): GroupConfig[] {
  const claimed = new Set<string>();
  const all = [...reading.ini.sections.keys()];
  const startingWith = (prefix: string): string[] => all.filter((name) => name.startsWith(prefix));
  const free = (prefix: string): string[] => startingWith(prefix).filter((name) => !claimed.has(name));
  const groups = [
    ...startingWith('group:').map((name) => readGroup(reading, name, common, claimed)),
    ...free('program:').map((name) => readLoneProgram(reading, name, common)),
    ...startingWith('eventlistener:').map((name) => readPool(reading, name, common)),
    ...free('fcgi-program:').map((name) => readFcgiGroup(reading, name, common)),
  ];
  return groups
    .filter((group) => group !== null)
    .sort((a, b) => a.priority - b.priority || byText(a.name, b.name));
}

const hereScope = (reading: Reading): Scope => new Map([['here', reading.here]]);

function readGroup(
  reading: Reading,
  name: string,
  common: readonly string[],
  claimed: Set<string>,
): GroupConfig | null {
  const group = nameOfSection(reading, name);
  const section = new SectionReader(reading, name, hereScope(reading));
  const { programs, priority } = section.getAll(groupKeys);
  const members = programs.flatMap((program) => {
    const candidates = [`program:${program}`, `fcgi-program:${program}`];
    const [member, other] = candidates.filter((candidate) => reading.ini.sections.has(candidate));
    if (member === undefined) {
      section.error(`[${name}] names unknown program or fcgi-program ${program}`, 'programs');
      return [];
    }
    if (other !== undefined)
      section.error(
        `[${name}] name ${program} is ambiguous (exists as program and fcgi-program)`,
        'programs',
      );
    claimed.add(member);
    return group === null ? [] : readProcesses(reading, member, group, common);
  });
  return group === null ? null : { kind: 'programs', name: group, priority, processes: members };
}

function readLoneProgram(reading: Reading, name: string, common: readonly string[]): GroupConfig | null {
  const group = nameOfSection(reading, name);
  if (group === null) return null;
  const section = new SectionReader(reading, name, hereScope(reading));
  const priority = section.get('priority', programKeys.priority);
  return { kind: 'programs', name: group, priority, processes: readProcesses(reading, name, group, common) };
}

function readPool(reading: Reading, name: string, common: readonly string[]): ListenerPool {
  const group = name.slice(name.indexOf(':') + 1);
  const section = new SectionReader(reading, name, hereScope(reading));
  const priority = section.get('priority', listenerKeys.priority);
  const size = section.get('buffer_size', listenerKeys.buffer_size);
  if (size < 1) section.error(`[${name}] section sets invalid buffer_size (${size})`, 'buffer_size');
  const handler = section.get('result_handler', listenerKeys.result_handler);
  const { default: known } = listenerKeys.result_handler;
  if (handler !== known)
    section.error(`${handler} cannot be resolved within [${name}]`, 'result_handler', known);
  const events = [...new Set(section.get('events', listenerKeys.events).map((event) => event.toUpperCase()))];
  if (events.length === 0) section.error(`[${name}] section requires an "events" line`, 'events');
  for (const event of events.filter((one) => !(eventTypes as readonly string[]).includes(one)))
    section.error(`Unknown event type ${event} in [${name}] events`, 'events');
  if (section.get('redirect_stderr', programKeys.redirect_stderr))
    section.error(
      `[${name}] section sets redirect_stderr=true but this is not allowed because it will interfere with the ` +
        'eventlistener protocol',
      'redirect_stderr',
    );
  const processes = readProcesses(reading, name, group, common);
  return {
    kind: 'eventlisteners',
    name: group,
    priority,
    processes,
    buffer_size: size,
    events: events.sort(byText),
  };
}

function readFcgiGroup(reading: Reading, name: string, common: readonly string[]): FcgiGroup | null {
  const group = nameOfSection(reading, name);
  if (group === null) return null;
  const section = new SectionReader(reading, name, hereScope(reading));
  const priority = section.get('priority', programKeys.priority);
  const socket = readSocket(section, group);
  const processes = readProcesses(reading, name, group, common);
  return socket === null ? null : { kind: 'fcgi', name: group, priority, processes, socket };
}

function readSocket(section: SectionReader, program: string): FcgiSocket | null {
  const { reading, section: name } = section;
  const { source } = reading;
  const userName = section.text('user');
  const runsAs = userName === null ? null : section.convert(() => user(userName, source), 'user');
  const backlog = section.get('socket_backlog', fcgiKeys.socket_backlog);
  if (backlog !== null && (backlog < 1 || backlog > 65_535))
    section.error(`Invalid socket_backlog value ${backlog}`, 'socket_backlog');
  const ownerText = section.text('socket_owner');
  const owner = ownerText === null ? null : findOwner(ownerText, source);
  if (ownerText !== null && owner === null)
    section.error(`Invalid socket_owner value ${ownerText}`, 'socket_owner');
  const modeText = section.text('socket_mode');
  const mode = modeText === null ? null : octalOrNull(modeText);
  if (modeText !== null && mode === null)
    section.error(`Invalid socket_mode value ${modeText}`, 'socket_mode');
  const scope = new Map(section.scope).set('program_name', program);
  const address = new SectionReader(reading, name, scope).text('socket');
  if (section.written('socket') === null || address === '')
    section.error(`[${name}] section requires a "socket" line`);
  if (address === null || address === '') return null;
  const wrong = (message: string): null => {
    section.error(`${message} in [${name}] socket`, 'socket');
    return null;
  };
  if (address.startsWith('unix://')) {
    const path = address.slice('unix://'.length);
    if (!isAbsolute(path)) return wrong(`Unix socket path ${path} is not an absolute path`);
    const fallback = runsAs === null || runsAs.uid === source.host.uid ? null : ownerOf(runsAs.uid, section);
    return {
      family: 'unix',
      path: wholePath(normalizePath(path), source),
      mode: mode ?? 0o700,
      owner: owner ?? fallback,
      backlog,
    };
  }
  if (ownerText !== null || modeText !== null)
    return wrong('socket_owner and socket_mode params should only be used with a Unix domain socket');
  const match = /^tcp:\/\/([^\s:]+):(\d+)$/.exec(address);
  if (match === null) return wrong(`Bad socket format ${address}`);
  const number = section.reading.convert(
    () => port(match[2]!),
    section.placeOf('socket'),
    ` in [${name}] socket`,
  );
  return number === null ? null : { family: 'inet', host: match[1]!.toLowerCase(), port: number, backlog };
}

function ownerOf(uid: number, { reading }: SectionReader): Owner | null {
  const account = reading.source.lookups.user(uid);
  return account === null ? null : { uid, gid: account.gid };
}
