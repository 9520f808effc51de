// What wall time does not show of a launcher: how long it takes from leaving the session to the program's exec, and
// how much memory it needs.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, runCommand, stopCommand } from './contestants.js';
import type { Race } from './measure.js';
import { type Spread, spreadOf } from './spread.js';

export type Figure =
  | { readonly title: string; readonly rounds: number; readonly values: Spread }
  | { readonly title: string; readonly absent: string };

const MANY = 20;

/**
 * Milliseconds from the first system call of the detaching to the return of posix_spawn. Nothing of this shows from
 * outside, so a stopwatch is loaded into the launcher; and Node is started without the shell lines, which run before.
 */
export async function detachTime(race: Race, node: string, folder: string): Promise<Figure> {
  const title = 'setsid to exec, ms';
  const pidfile = join(folder, 'detach.pid');
  const calls = join(folder, 'calls.json');
  const stopwatch = new URL('./stopwatch.js', import.meta.url).href;
  const argv = [node, '--import', stopwatch, ...runCommand(pidfile)];
  const times: number[] = [];
  // One more than counted, to warm up.
  for (let round = 0; round <= Math.min(race.rounds, MANY); round += 1) {
    race.run(argv, { BENCH_CALLS: calls });
    race.run(stopCommand(pidfile));
    const time = detachTimeIn(readFileSync(calls, 'utf8'));
    if (time === null) return { title, absent: 'the launcher called no setsid, or no posix_spawn' };
    times.push(time);
    await race.breathe();
  }
  return { title, rounds: times.length - 1, values: spreadOf(times.slice(1)) };
}

function detachTimeIn(text: string): number | null {
  const calls = JSON.parse(text) as [name: string, began: number, ended: number][];
  const first = calls.find(([name]) => name === 'setpgid' || name === 'setsid');
  const last = calls.find(([name]) => name === 'posix_spawn');
  return first === undefined || last === undefined ? null : last[2] - first[1];
}

/** Peak resident memory in MB of the largest process of each command, as GNU time tells it. */
export async function peakMemory(race: Race, folder: string): Promise<Figure[]> {
  const pidfile = join(folder, 'memory.pid');
  const commands: [title: string, argv: readonly string[]][] = [
    [race.floor.title, race.floor.argv],
    ['tsdaemon run', runCommand(pidfile)],
    ['tsdaemon stop', stopCommand(pidfile)],
  ];
  const time = findProgram('time') ?? 'time';
  const isGnu = /GNU/.test(spawnSync(time, ['--version'], { encoding: 'utf8' }).stdout ?? '');
  const absent = isGnu ? null : 'GNU time is not installed';
  const peaks = commands.map((): number[] => []);
  for (let round = 0; absent === null && round < Math.min(race.rounds, MANY); round += 1) {
    for (const [index, [, argv]] of commands.entries()) {
      const report = join(folder, 'peak');
      race.run([time, '-f', '%M', '-o', report, ...argv]);
      peaks[index]!.push(Number(readFileSync(report, 'latin1')) / 1024);
      await race.breathe();
    }
  }
  return commands.map(([command], index) => {
    const title = `${command}, peak MB`;
    return absent === null
      ? { title, rounds: peaks[index]!.length, values: spreadOf(peaks[index]!) }
      : { title, absent };
  });
}
