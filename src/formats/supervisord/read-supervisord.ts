import { formatText } from '../python-format.js';
import type { SupervisordSection } from './config.js';
import { supervisordKeys } from './directives.js';
import { type Reading, SectionReader } from './reading.js';
import { existingDirectory, pairs, user, wholePath } from './value-types.js';

/** [supervisord]; its environment is known to every section from here on. */
export function readSupervisordSection(reading: Reading): SupervisordSection {
  const { source } = reading;
  if (!reading.ini.sections.has('supervisord'))
    reading.error('.ini file does not include supervisord section', reading.top);
  const section = new SectionReader(reading, 'supervisord', new Map([['here', reading.here]]));
  const { environment: _, ...keys } = supervisordKeys;
  const values = section.getAll(keys);
  const tempDirectory = (): string => existingDirectory(source.host.tempDirectory, source);
  const childlogdir = values.childlogdir ?? section.convert(tempDirectory, 'childlogdir');
  return {
    ...values,
    childlogdir: childlogdir ?? source.host.tempDirectory,
    environment: readEnvironment(section),
    logfile: values.logfile === 'syslog' ? values.logfile : wholePath(values.logfile, source),
    pidfile: wholePath(values.pidfile, source),
    user: null,
  };
}

/** Supervisor looks for the user last of all. */
export function withUser(config: SupervisordSection, reading: Reading): SupervisordSection {
  const section = new SectionReader(reading, 'supervisord', new Map([['here', reading.here]]));
  if (section.written('user') === null) return config;
  const name = section.text('user');
  return {
    ...config,
    user: name === null ? null : section.convert(() => user(name, reading.source), 'user'),
  };
}

function readEnvironment(section: SectionReader): readonly string[] {
  const { reading } = section;
  section.scope.set('host_node_name', reading.source.host.nodeName);
  const once = section.text('environment') ?? '';
  // Supervisor expands it twice, so that %% fails there. What fails the second time is what was meant here.
  const twice = formatText(once, [section.scope, reading.environment], 'environment');
  const text = 'text' in twice ? twice.text : once;
  const found = section.convert(() => pairs(text), 'environment') ?? new Map<string, string>();
  for (const [name, value] of found) reading.environment.set(`ENV_${name}`, value);
  return [...found].map(([name, value]) => `${name}=${value}`);
}
