// The programs of a soak: what each is configured to be, what it writes, and which of them run.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../support/package-root.js';
import { argvOf, childrenOf, descriptorsOf, processesMentioning } from '../support/proc.js';
import type { TestSupervisor } from '../support/supervisors.js';

/** Lines of a flood, how often there is a message among them, and when a log is rotated. */
export const FLOOD = 20_000;
export const LINES_PER_MESSAGE = 200;
const MAX_BYTES = 200_000;
/** All that a soak writes to one log has to be there at its end. */
const BACKUPS = 2000;

interface Kind {
  readonly keys: string;
  /** Who writes a line in pieces: nobody else may write in between, so all of its process group is killed at once. */
  readonly isAlone?: true;
  readonly isUnrotated?: true;
  readonly isHeard?: true;
  readonly isCaptured?: true;
  readonly daemonizes?: true;
  readonly logsStderr?: true;
}

const rotated = `stdout_logfile_maxbytes=${MAX_BYTES}\nstdout_logfile_backups=${BACKUPS}`;
const unrotated = 'stdout_logfile_maxbytes=0';
const heard = 'stdout_events_enabled=true';
const captured = 'stdout_capture_maxbytes=4096\nstopasgroup=true\nkillasgroup=true';

const kinds: readonly Kind[] = [
  { keys: rotated },
  { keys: `${rotated}\n${heard}`, isHeard: true },
  { keys: unrotated, isUnrotated: true },
  { keys: `${unrotated}\n${heard}`, isUnrotated: true, isHeard: true },
  { keys: `${rotated}\n${captured}`, isCaptured: true, isAlone: true },
  { keys: `${unrotated}\n${captured}`, isUnrotated: true, isCaptured: true, isAlone: true },
  { keys: `${rotated}\nlog_compress=true` },
  { keys: `${rotated}\nlog_compress=true\n${heard}`, isHeard: true },
  { keys: rotated.replaceAll('stdout', 'stderr'), logsStderr: true },
  { keys: rotated, daemonizes: true },
];

export interface Program extends Kind {
  readonly name: string;
  /** What its section says else than at first; a change restarts it. */
  revision: number;
  /** Whether the file has its section now. */
  isConfigured: boolean;
}

export class SoakPrograms {
  readonly all: readonly Program[];
  readonly #ours: TestSupervisor;
  readonly #script: string;
  readonly #daemon: string;
  readonly #stripsAnsi: boolean;

  constructor(ours: TestSupervisor, count: number, stripsAnsi: boolean) {
    this.#ours = ours;
    this.#stripsAnsi = stripsAnsi;
    this.all = Array.from({ length: count }, (_, index) => ({
      ...kinds[index % kinds.length]!,
      name: `p${index}`,
      revision: 0,
      isConfigured: true,
    }));
    this.#script = this.#executable('program', program);
    this.#daemon = this.#executable('daemon', '#!/bin/sh\nsetsid "$@" & echo $! > "pid-$2"\n');
    assert.equal(spawnSync('mkfifo', [ours.path('idle')]).status, 0);
    mkdirSync(ours.path('logs'));
  }

  configure(): void {
    const sections = this.all.filter(({ isConfigured }) => isConfigured).map((each) => this.#section(each));
    const listener = join(packageRoot, 'dist/modules/test/fixtures/recording-listener.js');
    this.#ours.configure(
      [
        `logfile_maxbytes=0\nminfds=4096\nstrip_ansi=${this.#stripsAnsi}`,
        `[eventlistener:records]\ncommand=${process.execPath} ${listener} %(here)s/events`,
        'events=PROCESS_STATE,PROCESS_LOG,PROCESS_COMMUNICATION,REMOTE_COMMUNICATION\nbuffer_size=1000000',
        'autorestart=true\nstartretries=1000000',
        ...sections,
        '',
      ].join('\n'),
    );
  }

