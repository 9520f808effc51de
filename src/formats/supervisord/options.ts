// supervisord's own options: getopt's rules, and each one a key of [supervisord] that overrides the file's.
import { repr } from '../../spec/python-text.js';
import { getopt } from '../getopt.js';
import type { SupervisordConfig } from './config.js';
import { supervisordKeys, valueTypes } from './directives.js';
import type { ConfigSource } from './source.js';
import { type ConfiguredUser, user, ValueFault, wholePath } from './value-types.js';

type Key = keyof typeof supervisordKeys;

/** Texts as they were typed. */
export type Overrides = Readonly<Partial<Record<Key, string>>>;

export type SupervisordLine =
  | {
      readonly do: 'supervise';
      readonly configFile: string | null;
      readonly overrides: Overrides;
      /** The option by which each was given. */
      readonly spelled: Readonly<Record<string, string>>;
    }
  | { readonly do: 'help' }
  | { readonly do: 'version' }
  /** supervisord's words, without `Error: `. */
  | { readonly do: 'complain'; readonly text: string };

const keyOf: Readonly<Record<string, Key | 'configuration' | 'help' | 'version' | 'ignored'>> = {
  '-c': 'configuration',
  '--configuration': 'configuration',
  '-n': 'nodaemon',
  '--nodaemon': 'nodaemon',
  '-s': 'silent',
  '--silent': 'silent',
  '-h': 'help',
  '-?': 'help',
  '--help': 'help',
  '-v': 'version',
  '--version': 'version',
  '-u': 'user',
  '--user': 'user',
  '-m': 'umask',
  '--umask': 'umask',
  '-d': 'directory',
  '--directory': 'directory',
  '-l': 'logfile',
  '--logfile': 'logfile',
  '-y': 'logfile_maxbytes',
  '--logfile_maxbytes': 'logfile_maxbytes',
  '-z': 'logfile_backups',
  '--logfile_backups': 'logfile_backups',
  '-e': 'loglevel',
  '--loglevel': 'loglevel',
  '-j': 'pidfile',
  '--pidfile': 'pidfile',
  '-i': 'identifier',
  '--identifier': 'identifier',
  '-q': 'childlogdir',
  '--childlogdir': 'childlogdir',
  '-k': 'nocleanup',
  '--nocleanup': 'nocleanup',
  '-a': 'minfds',
  '--minfds': 'minfds',
  '-t': 'strip_ansi',
  '--strip_ansi': 'strip_ansi',
  '--minprocs': 'minprocs',
  '--profile_options': 'ignored',
};

const SWITCHES: readonly string[] = ['nodaemon', 'silent', 'help', 'version', 'nocleanup', 'strip_ansi'];

const table = (prefix: '-' | '--'): Record<string, boolean> =>
  Object.fromEntries(
    Object.entries(keyOf)
      .filter(([option]) => option.startsWith('--') === (prefix === '--'))
      .map(([option, key]) => [option.slice(prefix.length), !SWITCHES.includes(key)]),
  );

export function readSupervisordLine(words: readonly string[]): SupervisordLine {
  const read = getopt(words, { short: table('-'), long: table('--') });
  if (typeof read === 'string') return { do: 'complain', text: read };
  if (read.rest.length > 0) {
    const list = read.rest.map((word) => `'${word}'`).join(', ');
    return { do: 'complain', text: `positional arguments are not supported: [${list}]` };
  }
  let configFile: string | null = null;
  const overrides: Partial<Record<Key, string>> = {};
  const spelled: Record<string, string> = {};
  for (const { name, value } of read.options) {
    const key = keyOf[name]!;
    if (key === 'help' || key === 'version') return { do: key };
    if (key === 'ignored') continue;
    if (Object.hasOwn(spelled, key))
      return { do: 'complain', text: `conflicting command line option ${repr(name)}` };
    spelled[key] = name;
    if (key === 'configuration') configFile = value;
    else overrides[key] = SWITCHES.includes(key) ? 'true' : value;
  }
  return { do: 'supervise', configFile, overrides, spelled };
}

/** What supervisord says of the first value that cannot be used; null: they all can. */
export function overrideFault(
  overrides: Overrides,
  spelled: Readonly<Record<string, string>>,
  source: ConfigSource,
): string | null {
  for (const [key, text] of Object.entries(overrides) as [Key, string][]) {
    try {
      convert(key, text, source);
    } catch (error) {
      if (!(error instanceof ValueFault)) throw error;
      return `invalid value for ${spelled[key]} ${repr(text)}: ${error.message}`;
    }
  }
  return null;
}

/** Returns supervisord's words for a value that cannot be used. */
export function withOverrides(
  config: SupervisordConfig,
  overrides: Overrides,
  source: ConfigSource,
): SupervisordConfig | string {
  const changes: Record<string, unknown> = {};
  try {
    for (const [key, text] of Object.entries(overrides) as [Key, string][])
      changes[key] = convert(key, text, source);
  } catch (error) {
    if (error instanceof ValueFault) return error.message;
    throw error;
  }
  return { ...config, supervisord: { ...config.supervisord, ...changes } };
}

function convert(key: Key, text: string, source: ConfigSource): unknown {
  if (key === 'user') return user(text, source) satisfies ConfiguredUser;
  const read: unknown = valueTypes[supervisordKeys[key].type](text, source);
  const isPath = key === 'pidfile' || (key === 'logfile' && text !== 'syslog');
  return isPath ? wholePath(text, source) : read;
}
