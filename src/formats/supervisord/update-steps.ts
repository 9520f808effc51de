// What an update does to each process, and which key is why.

import { namespecOf } from '../../spec/supervision.js';
import type { GroupConfig, ProcessConfig } from './config.js';
import { type KeyChange, planUpdate } from './plan-update.js';

export interface UpdateStep {
  /** The last three leave every process as it is: one that does not run, or a key of a group that no member knows of. */
  readonly do: 'start' | 'stop' | 'restart' | 'add' | 'remove' | 'change';
  /** A process, as clients name it; for keys of a group, the group. */
  readonly name: string;
  readonly keys: readonly KeyChange[];
}

interface Grouped {
  readonly groups: readonly GroupConfig[];
}

/** `isUp` tells of a process of the old configuration whether it runs, or is about to. */
export function updateSteps(
  before: Grouped,
  after: Grouped,
  isUp: (instance: ProcessConfig) => boolean,
): readonly UpdateStep[] {
  const plan = planUpdate(before, after);
  const find = ({ groups }: Grouped, name: string): GroupConfig =>
    groups.find((group) => group.name === name)!;
  const adding = (instance: ProcessConfig): UpdateStep => ({
    do: instance.autostart ? 'start' : 'add',
    name: namespecOf(instance),
    keys: [],
  });
  const removing = (instance: ProcessConfig): UpdateStep => ({
    do: isUp(instance) ? 'stop' : 'remove',
    name: namespecOf(instance),
    keys: [],
  });
  return [
    ...plan.removed.flatMap((name) => find(before, name).processes.map(removing)),
    ...plan.changes.flatMap((change): UpdateStep[] => {
      const [old, next] = [find(before, change.name).processes, find(after, change.name).processes];
      return [
        ...(change.keys.length === 0
          ? []
          : [{ do: 'change', name: change.name, keys: change.keys } as const]),
        ...old.filter(({ name }) => change.removed.includes(name)).map(removing),
        ...change.changed.map(({ name, keys }): UpdateStep => {
          const instance = old.find((one) => one.name === name)!;
          return { do: isUp(instance) ? 'restart' : 'change', name: namespecOf(instance), keys };
        }),
        ...next.filter(({ name }) => change.added.includes(name)).map(adding),
      ];
    }),
    ...plan.added.flatMap((name) => find(after, name).processes.map(adding)),
  ];
}
