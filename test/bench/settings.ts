// Under which Node and with which environment it is measured, and the folder that everything happens in.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { processesMentioning } from '../support/proc.js';
import { until } from '../support/until.js';
import { searchPath } from './contestants.js';
import type { Environment } from './measure.js';

export interface Setting {
  readonly title: string;
  readonly node: string;
  readonly env: Environment;
  /** The one in which the other tools are measured too. */
  readonly isMain: boolean;
}

export function settingsOf(folder: string): Setting[] {
  const running = settingOf(process.execPath, folder, 0);
  const { NODE_EXTRA_CA_CERTS, TSDAEMON_BENCH_NODES } = process.env;
  const withCertificates = {
    ...running,
    title: `${running.title} with NODE_EXTRA_CA_CERTS`,
    env: { ...running.env, NODE_EXTRA_CA_CERTS: NODE_EXTRA_CA_CERTS ?? '' },
    isMain: false,
  };
  const further = TSDAEMON_BENCH_NODES?.split(delimiter).filter((path) => path !== '') ?? [];
  return [
    running,
    ...(NODE_EXTRA_CA_CERTS === undefined ? [] : [withCertificates]),
    ...further.map((path, index) => settingOf(path, folder, index + 1)),
  ];
}

/** The shell lines of our command start the `node` of PATH, so each Node gets a folder that has it under this name. */
function settingOf(path: string, folder: string, index: number): Setting {
  const bin = join(folder, `node-${index}`);
  const node = join(bin, 'node');
  mkdirSync(bin);
  symlinkSync(realpathSync(statSync(path).isDirectory() ? join(path, 'node') : path), node);
  const env = {
    PATH: [bin, searchPath].join(delimiter),
    HOME: folder,
    TMPDIR: folder,
    PM2_HOME: join(folder, 'pm2'),
    TSDAEMON_HOME: join(folder, 'state'),
  };
  const { stdout, error } = spawnSync(node, ['--version'], { env, encoding: 'utf8' });
  if (error !== undefined) throw error;
  return { title: `node ${stdout.trim()}`, node, env, isMain: index === 0 };
}

/** No other process mentions its name. */
export function makeFolder(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), 'tsd-bench-')));
}

/** Ends what was started here and is still there, then removes the folder. */
export async function sweep(folder: string): Promise<void> {
  const left = existsSync('/proc/self/environ') ? () => processesMentioning(folder) : () => pidsIn(folder);
  await until(
    () => {
      const living = left().filter((pid) => pid !== process.pid && killIfThere(pid));
      if (living.length > 0) throw new Error(`cannot end ${living.join(', ')}`);
    },
    { withinMs: 5000 },
  );
  rmSync(folder, { recursive: true, force: true });
}

function pidsIn(folder: string): number[] {
  const pidfiles = readdirSync(folder).filter((name) => name.endsWith('.pid'));
  return pidfiles.map((name) => Number(readFileSync(join(folder, name), 'latin1'))).filter((pid) => pid > 1);
}

function killIfThere(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH: it ended by itself.
    return false;
  }
}
