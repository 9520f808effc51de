// [unix_http_server], [inet_http_server] and [rpcinterface:x].

import { strip } from '../../spec/python-text.js';
import { keysOf } from '../ini.js';
import type { HttpServer, InetServer, RpcInterface, UnixServer } from './config.js';
import { inetServerKeys } from './directives.js';
import { type Reading, SectionReader } from './reading.js';
import { findOwner, octal, ValueFault, wholePath } from './value-types.js';

/** Those over TCP first, as Supervisor has them. */
export function readServers(reading: Reading): HttpServer[] {
  const named = (start: string): string[] =>
    [...reading.ini.sections.keys()].filter((name) => name.startsWith(start));
  return [
    ...named('inet_http_server').map((name) => readInetServer(new SectionReader(reading, name, new Map()))),
    ...named('unix_http_server').map((name) => readUnixServer(new SectionReader(reading, name, new Map()))),
  ].filter((server) => server !== null);
}

function readInetServer(section: SectionReader): InetServer | null {
  const credentials = readCredentials(section);
  if (section.written('port') === null) section.error(`section [${section.section}] has no port value`);
  const address = section.get('port', inetServerKeys.port);
  const allow_remote_without_password = section.get(
    'allow_remote_without_password',
    inetServerKeys.allow_remote_without_password,
  );
  if (address === null) return null;
  return {
    family: 'inet',
    section: section.section,
    ...credentials,
    ...address,
    allow_remote_without_password,
  };
}

function readUnixServer(section: SectionReader): UnixServer | null {
  const { source, here } = section.reading;
  const withHere = new SectionReader(section.reading, section.section, new Map([['here', here]]));
  if (section.written('file') === null) section.error(`section [${section.section}] has no file value`);
  const file = withHere.text('file');
  const credentials = readCredentials(section);
  const owner = section.text('chown');
  const found = owner === null ? { uid: -1, gid: -1 } : findOwner(owner, source);
  if (found === null) section.error(`Invalid sockchown value ${owner}`, 'chown');
  const mode = section.text('chmod');
  const bits = mode === null ? 0o700 : octalOrNull(mode);
  if (bits === null) section.error(`Invalid chmod value ${mode}`, 'chmod');
  if (file === null || found === null || bits === null) return null;
  return {
    family: 'unix',
    section: section.section,
    file: wholePath(strip(file), source),
    ...credentials,
    mode: bits,
    owner: found,
  };
}

/** Where the message is another than that of the type. */
export function octalOrNull(text: string): number | null {
  try {
    return octal(text);
  } catch (error) {
    if (error instanceof ValueFault) return null;
    throw error;
  }
}

function readCredentials(section: SectionReader): Pick<HttpServer, 'username' | 'password'> {
  const username = section.text('username');
  const password = section.text('password');
  if ((username === null) !== (password === null))
    section.error(
      `Section [${section.section}] contains incomplete authentication: If a username or a password is specified, ` +
        'both the username and password must be specified',
    );
  return { username, password };
}

/** What SUPERVISOR_SERVER_URL says to programs that have none of their own. */
export function serverUrlOf(servers: readonly HttpServer[]): string | null {
  const unix = servers.find((server) => server.family === 'unix');
  if (unix !== undefined) return `unix://${unix.file}`;
  const inet = servers.findLast((server) => server.family === 'inet');
  return inet === undefined ? null : `http://${inet.host || 'localhost'}:${inet.port}`;
}

/** The one factory there is: ours, under the name that every file gives it. */
const KNOWN_FACTORY = 'supervisor.rpcinterface:make_main_rpcinterface';
const FACTORY = 'supervisor.rpcinterface_factory';

export function readRpcInterfaces(reading: Reading): RpcInterface[] {
  const names = [...reading.ini.sections.keys()].filter((name) => name.startsWith('rpcinterface:'));
  return names.flatMap((name) => {
    const section = new SectionReader(reading, name, new Map());
    const factory = section.text(FACTORY);
    if (section.written(FACTORY) === null) section.error(`section [${name}] does not specify a ${FACTORY}`);
    if (factory === null) return [];
    if (factory !== KNOWN_FACTORY)
      section.error(`${factory} cannot be resolved within [${name}]`, FACTORY, KNOWN_FACTORY);
    const others = keysOf(reading.ini, name).filter((key) => key !== FACTORY);
    const options = Object.fromEntries(others.map((key) => [key, section.text(key) ?? '']));
    return [{ name: name.slice(name.indexOf(':') + 1), factory, options }];
  });
}
