// The types of values that Supervisor has not.

import { splitWords, strip } from '../../spec/python-text.js';
import { isProbeTarget, parseReadiness, type Readiness, readinessForms } from '../../spec/readiness.js';
import type { Limit, LimitValue, ProbeTarget, Reach } from '../../spec/service-spec.js';
import { type Facts, ValueFault } from './value-types.js';

/** One item of `depends_on`. */
export interface Dependency {
  /** A program, a group, or group:process. */
  readonly name: string;
  readonly until: 'started' | 'ready';
}

const list = (text: string): string[] => splitWords(text.replaceAll(',', ' '));

/** db, db:ready, db:started, cache:cache_00:ready. */
export function dependencies(text: string): Dependency[] {
  return list(text).map((item) => {
    const match = /^(.+?)(?::(ready|started))?$/.exec(item)!;
    return { name: match[1]!, until: (match[2] as Dependency['until'] | undefined) ?? 'ready' };
  });
}

const milliseconds: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Seconds, or a number with a unit: 10, 0.5, 500ms, 5m, 2h. */
export function duration(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)?$/.exec(strip(text).toLowerCase());
  if (match === null)
    throw new ValueFault(`not a valid duration: '${text}' (expected seconds, or as 500ms, 5m, 2h)`);
  return Number(match[1]) * milliseconds[match[2] ?? 's']!;
}

export function readiness(text: string): Readiness {
  const read = parseReadiness(text);
  if (read.kind === 'unreadable')
    throw new ValueFault(`not a valid sign of readiness: '${text}': ${read.reason}`);
  return read;
}

export function probe(text: string): ProbeTarget {
  const read = readiness(text);
  if (isProbeTarget(read)) return read;
  throw new ValueFault(
    `not a valid probe: '${text}' cannot be asked again (expected one of tcp:, http: or cmd: in ${readinessForms})`,
  );
}

function numberFrom(text: string, least: number, most: number, what: string): number {
  const value = /^[+-]?\d{1,9}(?:\.\d{1,9})?$/.test(strip(text)) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new ValueFault(`not a valid ${what}: '${text}' (expected a number from ${least} to ${most})`);
}

export const factor = (text: string): number => numberFrom(text, 1, 1000, 'factor');
export const share = (text: string): number => numberFrom(text, 0, 1, 'share');

export function nice(text: string): number {
  const value = numberFrom(text, -20, 19, 'nice value');
  if (!Number.isInteger(value))
    throw new ValueFault(`not a valid nice value: '${text}' (expected a whole number)`);
  return value;
}

/** nofile=1024:4096, core=unlimited; separated by commas or newlines. */
export function limits(text: string, { host }: Facts): Limit[] {
  return list(text).map((item) => {
    const match = /^([a-z]+)=(\d{1,15}|unlimited)(?::(\d{1,15}|unlimited))?$/.exec(item);
    if (match === null)
      throw new ValueFault(`not a valid limit: '${item}' (expected NAME=SOFT or NAME=SOFT:HARD)`);
    const [, resource, soft, hard = soft] = match as unknown as [string, string, string, string?];
    if (!host.resources.includes(resource))
      throw new ValueFault(`not a valid limit: '${item}' (known are ${host.resources.join(', ')})`);
    const limit = { resource, soft: limitValue(soft), hard: limitValue(hard!) };
    if (size(limit.soft) > size(limit.hard))
      throw new ValueFault(`not a valid limit: '${item}' (the soft half is above the hard one)`);
    return limit;
  });
}

const limitValue = (text: string): LimitValue => (text === 'unlimited' ? text : Number(text));
const size = (value: LimitValue): number => (value === 'unlimited' ? Number.POSITIVE_INFINITY : value);

function oneOf<const Word extends string>(words: readonly Word[], what: string): (text: string) => Word {
  return (text) => {
    const word = words.find((candidate) => candidate === text.toLowerCase());
    if (word === undefined)
      throw new ValueFault(`not a valid ${what}: '${text}' (expected ${words.join(', ')})`);
    return word;
  };
}

export const reach: (text: string) => Reach = oneOf(['process', 'group', 'tree'], 'killmode');
export const exitOn = oneOf(['fatal', 'exited'], 'exit_on');

export function cron(text: string, { lookups }: Facts): string {
  const fault = lookups.cronFault(text);
  if (fault !== null) throw new ValueFault(`not a valid cron expression: '${text}': ${fault}`);
  return text;
}
