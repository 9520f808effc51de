// What an update has to do to get from the configuration that is active to one that was read.
import type { GroupConfig, ProcessConfig, SupervisordConfig } from './config.js';

export interface UpdatePlan {
  /** Names of groups. Added and changed ones in the new order, removed ones in the old: what reloadConfig answers. */
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** One for each changed group. */
  readonly changes: readonly GroupChange[];
}

export interface GroupChange {
  readonly name: string;
  /** Of the group itself. Other processes of it need not know. */
  readonly keys: readonly KeyChange[];
  /** Names of processes. Those that are in none of the lists stay as they are. */
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly ProcessChange[];
}

export interface ProcessChange {
  readonly name: string;
  readonly keys: readonly KeyChange[];
}

export interface KeyChange {
  readonly key: string;
  /** As JSON. */
  readonly from: string;
  readonly to: string;
}

type Grouped = Pick<SupervisordConfig, 'groups'>;

/**
 * Supervisor's rule is by groups: any difference in one restarts all of it. It fails to see a log that was AUTO
 * before or is now, and a program that had an fcgi socket; both are changes here.
 */
export function planUpdate(before: Grouped, after: Grouped): UpdatePlan {
  const [old, next] = [byName(before.groups), byName(after.groups)];
  const changes = [...next.values()].flatMap((group) => {
    const previous = old.get(group.name);
    const change = previous === undefined ? null : compareGroups(previous, group);
    return change === null ? [] : [change];
  });
  return {
    added: [...next.keys()].filter((name) => !old.has(name)),
    changed: changes.map(({ name }) => name),
    removed: [...old.keys()].filter((name) => !next.has(name)),
    changes,
  };
}

const byName = <T extends { readonly name: string }>(list: readonly T[]): Map<string, T> =>
  new Map(list.map((one) => [one.name, one]));

function compareGroups(before: GroupConfig, after: GroupConfig): GroupChange | null {
  const keys = compareKeys(before, after, ['name', 'processes']);
  const [old, next] = [byName(before.processes), byName(after.processes)];
  const changed = [...next.values()].flatMap((instance) => {
    const previous = old.get(instance.name);
    const differences = previous === undefined ? [] : compareProcesses(previous, instance);
    return differences.length === 0 ? [] : [{ name: instance.name, keys: differences }];
  });
  const added = [...next.keys()].filter((name) => !old.has(name));
  const removed = [...old.keys()].filter((name) => !next.has(name));
  const isSame = [keys, added, removed, changed].every((list) => list.length === 0);
  return isSame ? null : { name: after.name, keys, added, removed, changed };
}

/** Where it stands in the files, and how many others there are of it. */
const noDifference = ['section', 'file', 'line', 'numprocs', 'numprocs_start'];
/** What has become of these is compared: the command, the environment, exit_on. */
const comparedElsewhere = ['argv', 'commandFault', 'env_file', 'essential'];

const compareProcesses = (before: ProcessConfig, after: ProcessConfig): KeyChange[] =>
  compareKeys(sorted(before), sorted(after), [...noDifference, ...comparedElsewhere]);

/** The order of variables makes no difference to a program. */
const sorted = (instance: ProcessConfig): ProcessConfig => ({
  ...instance,
  environment: instance.environment.toSorted(),
});

function compareKeys(before: object, after: object, ignored: readonly string[]): KeyChange[] {
  const [old, next] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  return [...new Set([...old.keys(), ...next.keys()])]
    .filter((key) => !ignored.includes(key))
    .map((key) => ({ key, from: show(old.get(key)), to: show(next.get(key)) }))
    .filter(({ from, to }) => from !== to);
}

const show = (value: unknown): string => JSON.stringify(value) ?? 'null';
