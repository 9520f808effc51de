// The words in which a user says what makes a program ready, or shows that it is still healthy.
import type { ProbeTarget, Report } from '../spec/service-spec.js';

export type Readiness =
  /** It was executed. */
  | { readonly kind: 'exec' }
  /** It has stayed up for a while. */
  | { readonly kind: 'stay-up' }
  | Report;

/** The reason is a clause that may follow the flag: `cannot use --ready 'fd:2': REASON`. */
export interface Unreadable {
  readonly kind: 'unreadable';
  readonly reason: string;
}

/** What `--ready` takes, for help texts. */
export const readinessForms =
  'exec, stay-up, notify, fd:N, tcp:HOST:PORT, http://URL, https://URL, log:REGEX or cmd:COMMAND';

export function parseReadiness(word: string): Readiness | Unreadable {
  if (word === 'exec' || word === 'stay-up' || word === 'notify') return { kind: word };
  if (/^https?:/i.test(word)) return parseUrl(word);
  const colon = word.indexOf(':');
  const rest = word.slice(colon + 1);
  switch (word.slice(0, colon + 1)) {
    case 'fd:':
      return parseDescriptor(rest);
    case 'tcp:':
      return parseEndpoint(rest);
    case 'log:':
      return parsePattern(rest);
    case 'cmd:':
      return parseCommand(rest);
    default:
      return unreadable(`it is none of ${readinessForms}`);
  }
}

/** The word that parseReadiness turns into this value. */
export function readinessWord(readiness: Readiness): string {
  switch (readiness.kind) {
    case 'fd':
      return `fd:${readiness.descriptor}`;
    case 'tcp': {
      const { host, port } = readiness;
      return `tcp:${host.includes(':') ? `[${host}]` : host}:${port}`;
    }
    case 'http':
      return readiness.url;
    case 'log':
      return `log:${readiness.pattern}`;
    case 'command':
      return `cmd:${readiness.script}`;
    default:
      return readiness.kind;
  }
}

export function isProbeTarget(readiness: Readiness): readiness is ProbeTarget {
  return readiness.kind === 'tcp' || readiness.kind === 'http' || readiness.kind === 'command';
}

const unreadable = (reason: string): Unreadable => ({ kind: 'unreadable', reason });

/** The last one below the usual limit of open files. */
const DESCRIPTOR_MAX = 1023;

function parseDescriptor(text: string): Readiness | Unreadable {
  const descriptor = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (descriptor < 3) return unreadable(`descriptor ${descriptor} is one of its standard streams`);
  if (!(descriptor <= DESCRIPTOR_MAX))
    return unreadable(`'${text}' is no number from 3 to ${DESCRIPTOR_MAX}`);
  return { kind: 'fd', descriptor };
}

/** HOST:PORT, [HOST]:PORT for an IPv6 address, or PORT alone for this machine. */
function parseEndpoint(text: string): Readiness | Unreadable {
  const match = /^(?:(?:\[([\w:.%]+)\]|([^\s:/@]*)):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null) {
    return unreadable(
      /:.*:/.test(text) && !text.startsWith('[')
        ? `an IPv6 address stands in brackets, as tcp:[::1]:8080`
        : `'${text}' is not HOST:PORT`,
    );
  }
  if (port < 1 || port > 65_535) return unreadable(`port ${port} is not from 1 to 65535`);
  return { kind: 'tcp', host: match[1] || match[2] || 'localhost', port };
}

function parseUrl(word: string): Readiness | Unreadable {
  // Read by a pattern: URL accepts `http:x` and repairs it, and what it makes of an address is not what was
  // written.
  const match =
    /^https?:\/\/(?:[^/?#\s]*@)?(?:\[[0-9a-fA-F:.]+\]|[^/?#\s:[\]@]+)(?::(\d{1,5}))?(?:[/?][^\s#]*)?$/i.exec(
      word,
    );
  if (match === null) return unreadable('it is no URL such as http://127.0.0.1:8080/health');
  const port = match[1] === undefined ? 80 : Number(match[1]);
  if (port < 1 || port > 65_535) return unreadable(`port ${port} is not from 1 to 65535`);
  return { kind: 'http', url: word };
}

function parsePattern(source: string): Readiness | Unreadable {
  if (source === '') return unreadable('the pattern is empty, and would match every line');
  try {
    new RegExp(source);
    return { kind: 'log', pattern: source };
  } catch (error) {
    return unreadable(error instanceof Error ? lowerFirst(error.message) : 'it is no regular expression');
  }
}

const lowerFirst = (text: string): string => text.slice(0, 1).toLowerCase() + text.slice(1);

function parseCommand(script: string): Readiness | Unreadable {
  if (script.trim() === '') return unreadable('the command is empty');
  if (script.includes('\0')) return unreadable('the command holds a NUL byte');
  return { kind: 'command', script };
}
