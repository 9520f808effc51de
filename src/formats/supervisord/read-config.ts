import type { SupervisorctlSection, SupervisordConfig } from './config.js';
import { checkDependencies } from './dependencies.js';
import { supervisorctlKeys } from './directives.js';
import { readGroups } from './read-groups.js';
import { readRpcInterfaces, readServers, serverUrlOf } from './read-servers.js';
import { readSupervisordSection, withUser } from './read-supervisord.js';
import { Reading, SectionReader, throwFirst } from './reading.js';
import type { ConfigSource } from './source.js';
import { wholePath } from './value-types.js';

/** Throws a ConfigError for the first mistake, whose message is word for word what supervisord says of it. */
export function readSupervisordConfig(source: ConfigSource): SupervisordConfig {
  const reading = new Reading(source, throwFirst);
  reading.readFiles();
  return interpret(reading);
}

/** What the files that were read mean. In Supervisor's order, which decides about the first mistake. */
export function interpret(reading: Reading): SupervisordConfig {
  const supervisord = readSupervisordSection(reading);
  const rpcInterfaces = readRpcInterfaces(reading);
  const groups = readGroups(reading, supervisord.environment);
  const servers = readServers(reading);
  const withAccount = withUser(supervisord, reading);
  // Ours comes last, so that it does not hide what supervisord would find.
  checkDependencies(reading, groups);
  checkTrust(reading);
  return deepFreeze({
    path: reading.source.path,
    files: [...reading.files],
    supervisord: withAccount,
    servers,
    serverUrl: serverUrlOf(servers),
    rpcInterfaces,
    groups,
    messages: [...reading.messages],
  });
}

/** Whoever can write to a file of root's supervisor is root. */
function checkTrust(reading: Reading): void {
  for (const file of reading.files) {
    const reason = reading.source.lookups.distrust(file);
    if (reason !== null)
      reading.error(`cannot run ${file} as root: ${reason} (TSDAEMON_TRUST_CONFIG=1 does it all the same)`, {
        file,
        line: 1,
      });
  }
}

/** What supervisorctl needs of the same file, and no more. Other than supervisorctl it follows [include]. */
export function readSupervisorctlConfig(source: ConfigSource): SupervisorctlSection {
  const wanted = ['supervisorctl', 'include', 'DEFAULT'];
  const reading = new Reading(source, throwFirst, (section) => wanted.includes(section));
  reading.readFiles();
  if (!reading.ini.sections.has('supervisorctl'))
    reading.error('.ini file does not include supervisorctl section', reading.top);
  return interpretSupervisorctl(reading);
}

export function interpretSupervisorctl(reading: Reading): SupervisorctlSection {
  const plain = new SectionReader(reading, 'supervisorctl', new Map());
  const withHere = new SectionReader(reading, 'supervisorctl', new Map([['here', reading.here]]));
  const url = withHere.get('serverurl', supervisorctlKeys.serverurl);
  const history = withHere.get('history_file', supervisorctlKeys.history_file);
  const { prompt, username, password } = supervisorctlKeys;
  return deepFreeze({
    serverurl: url.startsWith('unix://')
      ? `unix://${wholePath(url.slice('unix://'.length), reading.source)}`
      : url,
    prompt: plain.get('prompt', prompt),
    username: plain.get('username', username),
    password: plain.get('password', password),
    history_file: history === null || history === '' ? null : wholePath(history, reading.source),
  });
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const key in value) deepFreeze(value[key]);
  return Object.freeze(value);
}
