// npm run bench [-- --rounds N] [--only NAME]... [--json]
// What the start and the stop of a daemon cost, as ratios to `node -e 0`, the floor of any Node command, and beside
// the tools that do the same work. TSDAEMON_BENCH_NODES=PATH:PATH adds further versions of Node.
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { firstRun, ours, rivals } from './contestants.js';
import { detachTime, peakMemory } from './launcher.js';
import { type Contestant, hold, type Race, runnerIn } from './measure.js';
import { headline, type Section, tableOf, verdictsOn } from './report.js';
import { makeFolder, type Setting, settingsOf, sweep } from './settings.js';

const DEFAULT_ROUNDS = 30;
/** All rounds together, at the default number of them; what else is done takes the rest of three minutes. */
const BUDGET_MS = 140_000;

const { rounds, only, json } = readFlags();
const interrupt = new AbortController();
const signals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
for (const name of Object.keys(signals) as (keyof typeof signals)[]) {
  process.on(name, () => {
    interrupt.abort();
    process.exitCode = 128 + signals[name];
  });
}

const folder = makeFolder();
try {
  const loadBefore = loadavg()[0]!;
  const sections = await measure();
  const machine = { rounds, loadBefore, loadAfter: loadavg()[0]! };
  if (json) console.log(JSON.stringify({ machine, sections }));
  else {
    console.log(`${headline(machine)}\n\n${tableOf(sections)}\n`);
    for (const line of sections.flatMap(verdictsOn)) console.log(line);
  }
} catch (error) {
  // A ^C ends the child too, and its failure is then no news.
  await nextTurn();
  if (!interrupt.signal.aborted) {
    console.error(error);
    process.exitCode = 1;
  }
} finally {
  await sweep(folder);
}

async function measure(): Promise<Section[]> {
  const start = performance.now();
  const budgetMs = BUDGET_MS * Math.max(1, rounds / DEFAULT_ROUNDS);
  const settings = settingsOf(folder);
  const sections: Section[] = [];
  for (const [index, setting] of settings.entries()) {
    // What one setting does not use of its share is there for the next.
    const deadline = start + (budgetMs * (index + 1)) / settings.length;
    const contestants = contestantsOf(setting).filter(({ name }) => isWanted(name));
    const race: Race = {
      run: runnerIn(folder, setting.env),
      floor: { title: 'node -e 0, the floor', argv: [setting.node, '-e', '0'] },
      contestants,
      rounds,
      deadline,
      breathe,
    };
    const rows = contestants.length === 0 ? [] : await hold(race);
    const figures = [
      ...(isWanted('detach') ? [await detachTime(race, setting.node, folder)] : []),
      ...(setting.isMain && isWanted('memory') ? await peakMemory(race, folder) : []),
    ];
    if (rows.length + figures.length > 0) sections.push({ title: setting.title, rows, figures });
  }
  return sections;
}

/** Everybody once; where only Node or its environment changes, nobody but us is different. */
function contestantsOf({ isMain }: Setting): Contestant[] {
  return isMain ? [ours(folder), firstRun(folder), ...rivals(folder)] : [ours(folder)];
}

function isWanted(name: string): boolean {
  return only.length === 0 || only.includes(name);
}

/** Between two processes, because a signal is not heard while one is waited for. */
async function breathe(): Promise<void> {
  await nextTurn();
  interrupt.signal.throwIfAborted();
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function readFlags(): { rounds: number; only: readonly string[]; json: boolean } {
  const names = [ours('/'), firstRun('/'), ...rivals('/')].map(({ name }) => name);
  names.push('detach', 'memory');
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: 'string', default: String(DEFAULT_ROUNDS) },
        only: { type: 'string', multiple: true, default: [] },
        json: { type: 'boolean', default: false },
      },
    });
    const unknown = values.only.find((name) => !names.includes(name));
    if (unknown !== undefined)
      throw new Error(`cannot use --only ${unknown}: expected one of ${names.join(', ')}`);
    const count = Number(values.rounds);
    if (!(Number.isInteger(count) && count > 0))
      throw new Error(`cannot use --rounds ${values.rounds}: expected a number above 0`);
    return { rounds: count, only: values.only, json: values.json };
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
}
