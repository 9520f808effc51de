// node dist/modules/test/bench/watchdog.js [--rounds N] [--restarts N] [--idle SECONDS] [--json]
// What it costs to keep one program alive: from its death to the next exec, memory, wake-ups, growth over many
// restarts, and what a start under the watchdog costs. Side by side with the tools that do the same work.
import { spawnSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { command } from '../support/package-root.js';
import { anonymousBytes, contextSwitches } from './process-costs.js';
import { endAll, raceRestarts } from './restarts.js';
import { makeFolder, sweep } from './settings.js';
import { type Spread, spreadOf } from './spread.js';
import { settled, watchers } from './watchers.js';

const TIDIED_AFTER_MS = 4000;

interface Kept {
  readonly name: string;
  /** Milliseconds from the death of the program to the first line of the next one. */
  readonly restart: Spread | null;
  /** Bytes that belong to this process alone. */
  readonly anonymous: number;
  /** All its threads together, a second. */
  readonly switches: number;
}

type Row = Kept | { readonly name: string; readonly absent: string };

const { rounds, restarts, idleMs, json } = readFlags();
const folder = makeFolder();
try {
  const loadBefore = loadavg()[0]!;
  const rows = await keepAlive();
  const growth = await growOver(restarts);
  const start = startCost();
  const result = { rounds, loadBefore, loadAfter: loadavg()[0]!, rows, growth, start };
  if (json) console.log(JSON.stringify(result));
  else print(result);
} finally {
  await sweep(folder);
}

async function keepAlive(): Promise<Row[]> {
  const { lanes, absent } = await raceRestarts(watchers(folder), rounds);
  for (const { pid } of lanes) await settled(pid);
  // What a restart leaves behind is cleaned up somewhat later, and is no idling yet.
  await pause(TIDIED_AFTER_MS);
  const before = lanes.map(({ pid }) => contextSwitches(pid));
  const began = performance.now();
  await pause(idleMs);
  const seconds = (performance.now() - began) / 1000;
  const kept = lanes.map(({ watcher, pid, times }, index) => {
    const switches = (contextSwitches(pid) - before[index]!) / seconds;
    const restart = times.length === 0 ? null : spreadOf(times);
    return { name: watcher.name, restart, anonymous: anonymousBytes(pid), switches };
  });
  endAll(lanes);
  return [...kept, ...absent];
}

interface Growth {
  readonly restarts: number;
  readonly perSecond: number;
  /** RssAnon after a tenth of the restarts, at the end, and the most that was seen. */
  readonly early: number;
  readonly late: number;
  readonly most: number;
}

/** A program that ends at once, restarted without a wait. */
async function growOver(wanted: number): Promise<Growth> {
  const tsdaemon = tsdaemonIn('growth');
  tsdaemon(
    'run',
    '--name',
    'loop',
    '--restart',
    'always',
    '--backoff',
    '0',
    '--output',
    '/dev/null',
    '--',
    'true',
  );
  const look = (): { restarts: number; bytes: number } => {
    const { watchdog } = JSON.parse(tsdaemon('status', 'loop', '--json')) as {
      watchdog: { pid: number; restarts: number };
    };
    return { restarts: watchdog.restarts, bytes: anonymousBytes(watchdog.pid) };
  };
  const began = performance.now();
  const seen = [look()];
  while (seen.at(-1)!.restarts < wanted) {
    await pause(250);
    seen.push(look());
  }
  const seconds = (performance.now() - began) / 1000;
  const last = seen.at(-1)!;
  tsdaemon('stop', 'loop');
  return {
    restarts: last.restarts,
    perSecond: last.restarts / seconds,
    early: seen.find((look) => look.restarts >= wanted / 10)!.bytes,
    late: last.bytes,
    most: Math.max(...seen.map(({ bytes }) => bytes)),
  };
}

interface StartCost {
  readonly node: Spread;
  readonly plain: Spread;
  readonly watched: Spread;
}

/** Milliseconds of whole commands, in turn. */
function startCost(): StartCost {
  const tsdaemon = tsdaemonIn('start');
  const run = (...flags: string[]): (() => void) => {
    return () => tsdaemon('run', '--name', 'start', '--output', '/dev/null', ...flags, '--', 'sleep', '300');
  };
  const works = [() => spawnSync(process.execPath, ['-e', '0']), run(), run('--restart', 'always')];
  const times = works.map((): number[] => []);
  for (let round = 0; round <= rounds; round += 1) {
    works.forEach((work, index) => {
      const began = performance.now();
      work();
      if (round > 0) times[index]!.push(performance.now() - began);
      if (index > 0) tsdaemon('stop', 'start');
    });
  }
  const [node, plain, watched] = times.map(spreadOf);
  return { node: node!, plain: plain!, watched: watched! };
}

function tsdaemonIn(name: string): (...args: string[]) => string {
  const env = { ...process.env, TSDAEMON_HOME: join(folder, name) };
  return (...args) => {
    const { status, stdout, stderr } = spawnSync(command, args, { env, cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(`tsdaemon ${args.join(' ')}: exit code ${status} ${stderr}`);
    return stdout;
  };
}

function print({
  rows,
  growth,
  start,
  loadBefore,
  loadAfter,
}: {
  rows: readonly Row[];
  growth: Growth;
  start: StartCost;
  loadBefore: number;
  loadAfter: number;
}): void {
  console.log(`load average ${loadBefore.toFixed(1)} before and ${loadAfter.toFixed(1)} after\n`);
  console.log(line('', 'restart ms: least', 'median', 'most', 'RssAnon MiB', 'switches/s'));
  for (const row of rows) {
    if ('absent' in row) console.log(line(row.name, `absent: ${row.absent}`));
    else {
      const { least, median, most } = row.restart ?? {
        least: Number.NaN,
        median: Number.NaN,
        most: Number.NaN,
      };
      const cells = [least, median, most].map((ms) => ms.toFixed(2));
      console.log(line(row.name, ...cells, mebibytes(row.anonymous), row.switches.toFixed(2)));
    }
  }
  console.log(
    `\n${growth.restarts} restarts, ${growth.perSecond.toFixed(0)} a second: RssAnon ` +
      `${mebibytes(growth.early)} MiB after a tenth, ${mebibytes(growth.late)} at the end, ` +
      `${mebibytes(growth.most)} at most`,
  );
  const [node, plain, watched] = [start.node, start.plain, start.watched].map(({ median }) => median);
  const extra = (watched! - plain!) / node!;
  console.log(
    `start, median ms: node -e 0 ${node!.toFixed(1)}, run ${plain!.toFixed(1)}, run --restart ` +
      `${watched!.toFixed(1)}: ${extra.toFixed(2)} starts of Node more`,
  );
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(2);
}

function line(name: string, ...cells: readonly string[]): string {
  const widths = [17, 9, 9, 12, 11];
  return [name.padEnd(27), ...cells.map((cell, index) => cell.padStart(widths[index] ?? 0))]
    .join(' ')
    .trimEnd();
}

function readFlags(): { rounds: number; restarts: number; idleMs: number; json: boolean } {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '20' },
      restarts: { type: 'string', default: '2000' },
      idle: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
    },
  });
  const count = (name: 'rounds' | 'restarts' | 'idle'): number => {
    const number = Number(values[name]);
    if (number > 0) return number;
    console.error(`cannot use --${name} ${values[name]}: expected a number above 0`);
    process.exit(2);
  };
  return {
    rounds: count('rounds'),
    restarts: count('restarts'),
    idleMs: 1000 * count('idle'),
    json: values.json,
  };
}
