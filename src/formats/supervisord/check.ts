// Every mistake in a configuration, and what is allowed but hardly meant. Nothing is started.
import type { Diagnostic } from '../../errors.js';
import { isLoopbackHost } from '../../spec/loopback-host.js';
import { findValue, keysOf } from '../ini.js';
import { absolutePath } from '../posix-path.js';
import { splitShellWords } from '../shlex.js';
import { suggest } from '../suggest.js';
import type { GroupConfig, ProcessConfig, SupervisordConfig } from './config.js';
import type { DirectiveTable } from './directives.js';
import { interpret, interpretSupervisorctl } from './read-config.js';
import { Reading, Unparsable } from './reading.js';
import { sections } from './sections.js';
import type { ConfigSource } from './source.js';

/** In the order of files and lines; each once. */
export function checkSupervisordConfig(source: ConfigSource): readonly Diagnostic[] {
  const found = new Map<string, Diagnostic>();
  const reading = new Reading(source, (diagnostic) => found.set(JSON.stringify(diagnostic), diagnostic));
  try {
    reading.readFiles();
    const config = interpret(reading);
    if (reading.ini.sections.has('supervisorctl')) interpretSupervisorctl(reading);
    checkNames(reading);
    checkTexts(reading);
    checkPython(reading);
    checkGroups(reading, config.groups);
    checkLogs(
      reading,
      config.groups.flatMap((group) => group.processes),
    );
    checkServers(reading, config);
  } catch (error) {
    if (!(error instanceof Unparsable)) throw error;
  }
  const order = (file: string): number => reading.files.indexOf(file);
  return [...found.values()].sort((a, b) => order(a.file) - order(b.file) || a.line - b.line);
}

function checkNames(reading: Reading): void {
  for (const name of reading.ini.sections.keys()) {
    const [kind, ...rest] = name.split(':') as [string, ...string[]];
    const known = sections[kind];
    if (known === undefined) {
      const meant = suggest(kind, Object.keys(sections));
      const suggestion = meant === null ? null : `[${[meant, ...rest].join(':')}]`;
      reading.warning(`unknown section [${name}]`, reading.sectionPlace(name), suggestion);
    } else if (known.named === 'always' && rest.length === 0)
      reading.warning(
        `section [${name}] is not used: it has no name`,
        reading.sectionPlace(name),
        `[${kind}:NAME]`,
      );
    else if (known.named === 'never' && rest.length > 0)
      reading.warning(`unknown section [${name}]`, reading.sectionPlace(name), `[${kind}]`);
    else if (known.keys !== 'anything') checkKeys(reading, name, known.keys);
  }
  for (const { section, key, file, line } of reading.ini.repeated)
    reading.warning(`${key} is written twice in [${section}], and the last one counts`, { file, line });
}

function checkKeys(reading: Reading, section: string, table: DirectiveTable): void {
  for (const [key, value] of reading.ini.sections.get(section)!.values) {
    if (Object.hasOwn(table, key)) continue;
    reading.warning(`unknown key ${key} in [${section}]`, value, suggest(key, Object.keys(table)));
  }
}

/** By which keys a section names code of its own, that supervisord would load. */
const pythonKeys: Readonly<Record<string, string>> = {
  eventlistener: 'result_handler',
  rpcinterface: 'supervisor.rpcinterface_factory',
  ctlplugin: 'supervisor.ctl_factory',
};

/** That supervisord could resolve it is no help here, so the error alone would puzzle. */
function checkPython(reading: Reading): void {
  for (const section of reading.ini.sections.keys()) {
    const key = pythonKeys[section.split(':')[0]!];
    const value = key === undefined ? null : findValue(reading.ini, section, key);
    if (value === null || /^supervisor\.(?:dispatchers|rpcinterface):/.test(value.text)) continue;
    reading.warning(`${key} of [${section}] names Python code, and there is no Python in here`, value);
  }
}

