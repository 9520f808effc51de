// Python's `text % mapping`: %(name)s, %(number)02d and the other printf conversions but those for fractions.
import { byText, repr } from '../spec/python-text.js';

export type FormatValue = string | number;

/** Inner scopes first. */
export type Scopes = Iterable<ReadonlyMap<string, FormatValue>>;

export type Formatted = { readonly text: string } | { readonly fault: string };

/** `name` is what is being expanded, for the message of a fault. */
export function formatText(text: string, scopes: Scopes, name: string): Formatted {
  if (!text.includes('%')) return { text };
  try {
    return { text: new Formatter(text, scopes).run() };
  } catch (error) {
    if (error instanceof UnknownName)
      return {
        fault:
          `Format string ${repr(text)} for ${repr(name)} contains names (${repr(error.unknown)}) which cannot be ` +
          `expanded. Available names: ${namesOf(scopes).join(', ')}`,
      };
    if (error instanceof BadFormat)
      return { fault: `Format string ${repr(text)} for ${repr(name)} is badly formatted: ${error.message}` };
    throw error;
  }
}

class BadFormat extends Error {}

class UnknownName extends Error {
  readonly unknown: string;
  constructor(unknown: string) {
    super(unknown);
    this.unknown = unknown;
  }
}

const namesOf = (scopes: Scopes): string[] =>
  [...new Set([...scopes].flatMap((scope) => [...scope.keys()]))].sort(byText);

interface Conversion {
  readonly flags: string;
  readonly width: number | null;
  readonly precision: number | null;
  readonly type: string;
}

/** What a conversion without a name shows: the mapping itself. */
const WHOLE_MAPPING = Symbol('mapping');

type Argument = FormatValue | typeof WHOLE_MAPPING;

class Formatter {
  readonly #characters: readonly string[];
  readonly #scopes: Scopes;
  #at = 0;
  /** A name makes its value the next argument; without any name the mapping is the one argument there is. */
  #argument: Argument | null = WHOLE_MAPPING;

  constructor(text: string, scopes: Scopes) {
    this.#characters = [...text];
    this.#scopes = scopes;
  }

  run(): string {
    let result = '';
    while (this.#at < this.#characters.length) {
      const character = this.#characters[this.#at]!;
      this.#at += 1;
      result += character === '%' ? this.#convert() : character;
    }
    return result;
  }

  #convert(): string {
    if (this.#characters[this.#at] === '%') {
      this.#at += 1;
      return '%';
    }
    if (this.#characters[this.#at] === '(') this.#argument = this.#lookUp(this.#readKey());
    let character = this.#next();
    let flags = '';
    for (; '-+ #0'.includes(character); character = this.#next()) flags += character;
    let [width, afterWidth] = this.#readNumber(character);
    if (width !== null && width < 0) [width, flags] = [-width, `${flags}-`];
    character = afterWidth;
    let precision: number | null = null;
    if (character === '.') {
      const [digits, after] = this.#readNumber(this.#next());
      precision = Math.max(0, digits ?? 0);
      character = after;
    }
    if ('hlL'.includes(character)) character = this.#next();
    const argument = this.#takeArgument();
    return show(
      argument === WHOLE_MAPPING ? this.#wholeMapping() : argument,
      { flags, width, precision, type: character },
      this.#at - 1,
      argument === WHOLE_MAPPING ? 'dict' : typeof argument === 'number' ? 'int' : 'str',
    );
  }

  #next(): string {
    const character = this.#characters[this.#at];
    if (character === undefined) throw new BadFormat('incomplete format');
    this.#at += 1;
    return character;
  }

  #readNumber(first: string): [number | null, string] {
    if (first === '*') {
      const argument = this.#takeArgument();
      if (typeof argument !== 'number') throw new BadFormat('* wants int');
      return [argument, this.#next()];
    }
    let digits = '';
    let character = first;
    for (; /^\d$/.test(character); character = this.#next()) digits += character;
    // Nobody pads to a million columns, but a slip of the keyboard can ask for it.
    if (digits.length > 6) throw new BadFormat('width too big');
    return [digits === '' ? null : Number(digits), character];
  }

  #readKey(): string {
    const start = this.#at + 1;
    let depth = 1;
    for (let index = start; index < this.#characters.length; index += 1) {
      if (this.#characters[index] === '(') depth += 1;
      if (this.#characters[index] === ')') depth -= 1;
      if (depth > 0) continue;
      this.#at = index + 1;
      return this.#characters.slice(start, index).join('');
    }
    throw new BadFormat('incomplete format key');
  }

  #lookUp(name: string): FormatValue {
    for (const scope of this.#scopes) {
      const value = scope.get(name);
      if (value !== undefined) return value;
    }
    throw new UnknownName(name);
  }

  #takeArgument(): Argument {
    const argument = this.#argument;
    if (argument === null) throw new BadFormat('not enough arguments for format string');
    this.#argument = null;
    return argument;
  }

  #wholeMapping(): string {
    const all = new Map([...this.#scopes].reverse().flatMap((scope) => [...scope]));
    const entries = [...all].map(
      ([name, value]) => `${repr(name)}: ${typeof value === 'number' ? value : repr(value)}`,
    );
    return `{${entries.join(', ')}}`;
  }
}

function show(value: FormatValue, conversion: Conversion, index: number, type: string): string {
  switch (conversion.type) {
    case 's':
      return pad(cut(String(value), conversion), conversion);
    case 'r':
    case 'a':
      return pad(cut(type === 'str' ? repr(String(value)) : String(value), conversion), conversion);
    case 'c': {
      const character = typeof value === 'number' ? String.fromCodePoint(value) : value;
      if ([...character].length !== 1) throw new BadFormat('%c requires int or char');
      return pad(character, conversion);
    }
    case 'd':
    case 'i':
    case 'u':
      if (typeof value !== 'number')
        throw new BadFormat(`%${conversion.type} format: a real number is required, not ${type}`);
      return showInteger(value, 10, '', conversion);
    case 'o':
    case 'x':
    case 'X': {
      if (typeof value !== 'number')
        throw new BadFormat(`%${conversion.type} format: an integer is required, not ${type}`);
      const base = conversion.type === 'o' ? 8 : 16;
      const digits = showInteger(value, base, `0${conversion.type}`, conversion);
      return conversion.type === 'X' ? digits.toUpperCase() : digits;
    }
    default: {
      const point = conversion.type.codePointAt(0)!;
      const shown = point > 30 && point < 127 ? conversion.type : '?';
      throw new BadFormat(
        `unsupported format character '${shown}' (0x${point.toString(16)}) at index ${index}`,
      );
    }
  }
}

const cut = (text: string, { precision }: Conversion): string =>
  precision === null ? text : [...text].slice(0, precision).join('');

function showInteger(value: number, base: number, prefix: string, conversion: Conversion): string {
  const { flags, precision } = conversion;
  const sign = value < 0 ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  const lead = sign + (flags.includes('#') ? prefix : '');
  const digits = Math.abs(value)
    .toString(base)
    .padStart(precision ?? 0, '0');
  return flags.includes('0') && !flags.includes('-')
    ? lead + digits.padStart((conversion.width ?? 0) - lead.length, '0')
    : pad(lead + digits, conversion);
}

function pad(text: string, { width, flags }: Conversion): string {
  const missing = Math.max(0, (width ?? 0) - [...text].length);
  return flags.includes('-') ? text + ' '.repeat(missing) : ' '.repeat(missing) + text;
}
