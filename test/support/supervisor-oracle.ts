// The real Supervisor, asked what it makes of something. It may be installed for one Python of several.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from './package-root.js';
import type { Skip } from './tools.js';

/** One that has the package. */
export const python = ['python3', '/usr/bin/python3'].find(
  (name) => spawnSync(name, ['-c', 'import supervisor.options'], { timeout: 20_000 }).status === 0,
);

export const needsSupervisor: Skip = python === undefined && 'needs a python3 with the package supervisor';

export interface Question {
  readonly ask: string;
  readonly [more: string]: unknown;
}

/** One answer for each question, all from one process. */
export function askSupervisor(
  questions: readonly Question[],
  environment: Readonly<Record<string, string>> = {},
  cwd = '/tmp',
): readonly unknown[] {
  const script = join(packageRoot, 'test/fixtures/supervisor_oracle.py');
  const { status, stdout, stderr } = spawnSync(python!, ['-X', 'utf8', script], {
    input: JSON.stringify(questions),
    env: environment,
    cwd,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`the oracle failed: ${stderr}`);
  return JSON.parse(stdout) as unknown[];
}
