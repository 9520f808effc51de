// The INI dialect of Python's RawConfigParser, not strict, with `;` and `#` as inline comments; and where each
// value stood. No value is interpreted: quotes and percent signs are text here.
import { indentOf, isSpace, repr, strip, stripEnd } from '../spec/python-text.js';

export interface IniValue {
  /** Lines joined by \n. */
  readonly text: string;
  readonly file: string;
  readonly line: number;
  /** An inline comment that was cut off the value, its mark included; null if there was none. */
  readonly comment: string | null;
}

export interface IniSection {
  /** The file and line of its first header. */
  readonly file: string;
  readonly line: number;
  readonly values: Map<string, IniValue>;
}

/** What was read so far: files are merged one after the other, and a later value takes the place of an earlier. */
export interface Ini {
  readonly sections: Map<string, IniSection>;
  /** Of [DEFAULT], which are the values of every section that has none of its own. */
  readonly defaults: Map<string, IniValue>;
  /** Keys that a file writes twice in a section, and where the later one is. */
  readonly repeated: RepeatedKey[];
}

export interface RepeatedKey {
  readonly section: string;
  readonly key: string;
  readonly file: string;
  readonly line: number;
}

/** A line that is neither header, value nor comment. The message names the file, and all such lines of it. */
export interface IniFault {
  readonly message: string;
  readonly line: number;
}

export const emptyIni = (): Ini => ({ sections: new Map(), defaults: new Map(), repeated: [] });

export function findValue(ini: Ini, section: string, key: string): IniValue | null {
  return ini.sections.get(section)?.values.get(key) ?? ini.defaults.get(key) ?? null;
}

export const keysOf = (ini: Ini, section: string): string[] => [
  ...new Set([...(ini.sections.get(section)?.values.keys() ?? []), ...ini.defaults.keys()]),
];

interface Growing {
  readonly lines: string[];
  readonly line: number;
  comment: string | null;
}

/** Nearly every line of a long file: not indented, no comment, a name and a value. */
const PLAIN_VALUE = /^\w+ *[=:][^;#]*$/;

/** Which sections are kept; all are read, and any may hold the fault. */
export type Wants = (section: string) => boolean;

/** Merges a file into what was read before it. The fault, if any, is to be treated as a failure of the whole. */
export function mergeIni(ini: Ini, text: string, file: string, wants: Wants = () => true): IniFault | null {
  const bogus: { readonly line: number; readonly text: string }[] = [];
  const growing = new Map<Map<string, IniValue>, Map<string, Growing>>();
  const unwanted: Growing = { lines: [], line: 0, comment: null };
  let section: Map<string, IniValue> | 'unwanted' | null = null;
  let sectionName = '';
  let current: Growing | null = null;
  let indent = 0;
  let line = 0;
  const lines = splitLines(text);
  /** As a message shows it: with its newline, which the last may not have. */
  const written = (raw: string): string => (line < lines.length ? `${raw}\n` : raw);
  for (const raw of lines) {
    line += 1;
    if (section === 'unwanted' && PLAIN_VALUE.test(raw)) {
      current = unwanted;
      indent = 0;
      continue;
    }
    const start = commentStart(raw);
    const content = strip(start === null ? raw : raw.slice(0, start));
    if (content === '') {
      // A line that holds nothing else than a comment is no line of the value.
      if (start === null) current?.lines.push('');
      continue;
    }
    const depth = indentOf(raw);
    const comment = start === null ? null : stripEnd(raw.slice(start));
    if (current !== null && depth > indent) {
      current.lines.push(content);
      current.comment ??= comment;
      continue;
    }
    indent = depth;
    const header = content.startsWith('[') ? /^\[([^\n]+)\]/.exec(content)?.[1] : undefined;
    if (header !== undefined) {
      section = wants(header) ? openSection(ini, header, file, line) : 'unwanted';
      sectionName = header;
      current = null;
      continue;
    }
    if (section === null)
      return {
        message: `File contains no section headers.\nfile: ${repr(file)}, line: ${line}\n${repr(written(raw))}`,
        line,
      };
    const delimiter = content.search(/[=:]/);
    if (delimiter < 1) bogus.push({ line, text: written(raw) });
    if (delimiter === -1) continue;
    if (section === 'unwanted') {
      current = delimiter === 0 ? null : unwanted;
      continue;
    }
    const key = stripEnd(content.slice(0, delimiter)).toLowerCase();
    const value: Growing = { lines: [strip(content.slice(delimiter + 1))], line, comment };
    const values = growing.get(section) ?? new Map<string, Growing>();
    if (values.has(key)) ini.repeated.push({ section: sectionName, key, file, line });
    growing.set(section, values.set(key, value));
    // A value without a name cannot be continued.
    current = key === '' ? null : value;
  }
  for (const [values, added] of growing)
    for (const [key, { lines, line, comment }] of added)
      values.set(key, { text: stripEnd(lines.join('\n')), file, line, comment });
  return bogus.length === 0 ? null : parsingErrors(file, bogus);
}

function openSection(ini: Ini, name: string, file: string, line: number): Map<string, IniValue> {
  if (name === 'DEFAULT') return ini.defaults;
  const section = ini.sections.get(name) ?? { file, line, values: new Map() };
  ini.sections.set(name, section);
  return section.values;
}

/** Without their newlines, of which Python's text files know three. */
const splitLines = (text: string): string[] =>
  (text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text).split('\n');

/**
 * Where a comment begins; null if there is none. Python looks at the first `;` and the first `#`, then at the second
 * of each, and so on, and stops at the first round that has one after a blank: not always the leftmost.
 */
function commentStart(line: string): number | null {
  if (!line.includes(';') && !line.includes('#')) return null;
  if (/^[;#]/.test(strip(line))) return 0;
  let places: readonly (readonly [string, number])[] = [
    [';', -1],
    ['#', -1],
  ];
  while (places.length > 0) {
    places = places
      .map(([mark, index]) => [mark, line.indexOf(mark, index + 1)] as const)
      .filter(([, index]) => index !== -1);
    const starts = places
      .map(([, index]) => index)
      .filter((index) => index === 0 || isSpace(line[index - 1]!));
    if (starts.length > 0) return Math.min(...starts);
  }
  return null;
}

function parsingErrors(
  file: string,
  bogus: readonly { readonly line: number; readonly text: string }[],
): IniFault {
  const lines = bogus.map(({ line, text }) => `\n\t[line ${String(line).padStart(2)}]: ${repr(text)}`);
  return { message: `Source contains parsing errors: ${repr(file)}${lines.join('')}`, line: bogus[0]!.line };
}
