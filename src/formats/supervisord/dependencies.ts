// depends_on: the names it may use, and that nothing waits for itself.

import { namespecOf } from '../../spec/supervision.js';
import { suggest } from '../suggest.js';
import type { GroupConfig, ProcessConfig } from './config.js';
import type { Reading } from './reading.js';

/** The processes that a name stands for: those of a group, of a program, or one process. */
export function findProcesses(name: string, processes: readonly ProcessConfig[]): readonly ProcessConfig[] {
  const group = name.endsWith(':*') ? name.slice(0, -2) : name;
  return processes.filter(
    (instance) =>
      instance.group === group || namespecOf(instance) === name || instance.section === `program:${name}`,
  );
}

export function checkDependencies(reading: Reading, groups: readonly GroupConfig[]): void {
  const processes = groups.flatMap((group) => group.processes);
  const waiting = new Map<string, readonly string[]>();
  for (const instance of processes) {
    const place = reading.placeOfKey(instance.section, 'depends_on');
    const names = instance.depends_on.flatMap(({ name }) => {
      const found = findProcesses(name, processes);
      const known = processes.flatMap((one) => [one.group, namespecOf(one)]);
      if (found.length === 0)
        reading.error(
          `depends_on of [${instance.section}] names unknown program ${name}`,
          place,
          suggest(name, known),
        );
      return found.map(namespecOf);
    });
    if (names.length > 0) waiting.set(namespecOf(instance), names);
  }
  const circle = findCircle(waiting);
  const first = processes.find((instance) => namespecOf(instance) === circle?.[0]);
  if (circle !== null && first !== undefined)
    reading.error(
      `depends_on goes in a circle: ${circle.join(' -> ')}`,
      reading.placeOfKey(first.section, 'depends_on'),
    );
}

function findCircle(waiting: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const done = new Set<string>();
  const walk = (name: string, trail: readonly string[]): readonly string[] | null => {
    if (trail.includes(name)) return [...trail.slice(trail.indexOf(name)), name];
    if (done.has(name)) return null;
    for (const next of waiting.get(name) ?? []) {
      const circle = walk(next, [...trail, name]);
      if (circle !== null) return circle;
    }
    done.add(name);
    return null;
  };
  for (const name of waiting.keys()) {
    const circle = walk(name, []);
    if (circle !== null) return circle;
  }
  return null;
}
