// The types of Supervisor's values: what each accepts, what it makes of it, and what it says of anything else.

import { readInteger, readOctal, repr, strip } from '../../spec/python-text.js';
import type { SignalName } from '../../spec/service-spec.js';
import { absolutePath, expandHome, folderOf } from '../posix-path.js';
import { readTokens } from '../shlex.js';
import type { ConfigSource } from './source.js';

export type Facts = Pick<ConfigSource, 'cwd' | 'environment' | 'host' | 'lookups'>;

/** The text of a value that cannot be used. It never leaves the reader. */
export class ValueFault extends Error {}

export type LogTarget =
  | { readonly kind: 'none' }
  | { readonly kind: 'auto' }
  | { readonly kind: 'syslog' }
  | { readonly kind: 'file'; readonly path: string };

const NOT_AN_INTEGER = 'invalid literal for int() with base 10:';

export function integer(text: string): number {
  const value = readInteger(text);
  if (value === null) throw new ValueFault(`${NOT_AN_INTEGER} ${repr(text)}`);
  return value;
}

const TRUE = ['yes', 'true', 'on', '1'];
const FALSE = ['no', 'false', 'off', '0'];

export function boolean(text: string): boolean {
  const word = text.toLowerCase();
  if (TRUE.includes(word)) return true;
  if (FALSE.includes(word)) return false;
  throw new ValueFault(`not a valid boolean value: ${repr(text)}`);
}

const units: Readonly<Record<string, number>> = { kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 };

export function bytes(text: string): number {
  const lower = text.toLowerCase();
  const unit = units[lower.slice(-2)];
  return unit === undefined ? integer(lower) : integer(lower.slice(0, -2)) * unit;
}

export function octal(text: string): number {
  const value = readOctal(text);
  if (value === null) throw new ValueFault(`${text} can not be converted to an octal type`);
  return value;
}

export const plain = (text: string): string => text;

export function strings(text: string): string[] {
  return text === '' ? [] : text.split(',').map(strip);
}

export function exitCodes(text: string): number[] {
  const codes = text === '' ? [] : text.split(',').map(readInteger);
  if (codes.every((code) => code !== null && code >= 0 && code <= 255)) return codes as number[];
  throw new ValueFault(`not a valid list of exit codes: ${repr(text)}`);
}

export function autoRestart(text: string): boolean | 'unexpected' {
  const word = text.toLowerCase();
  if (word === 'unexpected') return word;
  if (TRUE.includes(word)) return true;
  if (FALSE.includes(word)) return false;
  throw new ValueFault(`invalid 'autorestart' value ${repr(word)}`);
}

/** Supervisor also takes 0, which stops nothing. */
export function signal(text: string, { host }: Facts): SignalName {
  const number = readInteger(text);
  if (number !== null) {
    const name = nameOf(number, host.signals);
    if (name === undefined) throw new ValueFault(`value ${repr(text)} is not a valid signal number`);
    return name as SignalName;
  }
  const upper = strip(text).toUpperCase();
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  if (!Object.hasOwn(host.signals, name))
    throw new ValueFault(`value ${repr(text)} is not a valid signal name`);
  return nameOf(host.signals[name]!, host.signals) as SignalName;
}

/** Of several with the same number the first is the one that we use. */
const nameOf = (number: number, signals: Facts['host']['signals']): string | undefined =>
  Object.entries(signals).find(([, value]) => value === number)?.[0];

export const logLevels = ['critical', 'error', 'warn', 'info', 'debug', 'trace', 'blather'] as const;
export type LogLevel = (typeof logLevels)[number];

export function logLevel(text: string): LogLevel {
  const level = logLevels.find((name) => name === text.toLowerCase());
  if (level === undefined) throw new ValueFault(`bad logging level name ${repr(text)}`);
  return level;
}

const home = (path: string, facts: Facts): string =>
  expandHome(path, (user) => {
    const { host, lookups } = facts;
    if (user !== null) return lookups.user(user)?.home ?? null;
    const own = facts.environment.findLast((variable) => variable.startsWith('HOME='))?.slice('HOME='.length);
    return own ?? lookups.user(host.uid)?.home ?? null;
  });

