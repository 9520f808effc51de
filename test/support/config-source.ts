// What a reader of configurations needs, from this machine.
import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoNameOf } from '../../src/errors.js';
import type { Account, ConfigSource, Lookups } from '../../src/formats/supervisord/source.js';
import { listFiles } from '../../src/os/glob.js';
import { signalNumbers } from '../../src/os/signals.js';

const lines = (file: string): string[][] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
    .filter(({ length }) => length > 2);

function findUser(nameOrUid: string | number): Account | null {
  const column = typeof nameOrUid === 'number' ? 2 : 0;
  const row = lines('/etc/passwd').find((fields) => fields[column] === String(nameOrUid));
  return row === undefined ? null : { uid: Number(row[2]), gid: Number(row[3]), home: row[5]! };
}

function findGroup(nameOrGid: string | number): number | null {
  const column = typeof nameOrGid === 'number' ? 2 : 0;
  const row = lines('/etc/group').find((fields) => fields[column] === String(nameOrGid));
  return row === undefined ? null : Number(row[2]);
}

export const realLookups: Lookups = {
  user: findUser,
  group: findGroup,
  isDirectory: (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true,
  cronFault: () => null,
  distrust: () => null,
};

export function realSource(path: string, environment: Readonly<Record<string, string>>): ConfigSource {
  return {
    path,
    cwd: '/tmp',
    readFile: (file) => {
      try {
        return readFileSync(file, 'utf8');
      } catch (error) {
        if (errnoNameOf(error) === 'ENOENT') return null;
        throw error;
      }
    },
    listFiles,
    environment: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    host: {
      nodeName: hostname(),
      uid: process.getuid?.() ?? 0,
      tempDirectory: '/tmp',
      signals: signalNumbers,
      resources: ['nofile', 'core', 'as'],
    },
    lookups: realLookups,
  };
}
