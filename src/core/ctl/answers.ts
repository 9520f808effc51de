// What servers answer, brought into the shapes that the actions use. A field of another type than expected is taken
// as empty: an odd server makes an odd line, and no more.
import { HttpError } from '../../errors.js';
import type { ProcessResult } from './faults.js';

export type Struct = Readonly<Record<string, unknown>>;

const isStruct = (value: unknown): value is Struct =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);

export function structOf(value: unknown): Struct {
  if (isStruct(value)) return value;
  throw new HttpError('the server', null, 'expected a struct');
}

export function structsOf(value: unknown): readonly Struct[] {
  if (Array.isArray(value) && value.every(isStruct)) return value;
  throw new HttpError('the server', null, 'expected an array of structs');
}

/** What getAllStates answers of a process. */
export type StateRow = readonly [namespec: string, state: string, description: string];

const isText = (value: unknown): value is string => typeof value === 'string';
const isStateRow = (value: unknown): value is StateRow =>
  Array.isArray(value) && value.length === 3 && value.every(isText);

export function stateRowsOf(value: unknown): readonly StateRow[] {
  if (Array.isArray(value) && value.every(isStateRow)) return value;
  throw new HttpError('the server', null, 'expected an array of states');
}

export const resultsOf = (value: unknown): ProcessResult[] =>
  structsOf(value).map(({ group, name, status, description }) => ({
    group: textOf(group),
    name: textOf(name),
    status: numberOf(status),
    description: textOf(description),
  }));

export interface Changes {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** What reloadConfig answers: [[added, changed, removed]]. */
export function changesOf(value: unknown): Changes {
  const lists: unknown = Array.isArray(value) ? value[0] : undefined;
  const [added, changed, removed] = (Array.isArray(lists) ? lists : []).map((list: unknown) =>
    Array.isArray(list) ? list.map(textOf) : null,
  );
  if (added && changed && removed) return { added, changed, removed };
  throw new HttpError('the server', null, 'expected lists of added, changed and removed groups');
}
