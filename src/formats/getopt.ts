// Python's getopt: options end at the first word that is none, short ones may be bundled, long ones shortened.

export interface OptionTable {
  /** By letter; what a value is for, or null for a switch: `{ c: true, i: false }` says whether it takes one. */
  readonly short: Readonly<Record<string, boolean>>;
  readonly long: Readonly<Record<string, boolean>>;
}

export interface GivenOption {
  /** With its dashes, and in full. */
  readonly name: string;
  /** Empty for a switch. */
  readonly value: string;
}

/** A text instead is Python's message about the mistake. */
export function getopt(
  words: readonly string[],
  table: OptionTable,
): { readonly options: readonly GivenOption[]; readonly rest: readonly string[] } | string {
  const options: GivenOption[] = [];
  let rest = words;
  while (rest.length > 0) {
    const word = rest[0]!;
    if (!word.startsWith('-') || word === '-') break;
    rest = rest.slice(1);
    if (word === '--') break;
    const taken = word.startsWith('--')
      ? takeLong(word.slice(2), rest, table)
      : takeShort(word.slice(1), rest, table);
    if (typeof taken === 'string') return taken;
    options.push(...taken.options);
    rest = taken.rest;
  }
  return { options, rest };
}

type Taken = { readonly options: readonly GivenOption[]; readonly rest: readonly string[] } | string;

function takeLong(word: string, rest: readonly string[], { long }: OptionTable): Taken {
  const equals = word.indexOf('=');
  const typed = equals === -1 ? word : word.slice(0, equals);
  const fitting = Object.keys(long).filter((name) => name.startsWith(typed));
  const name = fitting.includes(typed) ? typed : fitting[0];
  if (name === undefined) return `option --${typed} not recognized`;
  if (name !== typed && fitting.length > 1) return `option --${typed} not a unique prefix`;
  if (long[name] === false)
    return equals === -1
      ? { options: [{ name: `--${name}`, value: '' }], rest }
      : `option --${name} must not have an argument`;
  if (equals !== -1) return { options: [{ name: `--${name}`, value: word.slice(equals + 1) }], rest };
  const [value, ...more] = rest;
  return value === undefined
    ? `option --${name} requires argument`
    : { options: [{ name: `--${name}`, value }], rest: more };
}

function takeShort(word: string, rest: readonly string[], { short }: OptionTable): Taken {
  const options: GivenOption[] = [];
  const letters = [...word];
  for (const [index, letter] of letters.entries()) {
    const takesValue = Object.hasOwn(short, letter) ? short[letter] : undefined;
    if (takesValue === undefined) return `option -${letter} not recognized`;
    if (!takesValue) {
      options.push({ name: `-${letter}`, value: '' });
      continue;
    }
    const attached = letters.slice(index + 1).join('');
    const value = attached === '' ? rest[0] : attached;
    if (value === undefined) return `option -${letter} requires argument`;
    return {
      options: [...options, { name: `-${letter}`, value }],
      rest: attached === '' ? rest.slice(1) : rest,
    };
  }
  return { options, rest };
}
