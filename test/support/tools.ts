// Which programs of the machine a test may lean on; a test that cannot run says why.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Cgroup } from '../../src/os/cgroup.js';

/** false, or why the test is skipped: the form that node:test wants. */
export type Skip = string | false;

export function needs(program: string, ...rest: readonly string[]): Skip {
  const missing = [program, ...rest].filter(
    (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
  );
  return missing.length > 0 && `needs ${missing.join(' and ')}`;
}

export const needsLinux: Skip = process.platform !== 'linux' && 'needs /proc';

export const needsRoot: Skip = process.getuid?.() !== 0 && 'needs root';

/** The oracle for nohup; busybox and BSD differ in words and in what they do with stdin. */
export const needsGnuNohup: Skip =
  !spawnSync('nohup', ['--version'], { encoding: 'utf8' }).stdout?.includes('GNU coreutils') &&
  'needs nohup of GNU coreutils';

export function needsCgroup(): Skip {
  if (needsLinux) return needsLinux;
  const group = Cgroup.create(`tsdaemon-try-${process.pid}`);
  const canKill = group !== null && existsSync(join(group.path, 'cgroup.kill'));
  group?.remove();
  return !canKill && 'needs a cgroup (version 2, Linux 5.14) that is ours to divide';
}