/** A conversion without a name, which shows the whole environment. */
const NAMELESS = /^(?:[^%]|%%|%\()*%[-+ #0-9.]*[hlL]?[sra]/;

function checkTexts(reading: Reading): void {
  for (const section of reading.ini.sections.keys())
    for (const key of keysOf(reading.ini, section)) {
      const value = findValue(reading.ini, section, key)!;
      const split = splitShellWords(value.text);
      if (value.comment !== null && 'fault' in split)
        reading.warning(
          `${key} ends within quotes: a blank and ${value.comment[0]} begin a comment, which cut off '${value.comment}'`,
          value,
        );
      if (NAMELESS.test(value.text))
        reading.warning(
          `${key} has a % without a name, which shows all variables`,
          value,
          '%% for a percent sign',
        );
    }
}

function checkGroups(reading: Reading, groups: readonly GroupConfig[]): void {
  const groupNames = new Set<string>();
  const owners = new Map<string, string>();
  for (const group of groups) {
    const place = reading.sectionPlace(group.processes[0]?.section ?? '');
    if (groupNames.has(group.name))
      reading.warning(`there is another group ${group.name}: only the first will be started`, place);
    groupNames.add(group.name);
    const names = new Set<string>();
    for (const instance of group.processes) {
      if (names.has(instance.name))
        reading.error(
          `there is another process ${instance.name} in group ${group.name}`,
          reading.placeOfKey(instance.section, 'process_name'),
        );
      names.add(instance.name);
      checkProcess(reading, instance, owners.get(instance.section) ?? group.name);
      if (group.kind === 'programs' && instance.section.startsWith('fcgi-program:'))
        reading.warning(`[${instance.section}] has no socket as a member of a group`, instance);
      owners.set(instance.section, owners.get(instance.section) ?? group.name);
    }
  }
}

function checkProcess(reading: Reading, instance: ProcessConfig, firstGroup: string): void {
  const { section, directory, commandFault } = instance;
  if (commandFault !== null) reading.error(commandFault, reading.placeOfKey(section, 'command'));
  if (firstGroup !== instance.group)
    reading.warning(
      `[${section}] runs twice: in group ${firstGroup} and in group ${instance.group}`,
      instance,
    );
  if (directory !== null && !reading.source.lookups.isDirectory(absolutePath(directory, reading.source.cwd)))
    reading.warning(`${directory} is not an existing directory`, reading.placeOfKey(section, 'directory'));
}

/** Streams and terminals cannot be renamed and begun again. */
const UNSEEKABLE = /^\/(?:dev\/(?:std(?:out|err)|fd\/\d+|tty|console)|proc\/(?:self|1)\/fd\/\d+)$/;

function checkLogs(reading: Reading, processes: readonly ProcessConfig[]): void {
  const users = new Map<string, string>();
  for (const instance of processes)
    for (const channel of ['stdout', 'stderr'] as const) {
      const log = instance[`${channel}_logfile`];
      if (log.kind !== 'file' || instance[`${channel}_logfile_maxbytes`] === 0) continue;
      const place = reading.placeOfKey(instance.section, `${channel}_logfile`);
      const suggestion = `${channel}_logfile_maxbytes=0`;
      if (UNSEEKABLE.test(log.path)) reading.warning(`${log.path} cannot be rotated`, place, suggestion);
      else if (users.has(log.path))
        reading.warning(`${log.path} is rotated by ${users.get(log.path)} too`, place, suggestion);
      else users.set(log.path, `${instance.name} (${channel})`);
    }
}

function checkServers(reading: Reading, { servers, rpcInterfaces }: SupervisordConfig): void {
  if (servers.length > 0 && rpcInterfaces.length === 0)
    reading.warning(
      'no client can do anything without [rpcinterface:supervisor]',
      reading.sectionPlace(servers[0]!.section),
      'supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface',
    );
  for (const server of servers)
    if (
      server.family === 'inet' &&
      server.password === null &&
      !server.allow_remote_without_password &&
      !isLoopbackHost(server.host)
    )
      reading.warning(
        `[${server.section}] listens on 127.0.0.1:${server.port} only, not on ${server.host || '*'}: it has no password, ` +
          'nor allow_remote_without_password=true',
        reading.placeOfKey(server.section, 'port'),
        `port=127.0.0.1:${server.port}`,
      );
}
