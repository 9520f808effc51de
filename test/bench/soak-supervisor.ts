// node dist/modules/test/bench/soak-supervisor.js [MINUTES] [--programs N] [--seed N]
// Many programs under one supervisor, and all that can happen to them: they are killed, stopped, started and flooded
// with lines to log, the configuration changes, and the supervisor is killed. In between and at the end every program
// runs once, no line is lost or doubled, and the supervisor has not grown.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { argvOf, childrenOf, descriptorsOf, processesMentioning } from '../support/proc.js';
import { type Struct, TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';
import { makeRandom } from '../unit/random.js';
import { anonymousBytes } from './process-costs.js';

/** Lines of a flood, and when its log is rotated. */
const FLOOD = 20_000;
const MAX_BYTES = 200_000;
/** All that a soak writes to one log has to be there at its end. */
const BACKUPS = 2000;

const { minutes, programs, seed } = readFlags();
const random = makeRandom(seed);

await using world = await makeWorld();
await using ours = new TestSupervisor(world, 'ours');
const script = ours.path('program');
// It numbers the lines of each run. It waits without a child, on a FIFO that nobody writes to.
writeFileSync(
  script,
  [
    '#!/bin/sh',
    'n=0',
    'echo "$$ $n"',
    `flood() { awk -v p=$$ -v n=$n 'BEGIN { for (i = 1; i <= ${FLOOD}; i++) { print p, n + i; fflush() } }'; n=$((n+${FLOOD})); }`,
    'trap flood USR2',
    'exec 3<>"idle"',
    'while :; do read x <&3; done',
  ].join('\n'),
);
chmodSync(script, 0o755);
assert.equal(spawnSync('mkfifo', [ours.path('idle')]).status, 0);
mkdirSync(ours.path('logs'));

const names = Array.from({ length: programs }, (_, index) => `p${index}`);
/** Which sections say something else than at first; a change restarts its program. */
const revisions = names.map(() => 0);
const counts: Record<string, number> = {};

function configure(): void {
  const sections = names.map((name, index) =>
    [
      `[program:${name}]`,
      `command=${script} ${name}`,
      `directory=${ours.folder}`,
      `environment=REVISION="${revisions[index]}"`,
      'autorestart=true\nstartsecs=0\nstartretries=1000000\nredirect_stderr=true',
      `stdout_logfile=%(here)s/logs/${name}`,
      `stdout_logfile_maxbytes=${MAX_BYTES}\nstdout_logfile_backups=${BACKUPS}`,
      // A third is heard, two thirds write their logs themselves.
      `stdout_events_enabled=${index % 3 === 0}`,
    ].join('\n'),
  );
  ours.configure(`logfile_maxbytes=0\nminfds=4096\n${sections.join('\n')}\n`);
}

const acts: Readonly<Record<string, () => Promise<void>>> = {
  'programs are killed': async () => {
    for (const pid of await pidsOf(some(10))) kill(pid, 'SIGKILL');
  },
  'programs are stopped and started': async () => {
    const chosen = some(5);
    await Promise.all(chosen.map((name) => ask('stopProcess', name)));
    await Promise.all(chosen.map((name) => ask('startProcess', name)));
  },
  'sections change': async () => {
    for (const name of some(5)) revisions[names.indexOf(name)]! += 1;
    configure();
    kill(ours.child.pid!, 'SIGHUP');
  },
  'logs are flooded': async () => {
    for (const pid of await pidsOf(some(3))) if (isReady(pid)) kill(pid, 'SIGUSR2');
  },
  'logs are flooded and the supervisor is killed': async () => {
    for (const pid of await pidsOf(some(3))) if (isReady(pid)) kill(pid, 'SIGUSR2');
    await pause(50 * random.share());
    await successor();
  },
  'the supervisor is killed': successor,
  'programs and the supervisor are killed': async () => {
    const pids = await pidsOf(some(5));
    for (const pid of pids.slice(0, 2)) kill(pid, 'SIGKILL');
    kill(ours.child.pid!, 'SIGKILL');
    for (const pid of pids.slice(2)) kill(pid, 'SIGKILL');
    await successor();
  },
  'sections change and the supervisor is killed': async () => {
    for (const name of some(5)) revisions[names.indexOf(name)]! += 1;
    configure();
    kill(ours.child.pid!, 'SIGHUP');
    await pause(200 * random.share());
    await successor();
  },
};

configure();
await ours.start();
await assertAllRun();
const sizes: { anonymous: number; descriptors: number }[] = [];
const begin = performance.now();
const end = begin + 60_000 * minutes;
/** From then on the supervisor is left alone, so that it has the time to grow. */
const lastLife = end - (end - begin) / 3;
console.log(`${minutes} minutes, ${programs} programs, --seed ${seed}`);
for (let round = 1; performance.now() < end; round += 1) {
  const isLastLife = performance.now() > lastLife;
  const [name, act] = random.pick(
    Object.entries(acts).filter(([title]) => !isLastLife || !title.includes('the supervisor')),
  );
  counts[name] = (counts[name] ?? 0) + 1;
  try {
    await act();
    await assertAllRun();
  } catch (error) {
    console.error(`round ${round}: ${name}`);
    console.error(existsSync(ours.path('main.log')) ? ours.read('main.log').slice(-4000) : 'no main log');
    throw error;
  }
  if (isLastLife) sizes.push(sizeOf());
  if (round % 10 === 0) {
    const { anonymous, descriptors } = sizeOf();
    const size = `${(anonymous / 2 ** 20).toFixed(1)} MiB, ${descriptors} descriptors`;
    console.log(`${round} rounds: ${size}${isLastLife ? ', the last life' : ''}`);
  }
}
await floodsAreOver();
await ours.call('supervisor.stopAllProcesses');
await until(() => assert.deepEqual(running(), new Map()), { withinMs: 20_000 });
const seen = assertLines();
for (const [name, count] of Object.entries(counts)) console.log(`${String(count).padStart(5)}  ${name}`);
assertNoGrowth();
console.log(`no orphan, no duplicate, no lost line, no growth; ${seen.runs} runs, ${seen.lines} lines`);
await ours.stop();

async function successor(): Promise<void> {
  kill(ours.child.pid!, 'SIGKILL');
  await ours.ends();
  await ours.start();
}

/** What runs is what the supervisor says, each program once. */
async function assertAllRun(): Promise<void> {
  await until(
    async () => {
      const said = new Map(
        (await ours.all()).map((info: Struct) => [
          info.name as string,
          info.statename === 'RUNNING' ? info.pid : info.statename,
        ]),
      );
      const there = running();
      for (const name of names) assert.deepEqual(there.get(name), [said.get(name)], name);
      assert.equal(there.size, names.length);
    },
    { withinMs: 60_000 },
  );
}

/** Name -> processes of the program; a shell that has just been forked for a flood is none. */
function running(): Map<string, number[]> {
  const found = new Map<string, number[]>();
  const all = processesMentioning(ours.folder);
  const children = new Set(all.flatMap((pid) => childrenIfThere(pid, isProgram(pid))));
  for (const pid of all) {
    const name = isProgram(pid);
    if (name !== null && !children.has(pid)) found.set(name, [...(found.get(name) ?? []), pid]);
  }
  return found;
}

function childrenIfThere(pid: number, name: string | null): number[] {
  try {
    return name === null ? [] : childrenOf(pid);
  } catch {
    // ENOENT: it has ended.
    return [];
  }
}

function isProgram(pid: number): string | null {
  try {
    const [, file, name] = argvOf(pid).map(String);
    return file === script ? (name ?? null) : null;
  } catch {
    // ENOENT, ESRCH: it has ended.
    return null;
  }
}

/** Its traps are set when it waits on the FIFO: before, a signal would end it. */
function isReady(pid: number): boolean {
  try {
    return descriptorsOf(pid).get(3) === ours.path('idle');
  } catch {
    // ENOENT: it has ended.
    return false;
  }
}

async function floodsAreOver(): Promise<void> {
  await until(() => assert.ok(!processesMentioning(ours.folder).some(isFlood)), { withinMs: 60_000 });
}

function isFlood(pid: number): boolean {
  try {
    return argvOf(pid)[0]?.toString().endsWith('awk') ?? false;
  } catch {
    // ENOENT, ESRCH: it has ended.
    return false;
  }
}

/** Every run counts from 0 without a gap. What was being written when a program was killed may be cut. */
function assertLines(): { runs: number; lines: number } {
  let runs = 0;
  let lines = 0;
  for (const name of names) {
    const last = new Map<string, number>();
    for (const line of wholeLog(name).split('\n')) {
      const found = /^(\d+) (\d+)$/.exec(line);
      if (found === null) {
        assert.ok(line === '' || /^[\d ]+$/.test(line), `${name}: line ${JSON.stringify(line)}`);
        continue;
      }
      const [, pid, count] = found as unknown as [string, string, string];
      const before = last.get(pid) ?? -1;
      // A pid comes again after a while.
      if (Number(count) !== 0)
        assert.equal(Number(count), before + 1, `${name}: line ${line} after ${before}`);
      else runs += 1;
      last.set(pid, Number(count));
      lines += 1;
    }
  }
  return { runs, lines };
}

function wholeLog(name: string): string {
  const path = join('logs', name);
  const pieces = [ours.read(path)];
  for (let number = 1; existsSync(ours.path(`${path}.${number}`)); number += 1)
    pieces.unshift(readFileSync(ours.path(`${path}.${number}`), 'utf8'));
  return pieces.join('');
}

function sizeOf(): { anonymous: number; descriptors: number } {
  const pid = ours.child.pid!;
  // Counted, not looked at: it opens and closes some meanwhile.
  return { anonymous: anonymousBytes(pid), descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** The second half of the last life next to the first. */
function assertNoGrowth(): void {
  const half = Math.ceil(sizes.length / 2);
  const mostOf = (key: keyof (typeof sizes)[number], from: number, to: number): number =>
    Math.max(0, ...sizes.slice(from, to).map((size) => size[key]));
  for (const [key, factor, more] of [
    ['descriptors', 1, 10],
    ['anonymous', 1.2, 0],
  ] as const) {
    const [early, late] = [mostOf(key, 0, half), mostOf(key, half, sizes.length)];
    assert.ok(late <= early * factor + more, `${key}: ${sizes.map((size) => size[key]).join(' ')}`);
  }
}

/** Asked again where an exchange of the supervisor has cut the connection. */
async function ask(method: string, ...params: readonly string[]): Promise<unknown> {
  for (;;) {
    try {
      return await ours.answer(method, ...params);
    } catch (error) {
      if (!isCut(error)) throw error;
      await ours.answers();
    }
  }
}

function isCut(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return code === 'ECONNRESET' || code === 'ECONNREFUSED' || code === 'ENOENT' || code === 'EPIPE';
}

async function pidsOf(chosen: readonly string[]): Promise<number[]> {
  const infos = (await ask('getAllProcessInfo')) as readonly Struct[];
  const pids = infos.filter(({ name }) => chosen.includes(name as string)).map(({ pid }) => pid as number);
  return pids.filter((pid) => pid > 0);
}

function some(most: number): string[] {
  const chosen = Array.from({ length: 1 + Math.floor(random.share() * most) }, () => random.pick(names));
  return [...new Set(chosen)];
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // ESRCH: it was quicker.
  }
}

function readFlags(): { minutes: number; programs: number; seed: number } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      programs: { type: 'string', default: '100' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    },
  });
  const minutes = Number(positionals[0] ?? 10);
  const programs = Number(values.programs);
  if (!(minutes > 0 && Number.isInteger(programs) && programs > 0) || positionals.length > 1) {
    console.error('usage: soak-supervisor.js [MINUTES] [--programs N] [--seed N]');
    process.exit(2);
  }
  return { minutes, programs, seed: Number(values.seed) };
}
