// Where ctl finds its server: options, then the [supervisorctl] section of the configuration file, then defaults.
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoNameOf } from '../errors.js';
import type { SupervisorctlSection } from '../formats/supervisord/config.js';
import { searchPaths } from '../formats/supervisord/discovery.js';
import { readSupervisorctlConfig } from '../formats/supervisord/read-config.js';
import type { Account, ConfigSource } from '../formats/supervisord/source.js';
import { currentEnvironment } from '../os/caller.js';
import { findAccount } from '../os/credentials.js';
import { listFiles } from '../os/glob.js';

export interface CtlOptions {
  readonly configuration: string | undefined;
  readonly overrides: Partial<SupervisorctlSection>;
  /** The script as it was called: a configuration may lie beside it. */
  readonly invokedAs: string;
}

const defaults: SupervisorctlSection = {
  serverurl: 'http://localhost:9001',
  prompt: 'supervisor',
  username: null,
  password: null,
  history_file: null,
};

/** Throws ConfigError, whose message is the one line that supervisorctl prints. */
export function readCtlSettings({ configuration, overrides, invokedAs }: CtlOptions): SupervisorctlSection {
  const file = configuration ?? searchPaths(invokedAs).find((place) => existsSync(place)) ?? '';
  return { ...(file === '' ? defaults : readSupervisorctlConfig(sourceOf(file))), ...overrides };
}

/** Accounts, groups and limits belong to programs, which are not looked at here: only `~` needs one. */
const sourceOf = (path: string): ConfigSource => ({
  path,
  cwd: process.cwd(),
  readFile,
  listFiles,
  get environment() {
    return currentEnvironment();
  },
  host: {
    nodeName: hostname(),
    uid: process.getuid?.() ?? 0,
    tempDirectory: '/tmp',
    signals: {},
    resources: [],
  },
  lookups: {
    user: findUser,
    group: () => null,
    isDirectory: () => false,
    cronFault: () => null,
    distrust: () => null,
  },
});

function readFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoNameOf(error) === 'ENOENT') return null;
    throw error;
  }
}

function findUser(nameOrUid: string | number): Account | null {
  try {
    return findAccount({ user: String(nameOrUid), group: null });
  } catch {
    // Nobody of that name: the path is taken as it stands.
    return null;
  }
}
