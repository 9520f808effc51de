// node dist/modules/test/bench/soak-supervisor.js [MINUTES] [--programs N] [--seed N] [--strip-ansi] [--keep FOLDER]
// Many programs under one supervisor, and all that can happen to them: they are killed, stopped, started and flooded
// with lines to log, logs are renamed, the configuration changes, and the supervisor is exchanged and killed. In between
// and at the end every program runs once, no line is lost or doubled, and the supervisor has not grown.
import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Struct, TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';
import { makeRandom } from '../unit/random.js';
import { anonymousBytes } from './process-costs.js';
import { assertEvents, assertLogs, wholeLog } from './soak-findings.js';
import { type Program, SoakPrograms } from './soak-programs.js';

const { minutes, count, seed, stripsAnsi, keep } = readFlags();
const random = makeRandom(seed);

await using world = await makeWorld();
await using ours = new TestSupervisor(world, 'ours');
/** Where it failed: for whoever looks for the cause. */
await using evidence = {
  isWanted: true,
  async [Symbol.asyncDispose]() {
    if (keep !== undefined && evidence.isWanted)
      cpSync(ours.folder, keep, { recursive: true, filter: isPlain });
  },
};
const programs = new SoakPrograms(ours, count, stripsAnsi);
/** Where logs were renamed to, in order. */
const renamed = new Map<Program, string[]>();
const counts: Record<string, number> = {};
const events = ours.path('events');
const updating = ['tsdaemon', 'ctl', '-s', `unix://${ours.path('sock')}`, 'update'];

const acts: Readonly<Record<string, () => Promise<void>>> = {
  'programs are killed': async () => {
    await killPrograms(some(10));
  },
  'programs are stopped and started': async () => {
    const chosen = some(5);
    await Promise.all(chosen.map(({ name }) => ask('stopProcess', name)));
    await Promise.all(chosen.map(({ name }) => ask('startProcess', name)));
  },
  'sections change': async () => {
    changeSections();
    await reload();
  },
  'logs are flooded': flood,
  'the listener is killed': async () => {
    for (const pid of await pidsOf(['records'])) kill(pid, 'SIGKILL');
  },
  'logs are flooded and the code is exchanged': async () => {
    await flood();
    await pause(50 * random.share());
    await upgrade();
  },
  'the code is exchanged': upgrade,
  'logs are renamed': async () => {
    renameLogs();
    kill(ours.child.pid!, 'SIGUSR2');
  },
  'logs are flooded and renamed': async () => {
    await flood();
    renameLogs();
    kill(ours.child.pid!, 'SIGUSR2');
  },
  'groups are removed and added': async () => {
    await removeSections();
    await update();
    await assertAllRun();
    configureAll();
    await update();
  },
  'groups are removed and the supervisor is killed': async () => {
    await removeSections();
    await updateAndKill();
    await update();
    await assertAllRun();
    configureAll();
    await updateAndKill();
    await update();
  },
  'logs are flooded and the supervisor is killed': async () => {
    await flood();
    await pause(50 * random.share());
    await successor();
  },
  'logs are flooded and renamed, and the supervisor is killed': async () => {
    await flood();
    await pause(50 * random.share());
    renameLogs();
    kill(ours.child.pid!, 'SIGUSR2');
    await pause(20 * random.share());
    await successor();
    kill(ours.child.pid!, 'SIGUSR2');
  },
  'the supervisor is killed': successor,
  'programs and the supervisor are killed': async () => {
    const chosen = some(5);
    await killPrograms(chosen.slice(0, 2));
    const others = await pidsOfPrograms(chosen.slice(2));
    kill(ours.child.pid!, 'SIGKILL');
    for (const [program, pid] of others) killProgram(program, pid);
    await successor();
  },
  'sections change and the supervisor is killed': async () => {
    changeSections();
    kill(ours.child.pid!, 'SIGHUP');
    await pause(200 * random.share());
    await successor();
  },
};

