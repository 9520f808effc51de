// How fast a program can write its log: into the file itself, through `cat`, and through a supervisor that rotates.
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from '../support/package-root.js';
import { until } from '../support/until.js';
import { findProgram, searchPath } from './contestants.js';
import { endAllOf } from './fleets.js';

const MIB = 2 ** 20;
/** What is written over and over; small enough to stay in memory. */
const TEXT_MIB = 64;
const ROTATE_MIB = 50;
const GIVES_UP_MS = 120_000;

export interface Capture {
  readonly name: string;
  readonly absent: string | null;
  /** Returns the command that starts the program with the log `out` in the folder. */
  readonly prepare: (folder: string, program: string) => readonly string[];
}

export function captures(megabytes: number): Capture[] {
  const rotation = `stdout_logfile_maxbytes=${ROTATE_MIB}MB\nstdout_logfile_backups=${Math.ceil(megabytes / ROTATE_MIB) + 2}\n`;
  const ours = (name: string, keys: string): Capture =>
    supervised(name, command, ['supervise'], rotation + keys);
  return [
    shell('sh: PROGRAM > out', (program) => `exec ${program} > out`),
    shell('sh: PROGRAM | cat > out', (program) => `${program} | cat > out`),
    ours('tsdaemon, direct', ''),
    ours('tsdaemon, stdout_events_enabled', 'stdout_events_enabled=true\n'),
    ours('tsdaemon, strip_ansi', 'stdout_logfile_strip_ansi=true\n'),
    supervised('supervisord', findProgram('supervisord'), [], rotation),
  ];
}

function shell(name: string, script: (program: string) => string): Capture {
  return { name, absent: null, prepare: (_, program) => ['/bin/sh', '-c', script(program)] };
}

/** strip_ansi is a key of [supervisord], for all programs. */
function supervised(name: string, program: string | null, words: readonly string[], keys: string): Capture {
  return {
    name,
    absent: program === null ? `${name} is not installed` : null,
    prepare: (folder, script) => {
      const file = join(folder, 'conf');
      const isStripped = keys.includes('strip_ansi');
      const main = `[supervisord]\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=%(here)s/pid\nstrip_ansi=${isStripped}\n`;
      const own = keys.replace(/^.*strip_ansi.*\n/m, '');
      const section = `[program:p]\ncommand=${script}\nautorestart=false\nstartsecs=0\nstdout_logfile=%(here)s/out\n${own}`;
      writeFileSync(file, `${main}${section}stderr_logfile=NONE\n`);
      return [program!, ...words, '-n', '-c', file];
    },
  };
}

/** Megabytes a second, from the program's first byte until all is in the log. */
export async function throughputOf(capture: Capture, folder: string, megabytes: number): Promise<number> {
  const own = join(folder, 'capture');
  mkdirSync(own);
  const text = join(own, 'text');
  const times = Math.max(1, Math.round(megabytes / TEXT_MIB));
  writeFileSync(text, linesOf(TEXT_MIB * MIB));
  const program = join(own, 'program');
  const loop = `n=0; while [ $n -lt ${times} ]; do dd if='${text}' bs=65536 2>/dev/null; n=$((n+1)); done`;
  writeFileSync(program, `#!/bin/sh\n: > '${own}/began'\n${loop}\nexec sleep 300\n`);
  chmodSync(program, 0o755);
  const [file, ...args] = capture.prepare(own, program);
  const env = { PATH: searchPath, HOME: own, TMPDIR: own, TSDAEMON_HOME: join(own, 'state') };
  const child = spawn(file!, args, { cwd: own, env, stdio: 'ignore', detached: true });
  const whole = times * TEXT_MIB * MIB;
  let written = 0;
  try {
    const ended = await until(
      () => {
        written = logBytes(own);
        if (written < whole) throw new Error(`${capture.name}: ${written} of ${whole} bytes are in the log`);
        return Date.now();
      },
      { withinMs: GIVES_UP_MS },
    );
    if (written > whole) throw new Error(`${capture.name}: ${written} bytes in the log instead of ${whole}`);
    return (times * TEXT_MIB) / ((ended - statSync(join(own, 'began')).mtimeMs) / 1000);
  } finally {
    child.kill('SIGKILL');
    await endAllOf(own);
    rmSync(own, { recursive: true, force: true });
  }
}

function logBytes(folder: string): number {
  const logs = readdirSync(folder).filter((name) => /^out(\.\d+)?$/.test(name));
  return logs.reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

function linesOf(bytes: number): string {
  const line = '2026-01-01T00:00:00.000Z INFO request served method=GET path=/index.html status=200 ms=12\n';
  return line.repeat(Math.ceil(bytes / line.length)).slice(0, bytes);
}
