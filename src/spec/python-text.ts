// How Python reads and shows text, where a format is defined by a Python program: str.strip, repr, int, str.split.
import { decodeBytes } from './byte-text.js';

/** What str.isspace() and \s take for white space; JavaScript's own list has U+FEFF and lacks six of these. */
const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const SPACES = new RegExp(`[${SPACE}]+`);
const ONE_SPACE = new RegExp(`^[${SPACE}]$`);

/** Printable ASCII is told without the pattern: a long configuration asks many thousand times. */
export const isSpace = (character: string): boolean =>
  !(character > ' ' && character <= '~') && ONE_SPACE.test(character);

export const stripEnd = (text: string): string => {
  // The pattern alone would try every run of blanks in a long line.
  let end = text.length;
  while (end > 0 && isSpace(text[end - 1]!)) end -= 1;
  return text.slice(0, end);
};

export const strip = (text: string): string => {
  const end = stripEnd(text);
  return end.slice(blanksBefore(end));
};

function blanksBefore(text: string): number {
  let count = 0;
  while (count < text.length && isSpace(text[count]!)) count += 1;
  return count;
}

/** How far the first character that is no white space is from the start; 0 for a line of blanks. */
export function indentOf(line: string): number {
  const blanks = blanksBefore(line);
  return blanks === line.length ? 0 : blanks;
}

export const splitWords = (text: string): string[] => text.split(SPACES).filter((word) => word !== '');

const named: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** repr() of a string: single quotes, unless it holds such and no double ones. */
export function repr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let shown = '';
  for (const character of text) shown += escaped(character, quote);
  return quote + shown + quote;
}

/** repr() of bytes, as in `b'\\xff\\n'`. */
export function reprOfBytes(bytes: Uint8Array): string {
  const quote = bytes.includes(SINGLE_QUOTE) && !bytes.includes(DOUBLE_QUOTE) ? '"' : "'";
  let shown = '';
  for (const byte of bytes)
    shown += byte < 0x80 ? escaped(String.fromCharCode(byte), quote) : `\\x${byte.toString(16)}`;
  return `b${quote}${shown}${quote}`;
}

/** Bytes that are no UTF-8 are shown rather than passed on. */
export function textOrRepr(bytes: Uint8Array): string {
  const text = decodeBytes(bytes);
  return text.isWellFormed() ? text : `Undecodable: ${reprOfBytes(bytes)}`;
}

const SINGLE_QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;

function escaped(character: string, quote: string): string {
  if (character === quote) return `\\${quote}`;
  return named[character] ?? (isPrintable(character) ? character : escapeCharacter(character));
}

const isPrintable = (character: string): boolean => character === ' ' || !/[\p{C}\p{Z}]/u.test(character);

function escapeCharacter(character: string): string {
  const hex = character.codePointAt(0)!.toString(16);
  if (hex.length <= 2) return `\\x${hex.padStart(2, '0')}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

/** int(text): a sign and underscores between digits are allowed. null: it is none. */
export function readInteger(text: string): number | null {
  const digits = strip(text);
  return /^[+-]?\d(?:_?\d)*$/.test(digits) ? plainZero(Number(digits.replaceAll('_', ''))) : null;
}

/** int(text, 8). */
export function readOctal(text: string): number | null {
  const match = /^([+-]?)(?:0[oO]_?)?([0-7](?:_?[0-7])*)$/.exec(strip(text));
  if (match === null) return null;
  const value = Number.parseInt(match[2]!.replaceAll('_', ''), 8);
  return plainZero(match[1] === '-' ? -value : value);
}

/** Python has no -0. */
const plainZero = (value: number): number => value + 0;

/** Strings in the order of their characters, as sorted() has them. */
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