programs.configure();
await ours.start();
await assertAllRun();
const sizes: { anonymous: number; descriptors: number }[] = [];
const begin = performance.now();
const end = begin + 60_000 * minutes;
/** From then on the supervisor is not killed, which may cost an event. */
const lastLife = end - (end - begin) / 3;
/** Memory is given back three seconds after the last work. */
const REST_MS = 6000;
const RESTS_EVERY = 200;
/** And from then on it is not exchanged either, which would give it a new heap. */
const lastCode = end - (end - begin) / 5;
let isLastLife = false;
let round = 0;
console.log(`${minutes} minutes, ${count} programs, --seed ${seed}${stripsAnsi ? ' --strip-ansi' : ''}`);
while (performance.now() < end) {
  round += 1;
  if (!isLastLife && performance.now() > lastLife) {
    await quiet();
    if (existsSync(events)) renameSync(events, `${events}.before`);
    isLastLife = true;
  }
  const isLastCode = performance.now() > lastCode;
  const possible = Object.entries(acts).filter(
    ([title]) =>
      !(isLastLife && title.includes('the supervisor')) &&
      !(isLastCode && (title.includes('exchanged') || title.includes('sections change'))),
  );
  const [name, act] = random.pick(possible);
  counts[name] = (counts[name] ?? 0) + 1;
  try {
    await act();
    await assertAllRun();
  } catch (error) {
    console.error(`round ${round}: ${name}`);
    console.error(existsSync(ours.path('main.log')) ? ours.read('main.log').slice(-4000) : 'no main log');
    throw error;
  }
  if (isLastCode && (sizes.length === 0 || round % RESTS_EVERY === 0)) sizes.push(await sizeAtRest());
  if (round % 10 === 0) {
    const { anonymous, descriptors } = sizeOf();
    const size = `${mib(anonymous)}, ${descriptors} descriptors`;
    console.log(`${round} rounds: ${size}${isLastLife ? ', the last life' : ''}`);
  }
}
sizes.push(await sizeAtRest());
await Promise.all(programs.all.map(({ name }) => ask('stopProcess', name)));
await until(() => assert.deepEqual(programs.running(), new Map()), { withinMs: 20_000 });
await quiet();
for (const [name, times] of Object.entries(counts)) console.log(`${String(times).padStart(5)}  ${name}`);
const textOf = (program: Program): string =>
  wholeLog(ours.path(`logs/${program.name}`), renamed.get(program) ?? []);
const seen = assertLogs(programs.all, textOf, stripsAnsi);
console.log(`${round} rounds, ${seen.runs} runs, ${seen.lines} lines; no orphan, no duplicate, no lost line`);
const told = Object.entries(assertEvents(programs.all, events)).map(([type, times]) => `${type} ${times}`);
console.log(`the last life's events: ${told.join(', ')}; none lost`);
assertNoGrowth();
await ours.stop();
evidence.isWanted = false;

async function successor(): Promise<void> {
  kill(ours.child.pid!, 'SIGKILL');
  await ours.ends();
  await ours.start();
}

/** Resolves when it is over: until node is up again, the next signal would end it. */
async function reload(): Promise<void> {
  const starts = (): number => ours.read('main.log').split('supervisord started').length;
  const before = starts();
  kill(ours.child.pid!, 'SIGHUP');
  await until(() => assert.ok(starts() > before), { withinMs: 20_000 });
}

async function upgrade(): Promise<void> {
  const { code, stderr } = await world.run(['tsdaemon', 'upgrade', 'supervisor']);
  assert.equal(code, 0, stderr);
  await ours.answers();
}

/** Once more where an exchange of the supervisor has cut the connection. */
async function update(): Promise<void> {
  await until(
    async () => {
      const { code, stdout, stderr } = await world.run(updating);
      assert.equal(code, 0, `${stdout}${stderr}`);
    },
    { withinMs: 10_000 },
  );
}

/** What was begun by who is killed. */
async function updateAndKill(): Promise<void> {
  const updated = world.run(updating);
  await pause(150 * random.share());
  await successor();
  await updated;
}

async function killPrograms(chosen: readonly Program[]): Promise<void> {
  for (const [program, pid] of await pidsOfPrograms(chosen)) killProgram(program, pid);
}

function killProgram({ isAlone }: Program, pid: number): void {
  kill(isAlone ? -pid : pid, 'SIGKILL');
}

async function flood(): Promise<void> {
  for (const [, pid] of await pidsOfPrograms(some(3))) if (programs.isReady(pid)) kill(pid, 'SIGUSR2');
}

function renameLogs(): void {
  for (const program of some(10)) {
    const path = ours.path(`logs/${program.name}`);
    // Where backups are made too, nobody could say what came first.
    if (!program.isUnrotated || !existsSync(path)) continue;
    const before = renamed.get(program) ?? [];
    const to = `${path}.renamed-${before.length}`;
    renameSync(path, to);
    renamed.set(program, [...before, to]);
  }
}

