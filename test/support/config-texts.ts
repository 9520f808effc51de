// A machine made of texts, for readers of configurations: nothing is looked up anywhere else.
import type { ConfigSource } from '../../src/formats/supervisord/source.js';

export const MAIN = '/etc/sv/main.conf';

/** `files` by path; a text alone is the main file. Globs are the paths that they name, with one star at most. */
export function sourceOf(
  files: string | Readonly<Record<string, string>>,
  changes: Partial<ConfigSource> = {},
): ConfigSource {
  const texts = new Map(Object.entries(typeof files === 'string' ? { [MAIN]: files } : files));
  return {
    path: MAIN,
    cwd: '/work',
    readFile: (path) => texts.get(path) ?? null,
    listFiles: (glob) => {
      const [start, end = ''] = glob.split('*') as [string, string?];
      const matches = [...texts.keys()].filter((path) => path.startsWith(start) && path.endsWith(end));
      return glob.includes('*') ? matches : matches.filter((path) => path === glob);
    },
    environment: ['HOME=/home/me', 'PATH=/bin'],
    host: {
      nodeName: 'node1',
      uid: 1000,
      tempDirectory: '/tmp',
      signals: { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGUSR1: 10, SIGTERM: 15 },
      resources: ['nofile', 'core'],
    },
    lookups: {
      user: (name) =>
        new Map([
          ['me', { uid: 1000, gid: 100, home: '/home/me' }],
          ['web', { uid: 33, gid: 34, home: '/var/www' }],
        ]).get(name === 1000 ? 'me' : name === 33 ? 'web' : String(name)) ?? null,
      group: (name) => (name === 'staff' ? 50 : null),
      isDirectory: (path) => ['/', '/dev', '/tmp', '/var/log', '/etc/sv', '/work', '/srv'].includes(path),
      cronFault: (expression) => (expression.split(' ').length === 5 ? null : 'it has not five fields'),
      distrust: () => null,
    },
    ...changes,
  };
}
