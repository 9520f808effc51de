import { folderOf, joinPath } from '../posix-path.js';

/**
 * Where a configuration is looked for without -c, by supervisord and by supervisorctl; the first that exists counts.
 * `executable` is the path by which the program was called. Some are relative to the working directory.
 */
export function searchPaths(executable: string): string[] {
  const prefix = folderOf(folderOf(executable));
  return [
    joinPath(prefix, 'etc/supervisord.conf'),
    joinPath(prefix, 'supervisord.conf'),
    'supervisord.conf',
    'etc/supervisord.conf',
    '/etc/supervisord.conf',
    '/etc/supervisor/supervisord.conf',
  ];
}

/** What supervisord says where none of them exists. */
export const nothingFound = (paths: readonly string[]): string =>
  `No config file found at default paths (${paths.join(', ')}); use the -c option to specify a config file at a ` +
  'different path';