function changeSections(): void {
  for (const program of some(5)) program.revision += 1;
  programs.configure();
}

/** A flood of a program that is gone with its FIFO would go nowhere. */
async function removeSections(): Promise<void> {
  const chosen = some(5);
  await floodsAreOver();
  for (const program of chosen) program.isConfigured = false;
  programs.configure();
}

function configureAll(): void {
  for (const program of programs.all) program.isConfigured = true;
  programs.configure();
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
      const there = programs.running();
      const names = programs.all.filter(({ isConfigured }) => isConfigured).map(({ name }) => name);
      for (const name of names) assert.deepEqual(there.get(name), [said.get(name)], name);
      assert.equal(there.size, names.length);
      assert.equal(said.size, names.length + 1, 'and the listener');
    },
    { withinMs: 60_000 },
  );
}

async function floodsAreOver(): Promise<void> {
  await until(() => assert.ok(!programs.isFlooding()), { withinMs: 60_000 });
}

/** Resolves when nobody writes, and the listener has heard of everything. */
async function quiet(): Promise<void> {
  await floodsAreOver();
  const mark = `round ${round}, ${performance.now()}`;
  await ask('sendRemoteCommEvent', 'soak', mark);
  const isHeard = (): boolean => readFileSync(`${events}.marks`, 'utf8').includes(mark);
  await until(() => assert.ok(isHeard(), 'the listener has heard of everything'), { withinMs: 60_000 });
}

function sizeOf(): { anonymous: number; descriptors: number } {
  const pid = ours.child.pid!;
  // Counted, not looked at: it opens and closes some meanwhile.
  return { anonymous: anonymousBytes(pid), descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

/** While it works, what is there waits for the garbage collector. */
async function sizeAtRest(): Promise<ReturnType<typeof sizeOf>> {
  await quiet();
  await pause(REST_MS);
  return sizeOf();
}

/** From the second rest of the last code to its last: at the first it has hardly worked, and not all of it is compiled. */
function assertNoGrowth(): void {
  for (const [key, factor, more, show] of [
    ['descriptors', 1, 10, String],
    ['anonymous', 1.1, 2 ** 20, mib],
  ] as const) {
    const values = sizes.map((size) => size[key]);
    const [first, last] = [values[values.length > 2 ? 1 : 0]!, values.at(-1)!];
    console.log(`${key} at rest: ${values.map(show).join(', ')}`);
    assert.ok(last <= first * factor + more, `${key}: ${values.join(' ')}`);
  }
}

function isPlain(path: string): boolean {
  const stats = statSync(path);
  return stats.isFile() || stats.isDirectory();
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
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

async function pidsOfPrograms(chosen: readonly Program[]): Promise<[Program, number][]> {
  const infos = (await ask('getAllProcessInfo')) as readonly Struct[];
  return chosen.flatMap((program): [Program, number][] => {
    const pid = infos.find(({ name }) => name === program.name)?.pid as number;
    return pid > 0 ? [[program, pid]] : [];
  });
}

async function pidsOf(names: readonly string[]): Promise<number[]> {
  const infos = (await ask('getAllProcessInfo')) as readonly Struct[];
  const pids = infos.filter(({ name }) => names.includes(name as string)).map(({ pid }) => pid as number);
  return pids.filter((pid) => pid > 0);
}

function some(most: number): Program[] {
  const chosen = Array.from({ length: 1 + random.below(most) }, () => random.pick(programs.all));
  return [...new Set(chosen)];
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // ESRCH: it was quicker.
  }
}

function readFlags(): {
  minutes: number;
  count: number;
  seed: number;
  stripsAnsi: boolean;
  keep: string | undefined;
} {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      programs: { type: 'string', default: '100' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      'strip-ansi': { type: 'boolean', default: false },
      keep: { type: 'string' },
    },
  });
  const minutes = Number(positionals[0] ?? 10);
  const count = Number(values.programs);
  if (!(minutes > 0 && Number.isInteger(count) && count > 0) || positionals.length > 1) {
    console.error(
      'usage: soak-supervisor.js [MINUTES] [--programs N] [--seed N] [--strip-ansi] [--keep FOLDER]',
    );
    process.exit(2);
  }
  return { minutes, count, seed: Number(values.seed), stripsAnsi: values['strip-ansi'], keep: values.keep };
}