const isDirectory = (path: string, { cwd, lookups }: Facts): boolean =>
  lookups.isDirectory(absolutePath(path, cwd));

/** A path whose folder exists. It is left relative, and no file need be there. */
export function placedPath(text: string, facts: Facts): string {
  const path = home(text, facts);
  const folder = folderOf(path);
  if (folder === '' || isDirectory(folder, facts)) return path;
  throw new ValueFault(`The directory named as part of the path ${text} does not exist`);
}

export function existingDirectory(text: string, facts: Facts): string {
  const path = home(text, facts);
  if (path !== '' && isDirectory(path, facts)) return path;
  throw new ValueFault(`${text} is not an existing directory`);
}

export const wholePath = (text: string, facts: Facts): string => absolutePath(home(text, facts), facts.cwd);

export function logTarget(text: string, facts: Facts): LogTarget {
  const word = text.toLowerCase();
  if (word === 'none' || word === 'off') return { kind: 'none' };
  if (word === 'auto' || word === 'syslog') return { kind: word };
  return { kind: 'file', path: placedPath(text, facts) };
}

export interface ConfiguredUser {
  /** A name or a number, as it was written. */
  readonly name: string;
  readonly uid: number;
}

export function user(text: string, { lookups }: Facts): ConfiguredUser {
  const number = readInteger(text);
  const account = lookups.user(number ?? text);
  if (account === null) throw new ValueFault(`Invalid user ${number === null ? 'name' : 'id'} ${text}`);
  return { name: text, uid: account.uid };
}

export interface Owner {
  readonly uid: number;
  /** -1: as it is. */
  readonly gid: number;
}

/** user or user:group; null where either is unknown. */
export function findOwner(text: string, facts: Facts): Owner | null {
  const colon = text.indexOf(':');
  const name = colon === -1 ? text : text.slice(0, colon);
  const group = colon === -1 ? null : text.slice(colon + 1);
  const account = facts.lookups.user(readInteger(name) ?? name);
  const gid = group === null ? -1 : facts.lookups.group(readInteger(group) ?? group);
  return account === null || gid === null ? null : { uid: account.uid, gid };
}

/** A name that can stand in events and in the paths of the web pages. */
export function unitName(text: string): string {
  const name = strip(text);
  const wrong = [...' :/'].find((character) => name.includes(character));
  if (wrong !== undefined)
    throw new ValueFault(`Invalid name: ${repr(text)} because of character: ${repr(wrong)}`);
  return name;
}

export function port(text: string): number {
  const number = integer(text);
  if (number < 1) throw new ValueFault(`${number} is below lower bound (1)`);
  if (number > 65_535) throw new ValueFault(`${number} is above upper bound (65535)`);
  return number;
}

export interface Endpoint {
  /** Empty: all interfaces. */
  readonly host: string;
  readonly port: number;
}

export function endpoint(text: string): Endpoint {
  const colon = text.lastIndexOf(':');
  if (colon === -1) {
    try {
      return { host: '', port: port(text) };
    } catch {
      // The blank at the end is Supervisor's.
      throw new ValueFault(`not a valid port number: ${repr(text)} `);
    }
  }
  const digits = text.slice(colon + 1);
  if (digits === '') throw new ValueFault("no port number specified in ''");
  const host = text.slice(0, colon).toLowerCase();
  return { host: host === '*' ? '' : host, port: port(digits) };
}

/** KEY=value,KEY2="v": later keys win, in the place of the first. */
export function pairs(text: string): ReadonlyMap<string, string> {
  const read = readTokens(text, '/.+-():');
  if ('fault' in read) throw new ValueFault(read.fault);
  const found = new Map<string, string>();
  // What stands between two pairs is not looked at.
  for (let index = 0; index < read.words.length; index += 4) {
    const [key, equals, value] = read.words.slice(index, index + 3);
    if (key === undefined || equals !== '=' || value === undefined)
      throw new ValueFault(`Unexpected end of key/value pairs in value '${text}'`);
    found.set(key, value.replace(/^['"]+|['"]+$/g, ''));
  }
  return found;
}

export const serverUrl = (text: string): string | null =>
  strip(text).toUpperCase() === 'AUTO' ? null : text;
