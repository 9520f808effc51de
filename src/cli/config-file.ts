// Which supervisord.conf a verb is about.
import { ConfigError } from '../errors.js';
import { nothingFound, searchPaths } from '../formats/supervisord/discovery.js';
import { findSupervisordConfig } from '../runtime/load-supervisord-config.js';
import { text } from './context.js';
import type { ParsedCommand } from './parse-plain.js';

/** What -c names, or the first of the usual places; as it was given or found. Throws ConfigError where there is none. */
export function configFile(parsed: ParsedCommand): string {
  const executable = process.argv[1]!;
  const found = text(parsed, 'configuration') ?? findSupervisordConfig(executable);
  if (found === null) throw new ConfigError(nothingFound(searchPaths(executable)), []);
  return found;
}
