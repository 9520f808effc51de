// From the death of a program to the first line of the next one, for all who keep programs alive at the same time.
import { setTimeout as pause } from 'node:timers/promises';
import type { Watcher } from './watchers.js';

/** runsv, supervise and s6-supervise wait a second after a run that was shorter than a second. */
const LIVES_MS = 1200;
const GIVES_UP_MS = 15_000;

/** One that takes part: the process that watches, and milliseconds of its restarts. */
export interface Lane {
  readonly watcher: Watcher;
  readonly pid: number;
  readonly times: readonly number[];
}

export interface Absent {
  readonly name: string;
  readonly absent: string;
}

/** They are killed in turn, so that every program has lived long enough when its turn comes; all are left running. */
export async function raceRestarts(
  watchers: readonly Watcher[],
  rounds: number,
): Promise<{ readonly lanes: readonly Lane[]; readonly absent: readonly Absent[] }> {
  const absent: Absent[] = [];
  const lanes: { watcher: Watcher; pid: number; program: number; times: number[] }[] = [];
  for (const watcher of watchers) {
    if (watcher.absent !== null) {
      absent.push({ name: watcher.name, absent: watcher.absent });
      continue;
    }
    const report = watcher.witness.next(GIVES_UP_MS);
    const pid = await watcher.begin();
    const program = await report;
    if (program === null) absent.push({ name: watcher.name, absent: 'did not start its program' });
    else lanes.push({ watcher, pid, program, times: [] });
  }
  for (let round = 0; round < rounds; round += 1) {
    await pause(LIVES_MS);
    for (const lane of lanes) {
      const report = lane.watcher.witness.next(GIVES_UP_MS);
      // The read must be waiting in its thread before the clock begins.
      await pause(20);
      const began = performance.now();
      process.kill(lane.program, 'SIGKILL');
      const program = await report;
      const ms = performance.now() - began;
      if (program === null) throw new Error(`${lane.watcher.name} did not restart its program`);
      lane.program = program;
      // The first round warms up.
      if (round > 0) lane.times.push(ms);
    }
  }
  return { lanes, absent };
}

export function endAll(lanes: readonly Lane[]): void {
  for (const { watcher } of lanes) {
    watcher.end();
    watcher.witness.close();
  }
}
