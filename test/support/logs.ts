// Logs with their backups, and those who write and keep them.
import assert from 'node:assert/strict';
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { LogNotice } from '../../src/os/log-notice.js';
import type { Skip } from './tools.js';
import type { World } from './world.js';

export const writerPath = fileURLToPath(new URL('../fixtures/log-writer.js', import.meta.url));
export const keeperPath = fileURLToPath(new URL('../fixtures/log-keeper.js', import.meta.url));

/** The backups of a log, the oldest first. */
export function backupsOf(log: string): string[] {
  const slots = new Map<string, number>();
  for (const file of readdirSync(dirname(log))) {
    const [, slot] = /^\.(\d+)(?:\.gz)?$/.exec(file.slice(basename(log).length)) ?? [];
    if (file.startsWith(basename(log)) && slot !== undefined) slots.set(file, Number(slot));
  }
  return [...slots].sort(([, a], [, b]) => b - a).map(([file]) => join(dirname(log), file));
}

/** Every byte, from the oldest backup to the end of the log. */
export function wholeLog(log: string): Buffer {
  return Buffer.concat([...backupsOf(log), log].map(contentOf));
}

function contentOf(file: string): Buffer {
  const bytes = readFileSync(file);
  return file.endsWith('.gz') ? gunzipSync(bytes) : bytes;
}

/** The lines that log-writer.ts has numbered: all there, in order, each once. */
export function assertNumbered(lines: readonly string[], count: number): void {
  const wrong = lines.findIndex((line, index) => !line.startsWith(`${index} `));
  const context = lines.slice(Math.max(0, wrong - 1), wrong + 2).join('\n');
  assert.equal(wrong, -1, `line ${wrong} of ${lines.length} is out of order:\n${context}`);
  assert.equal(lines.length, count);
}

export function linesOf(bytes: Buffer): string[] {
  const lines = bytes.toString().split('\n');
  assert.equal(lines.pop(), '', 'the last line has no newline');
  return lines;
}

/** A writer whose output goes to the descriptor. */
export function startWriter(world: World, descriptor: number, ...args: readonly string[]): ChildProcess {
  return world.start([process.execPath, writerPath, ...args], { stdio: ['ignore', descriptor, 'pipe'] });
}

/** Ends a writer and resolves with the number of its lines. */
export async function stopWriter(writer: ChildProcess): Promise<number> {
  let said = '';
  writer.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  writer.kill('SIGTERM');
  await once(writer, 'close');
  assert.match(said, /^\d+\n$/);
  return Number(said);
}

export interface Keeper {
  readonly child: ChildProcess;
  readonly notices: LogNotice[];
  /** Resolves when it keeps the log. */
  readonly up: Promise<void>;
  readonly gone: Promise<unknown>;
}

export function startKeeper(world: World, args: readonly string[], via: readonly string[] = []): Keeper {
  const child = world.start([process.execPath, keeperPath, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    via,
  });
  const notices: LogNotice[] = [];
  const gone = once(child, 'close');
  let text = '';
  const up = new Promise<void>((resolve) => {
    child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
      const lines = (text + piece).split('\n');
      text = lines.pop()!;
      for (const line of lines) {
        if (line === 'up') resolve();
        else notices.push(JSON.parse(line) as LogNotice);
      }
    });
  });
  return { child, notices, up: Promise.race([up, gone.then(() => undefined)]), gone };
}

export async function killKeeper(keeper: Keeper): Promise<void> {
  keeper.child.kill('SIGKILL');
  await keeper.gone;
}

/** A small file system of its own, which can be full. */
export interface Image {
  readonly folder: string;
  [Symbol.dispose](): void;
}

/** false, or why mountImage() cannot be used here. */
export function needsMount(kind: 'ext4' | 'tmpfs'): Skip {
  if (process.getuid?.() !== 0) return 'needs root, to mount a small file system';
  if (kind === 'ext4' && spawnSync('mkfs.ext4', ['-V']).status !== 0) return 'needs mkfs.ext4';
  const probe = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'none', '/mnt']);
  return probe.status !== 0 && 'needs the right to mount';
}

export function mountImage(world: World, kind: 'ext4' | 'tmpfs', megabytes: number): Image {
  const folder = join(world.folder, `small-${kind}`);
  mkdirSync(folder);
  if (kind === 'tmpfs') must('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m`, 'none', folder);
  else {
    const image = `${folder}.image`;
    must('truncate', '-s', `${megabytes}M`, image);
    // No blocks that only root may use: the tests are root, and full should be full.
    must('mkfs.ext4', '-q', '-F', '-m', '0', image);
    must('mount', '-o', 'loop', image, folder);
  }
  // Lazily, so that a test that fails with files open in it leaves no mount behind.
  return { folder, [Symbol.dispose]: () => must('umount', '-l', folder) };
}

function must(program: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${stderr}`);
}