  #section({ name, keys, revision, daemonizes, logsStderr, isAlone }: Program): string {
    const style = isAlone ? 'pieces' : 'lines';
    const command = `${this.#script} ${name} ${style}`;
    return [
      `[program:${name}]`,
      `command=${daemonizes ? `${this.#daemon} ${command}\npid_file=%(here)s/pid-${name}` : command}`,
      `directory=${this.#ours.folder}`,
      `environment=REVISION="${revision}"`,
      'autorestart=true\nstartsecs=0\nstartretries=1000000',
      logsStderr
        ? `stdout_logfile=%(here)s/logs/${name}.out\nstderr_logfile=%(here)s/logs/${name}`
        : `redirect_stderr=true\nstdout_logfile=%(here)s/logs/${name}`,
      keys,
    ].join('\n');
  }

  #executable(name: string, text: string): string {
    const path = this.#ours.path(name);
    writeFileSync(path, text);
    chmodSync(path, 0o755);
    return path;
  }

  /** Name -> processes of the program; a shell that has just been forked for a flood is none. */
  running(): Map<string, number[]> {
    const found = new Map<string, number[]>();
    const all = processesMentioning(this.#ours.folder);
    const children = new Set(all.flatMap((pid) => (this.#nameOf(pid) === null ? [] : childrenIfThere(pid))));
    for (const pid of all) {
      const name = this.#nameOf(pid);
      if (name !== null && !children.has(pid)) found.set(name, [...(found.get(name) ?? []), pid]);
    }
    return found;
  }

  /** Its trap is set when it waits on the FIFO: before, a signal would end it. */
  isReady(pid: number): boolean {
    try {
      return descriptorsOf(pid).get(3) === this.#ours.path('idle');
    } catch {
      // ENOENT: it has ended.
      return false;
    }
  }

  isFlooding(): boolean {
    return processesMentioning(this.#ours.folder).some(
      (pid) => argvIfThere(pid)[0]?.endsWith('awk') ?? false,
    );
  }

  #nameOf(pid: number): string | null {
    const [, file, name] = argvIfThere(pid);
    return file === this.#script ? (name ?? null) : null;
  }
}

/**
 * NAME STYLE. It numbers the lines of each run, and waits without a child, on a FIFO that nobody writes to. A signal
 * only asks for a flood: dash runs a trap within another one. Line 0 ends what a former run has left unfinished.
 */
const program = `#!/bin/sh
due=0
n=0
flood() {
  awk -v p=$$ -v n=$n -v style="$1" 'BEGIN {
    for (i = n + 1; i <= n + ${FLOOD}; i++) {
      if (style != "pieces" || i % 50 != 0) printf "\\033[32m%s %d\\033[0m\\n", p, i
      else {
        printf "\\033[3"; fflush()
        printf "2m%s %d\\033[", p, i; fflush()
        printf "0m\\n"
      }
      fflush()
      if (style == "pieces" && i % ${LINES_PER_MESSAGE} == 0) {
        printf "<!--XSUPERVISOR:BE"; fflush()
        printf "GIN-->message %s", p; fflush()
        printf " %d<!--XSUPERVISOR", i / ${LINES_PER_MESSAGE}; fflush()
        printf ":END-->"; fflush()
      }
    }
  }' >&2
  n=$((n + ${FLOOD}))
}
trap 'due=$((due + 1))' USR2
printf '\\n\\033[32m%s 0\\033[0m\\n' $$ >&2
exec 3<>idle
while :; do
  while [ $due -gt 0 ]; do
    due=$((due - 1))
    flood "$2"
  done
  read x <&3
done
`;

function childrenIfThere(pid: number): number[] {
  try {
    return childrenOf(pid);
  } catch {
    // ENOENT: it has ended.
    return [];
  }
}

function argvIfThere(pid: number): string[] {
  try {
    return argvOf(pid).map(String);
  } catch {
    // ENOENT, ESRCH: it has ended.
    return [];
  }
}
