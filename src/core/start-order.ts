// In which order services start and stop. Supervisor's priorities order what is done in one pass; dependencies say what
// has to wait for what. A dependent starts after, and stops before, what it depends on.

import { idOf, type SupervisedGroup, type SupervisedService } from '../spec/supervision.js';

/** All services, in the order in which Supervisor starts them: by priority and then by name, groups first. */
export function inStartOrder(groups: readonly SupervisedGroup[]): SupervisedService[] {
  return [...groups].sort(byPriority).flatMap(({ services }) => [...services].sort(byPriority));
}

/**
 * Waves: each is stopped at once, and the next one when all of it is over. As Supervisor does: one group after the
 * other, the highest priority first; but what depends on a service is stopped before it, wherever it stands.
 */
export function stopWaves(groups: readonly SupervisedGroup[]): SupervisedService[][] {
  let left = inStartOrder(groups);
  const waves: SupervisedService[][] = [];
  while (left.length > 0) {
    const needed = new Set(left.flatMap(({ dependencies }) => dependencies.map(({ on }) => on)));
    const free = left.filter((service) => !needed.has(idOf(service)));
    // A circle is refused where it is configured; here it must only not hold up the end.
    const candidates = free.length > 0 ? free : left;
    const { group } = candidates.at(-1)!;
    const wave = candidates.filter((service) => service.group === group).reverse();
    waves.push(wave);
    left = left.filter((service) => !wave.includes(service));
  }
  return waves;
}

interface Ranked {
  readonly name: string;
  readonly priority: number;
}

const byPriority = (first: Ranked, second: Ranked): number =>
  first.priority - second.priority || compareText(first.name, second.name);

/** By code points, as Python sorts: no locale. */
const compareText = (first: string, second: string): number => (first < second ? -1 : first > second ? 1 : 0);
