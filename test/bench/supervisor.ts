// node dist/modules/test/bench/supervisor.js [--programs N] [--rounds N] [--restarts N] [--megabytes N] [--idle S] [--json]
// What it costs to keep many programs: until all of them run, memory, wake-ups, asking for their states, what they
// write, and a restart. Side by side with the tools that do the same work. Each count may be in the environment too,
// as TSDAEMON_BENCH_PROGRAMS.
import { spawnSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { captures, throughputOf } from './captures.js';
import { readCounts } from './counts.js';
import { type Fleet, fleets, RunningFleet } from './fleets.js';
import { anonymousBytes, contextSwitches } from './process-costs.js';
import { endAll, raceRestarts } from './restarts.js';
import { makeFolder, sweep } from './settings.js';
import { type Spread, spreadOf } from './spread.js';
import { watchers } from './watchers.js';

/** Who needs longer for all its programs is started once. */
const SLOW_MS = 8000;
/** After this long without work a collector has given back what the start of the programs needed. */
const QUIET_MS = 20_000;
const STATUS_ROUNDS = 7;

interface Quiet {
  readonly programs: number;
  readonly processes: number;
  readonly anonymous: number;
}

interface Result {
  readonly name: string;
  readonly startMs: readonly number[];
  readonly quiet: readonly Quiet[];
  /** In the time of idleness, of all processes of the supervisor together. */
  readonly switches: number | null;
  readonly status: { readonly ms: Spread; readonly node: Spread } | null;
  readonly absent: string | null;
}

const { programs, rounds, restarts, megabytes, idle, json } = readCounts({
  programs: 1000,
  rounds: 3,
  restarts: 10,
  megabytes: 1024,
  idle: 5,
});
const folder = makeFolder();
let serial = 0;
try {
  const loadBefore = loadavg()[0]!;
  const many = await manyPrograms();
  const output = await outputs();
  const restart = await restartTimes();
  const result = { programs, loadBefore, loadAfter: loadavg()[0]!, many, output, restart };
  if (json) console.log(JSON.stringify(result));
  else print(result);
} finally {
  await sweep(folder);
}

/** In rounds, so that a busy moment of the machine does not fall on one of them only. */
async function manyPrograms(): Promise<Result[]> {
  const results = fleets().map((fleet) => ({
    fleet,
    name: fleet.name,
    startMs: [] as number[],
    quiet: [] as Quiet[],
    switches: null as number | null,
    status: null as Result['status'],
    absent: fleet.absent,
  }));
  for (let round = 0; round < rounds; round += 1) {
    for (const result of results) {
      if (result.absent !== null || (result.startMs[0] ?? 0) > SLOW_MS) continue;
      try {
        await takePart(result, round === 0);
      } catch (error) {
        result.absent = error instanceof Error ? error.message : String(error);
      }
    }
  }
  return results.map(({ fleet, ...result }) => result);
}

async function takePart(
  result: {
    fleet: Fleet;
    startMs: number[];
    quiet: Quiet[];
    switches: number | null;
    status: Result['status'];
  },
  isFirst: boolean,
): Promise<void> {
  const { fleet } = result;
  if (isFirst) {
    const few = await start(fleet, Math.ceil(programs / 10));
    await pause(QUIET_MS);
    result.quiet.push(memoryOf(few, Math.ceil(programs / 10)));
    await few.end();
  }
  const all = await start(fleet, programs);
  result.startMs.push(all.startMs);
  if (isFirst) {
    await pause(QUIET_MS);
    result.quiet.push(memoryOf(all, programs));
    const pids = all.supervising();
    const count = (): number => pids.reduce((sum, pid) => sum + contextSwitches(pid), 0);
    const before = count();
    await pause(1000 * idle);
    result.switches = count() - before;
    if (fleet.status !== null) result.status = statusTimes(all, fleet.status(all.folder));
  }
  await all.end();
}

function start(fleet: Fleet, count: number): Promise<RunningFleet> {
  serial += 1;
  return RunningFleet.start(fleet, join(folder, `fleet-${serial}`), count, `${process.pid}${100 + serial}`);
}

function memoryOf(fleet: RunningFleet, count: number): Quiet {
  const pids = fleet.supervising();
  const anonymous = pids.reduce((sum, pid) => sum + anonymousBytes(pid), 0);
  return { programs: count, processes: pids.length, anonymous };
}

/** Each next to the start of Node. */
function statusTimes(fleet: RunningFleet, argv: readonly string[]): Result['status'] {
  const [file, ...args] = argv;
  const time = (program: string, words: readonly string[]): number => {
    const began = performance.now();
    const { status, stdout } = spawnSync(program, words, { env: fleet.env, encoding: 'utf8' });
    const ms = performance.now() - began;
    if (words.includes('status') && stdout.split('RUNNING').length - 1 !== programs)
      throw new Error(`${argv.join(' ')}: exit code ${status}, ${stdout.slice(0, 200)}`);
    return ms;
  };
  const times: number[] = [];
  const floors: number[] = [];
  for (let round = 0; round <= STATUS_ROUNDS; round += 1) {
    const floor = time(process.execPath, ['-e', '0']);
    const ms = time(file!, args);
    // The first round warms up.
    if (round > 0) {
      floors.push(floor);
      times.push(ms);
    }
  }
  return { ms: spreadOf(times), node: spreadOf(floors) };
}

interface Throughput {
  readonly name: string;
  /** MiB a second; the best of the rounds, as the rest is what others did to the disk. */
  readonly rate: number | null;
  readonly absent: string | null;
}

async function outputs(): Promise<Throughput[]> {
  const results: Throughput[] = [];
  for (const capture of captures(megabytes)) {
    const { name } = capture;
    if (capture.absent !== null) {
      results.push({ name, rate: null, absent: capture.absent });
      continue;
    }
    try {
      const rates: number[] = [];
      for (let round = 0; round < 2; round += 1) rates.push(await throughputOf(capture, folder, megabytes));
      results.push({ name, rate: Math.max(...rates), absent: null });
    } catch (error) {
      results.push({ name, rate: null, absent: error instanceof Error ? error.message : String(error) });
    }
  }
  return results;
}

async function restartTimes(): Promise<{ name: string; ms: Spread | null; absent: string | null }[]> {
  const { lanes, absent } = await raceRestarts(watchers(folder), restarts + 1);
  endAll(lanes);
  return [
    ...lanes.map(({ watcher, times }) => ({ name: watcher.name, ms: spreadOf(times), absent: null })),
    ...absent.map(({ name, absent }) => ({ name, ms: null, absent })),
  ];
}

function print({
  loadBefore,
  loadAfter,
  many,
  output,
  restart,
}: {
  readonly loadBefore: number;
  readonly loadAfter: number;
  readonly many: readonly Result[];
  readonly output: readonly Throughput[];
  readonly restart: Awaited<ReturnType<typeof restartTimes>>;
}): void {
  console.log(`load average ${loadBefore.toFixed(1)} before and ${loadAfter.toFixed(1)} after\n`);
  const few = Math.ceil(programs / 10);
  const medianOf = (result: Result | undefined): number =>
    result === undefined || result.startMs.length === 0 ? Number.NaN : spreadOf(result.startMs).median;
  const s6 = medianOf(many.find(({ name }) => name === 's6'));
  console.log(
    line(
      `${programs} programs`,
      'until all run, s',
      'to s6',
      `MiB at ${few}`,
      `at ${programs}`,
      'processes',
      `switches in ${idle} s`,
    ),
  );
  for (const result of many) {
    if (result.absent !== null) {
      console.log(line(result.name, `absent: ${result.absent}`));
      continue;
    }
    const median = medianOf(result);
    const sizes = result.quiet.map(({ anonymous }) => mebibytes(anonymous));
    const processes = String(result.quiet.at(-1)?.processes ?? '');
    const cells = [(median / 1000).toFixed(2), (median / s6).toFixed(2), ...sizes, processes];
    console.log(line(result.name, ...cells, String(result.switches)));
  }
  console.log('');
  for (const { name, status } of many)
    if (status !== null) {
      const ratio = (status.ms.median / status.node.median).toFixed(2);
      const node = status.node.median.toFixed(1);
      console.log(`${name}: status in ${status.ms.median.toFixed(1)} ms, ${ratio} of node -e 0 (${node} ms)`);
    }
  const cat = output.find(({ name }) => name.includes('cat'))?.rate ?? Number.NaN;
  console.log(`\n${line(`${megabytes} MiB of output`, 'MiB/s', 'to cat')}`);
  for (const { name, rate, absent } of output) {
    const cells = rate === null ? [`absent: ${absent}`] : [rate.toFixed(0), (rate / cat).toFixed(2)];
    console.log(line(name, ...cells));
  }
  console.log(`\n${line('restart after a kill', 'ms: least', 'median', 'most')}`);
  for (const { name, ms, absent } of restart) {
    const cells =
      ms === null ? [`absent: ${absent}`] : [ms.least, ms.median, ms.most].map((time) => time.toFixed(2));
    console.log(line(name, ...cells));
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(2);
}

function line(name: string, ...cells: readonly string[]): string {
  const widths = [16, 8, 11, 9, 9, 16];
  return [name.padEnd(31), ...cells.map((cell, index) => cell.padStart(widths[index] ?? 0))]
    .join(' ')
    .trimEnd();
}
