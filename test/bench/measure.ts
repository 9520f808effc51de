// Wall time of whole processes, each next to its own floor. A noisy machine drifts by more than what is to be
// measured, so a step is never compared with a floor of another minute: in every round each step stands between two
// runs of the floor, and its ratio is to their mean.
import { spawnSync } from 'node:child_process';
import { ftruncateSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Spread, spreadOf } from './spread.js';

export type Environment = Readonly<Record<string, string>>;

export interface Step {
  readonly title: string;
  readonly argv: readonly string[];
  /** Beside the environment of all. */
  readonly env?: Environment;
  /** Untimed; throws where the step exited with 0 without having done its work, for that would be a fast figure. */
  readonly check?: () => void | Promise<void>;
}

export interface Contestant {
  /** What --only knows it by. */
  readonly name: string;
  /** Why it cannot take part. */
  readonly absent?: string | null;
  /** Whose failure ends the bench; a rival's only says that the rival is not fit for this machine. */
  readonly isOurs?: boolean;
  /** Timed one after the other in every round. */
  readonly steps: readonly Step[];
  /** Untimed, before the first of the steps and after the last, in every round. */
  readonly before?: (run: Run) => void;
  readonly after?: (run: Run) => void;
  /** Untimed, when all rounds are over. */
  readonly close?: (run: Run) => void;
}

export type Row =
  | { readonly title: string; readonly rounds: number; readonly ms: Spread; readonly ratio: Spread }
  | { readonly title: string; readonly absent: string };

/** Runs a process to its end and returns the milliseconds that took; throws where it does not exit with 0. */
export type Run = (argv: readonly string[], env?: Environment) => number;

export interface Race {
  readonly run: Run;
  readonly floor: Step;
  readonly contestants: readonly Contestant[];
  readonly rounds: number;
  /** By performance.now(): no round starts later. */
  readonly deadline: number;
  /** Lets signals in, and throws when one of them asked for the end. */
  readonly breathe: () => Promise<void>;
}

/** Who is a hundred times slower than the others takes part in fewer rounds, not in all of the time. */
const SHARE_MS = 8000;
const HANGS_MS = 60_000;

export function runnerIn(folder: string, common: Environment): Run {
  // A file, because a pipe would also measure how long the daemon holds it open.
  const path = join(folder, 'stderr');
  const errors = openSync(path, 'a');
  return (argv, env = {}) => {
    const [file, ...args] = argv;
    ftruncateSync(errors);
    const start = performance.now();
    const { status, signal, error } = spawnSync(file!, args, {
      cwd: folder,
      env: { ...common, ...env },
      stdio: ['ignore', 'ignore', errors],
      timeout: HANGS_MS,
    });
    const ms = performance.now() - start;
    if (status === 0) return ms;
    const said = readFileSync(path, 'utf8').trim().split('\n', 1)[0];
    throw new Error(`${argv.join(' ')}: ${error?.message ?? signal ?? `exit code ${status}`} ${said}`.trim());
  };
}

/** One contestant under way. */
interface Lane {
  readonly contestant: Contestant;
  absent: string | null;
  spentMs: number;
  readonly samples: readonly { readonly ms: number[]; readonly ratios: number[] }[];
}

/** The floor's own row comes first: how far it is from itself says how far to trust the others. */
export async function hold(race: Race): Promise<Row[]> {
  const lanes = race.contestants.map((contestant): Lane => {
    const samples = contestant.steps.map(() => ({ ms: [], ratios: [] }));
    return { contestant, absent: contestant.absent ?? null, spentMs: 0, samples };
  });
  const floors: number[] = [];
  try {
    // A first round for the page cache and for our code cache; it also shows which rivals do not work here.
    for (const lane of lanes) await tryOut(race, lane);
    for (let round = 0; round < race.rounds && performance.now() < race.deadline; round += 1) {
      floors.push(race.run(race.floor.argv));
      for (const lane of lanes) {
        if (lane.absent === null && lane.spentMs < SHARE_MS) await takePart(race, lane, floors);
      }
    }
  } finally {
    for (const { contestant, absent } of lanes) if (absent === null) contestant.close?.(race.run);
  }
  return [floorRow(race.floor.title, floors), ...lanes.flatMap(rowsOf)];
}

async function tryOut(race: Race, lane: Lane): Promise<void> {
  if (lane.absent !== null) return;
  try {
    await takePart(race, lane, [1]);
  } catch (error) {
    await race.breathe();
    if (lane.contestant.isOurs === true || !(error instanceof Error)) throw error;
    lane.absent = `failed: ${error.message}`;
  }
  lane.spentMs = 0;
  for (const { ms, ratios } of lane.samples) ms.length = ratios.length = 0;
}

async function takePart({ run, floor, breathe }: Race, lane: Lane, floors: number[]): Promise<void> {
  const { steps, before, after } = lane.contestant;
  before?.(run);
  for (const [index, step] of steps.entries()) {
    const ms = run(step.argv, step.env);
    await step.check?.();
    const earlier = floors.at(-1)!;
    const later = run(floor.argv);
    floors.push(later);
    lane.samples[index]!.ms.push(ms);
    lane.samples[index]!.ratios.push(ms / ((earlier + later) / 2));
    lane.spentMs += ms;
    await breathe();
  }
  after?.(run);
}

function floorRow(title: string, floors: readonly number[]): Row {
  const ratios = floors.slice(1, -1).map((ms, index) => ms / ((floors[index]! + floors[index + 2]!) / 2));
  if (ratios.length === 0) return { title, absent: 'no time left' };
  return { title, rounds: floors.length, ms: spreadOf(floors), ratio: spreadOf(ratios) };
}

function rowsOf({ contestant, absent, samples }: Lane): Row[] {
  return contestant.steps.map(({ title }, index): Row => {
    const { ms, ratios } = samples[index]!;
    if (absent !== null || ms.length === 0) return { title, absent: absent ?? 'no time left' };
    return { title, rounds: ms.length, ms: spreadOf(ms), ratio: spreadOf(ratios) };
  });
}
