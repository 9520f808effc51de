// Programs that were added at run time: objects with a name and keys of [program:x], read as one more file would be.
import { reasonOf } from '../../errors.js';
import { suggest } from '../suggest.js';
import { sections } from './sections.js';
import type { AddedProgram } from './source.js';

/** One object or several. A text says why they cannot be used. */
export function readAdded(json: string): readonly AddedProgram[] | string {
  let given: unknown;
  try {
    given = JSON.parse(json);
  } catch (error) {
    return `not JSON: ${reasonOf(error)}`;
  }
  const programs: AddedProgram[] = [];
  for (const one of Array.isArray(given) ? (given as readonly unknown[]) : [given]) {
    const program = readOne(one);
    if (typeof program === 'string') return program;
    if (programs.some(({ name }) => name === program.name)) return `${program.name} is there twice`;
    programs.push(program);
  }
  return programs;
}

const known = Object.keys(sections.program!.keys);

function readOne(given: unknown): AddedProgram | string {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return 'expected an object with a name, a command and other keys of [program:x]';
  const { name, ...keys } = given as Readonly<Record<string, unknown>>;
  if (typeof name !== 'string' || !/^[^\s:[\]/]+$/.test(name))
    return `not a name of a program: ${JSON.stringify(name) ?? 'none'}`;
  const values: Record<string, string> = {};
  for (const [key, value] of Object.entries(keys)) {
    if (!known.includes(key)) {
      const meant = suggest(key, known);
      return `unknown key ${key} of ${name}${meant === null ? '' : ` (did you mean ${meant}?)`}`;
    }
    const text = textOf(key, value);
    if (text === null)
      return `cannot use ${key} of ${name}: expected a text, a number, true, false or a list`;
    values[key] = text;
  }
  return { name, values };
}

function textOf(key: string, value: unknown): string | null {
  if (Array.isArray(value)) {
    const items = value.map((item) => textOf('', item));
    if (items.includes(null)) return null;
    return key === 'command' ? items.map((item) => quote(item!)).join(' ') : items.join(',');
  }
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : null;
}

/** The words of a list are meant as they are: no quotes, no percent signs. */
const quote = (word: string): string => `'${word.replaceAll('%', '%%').replaceAll("'", `'"'"'`)}'`;
