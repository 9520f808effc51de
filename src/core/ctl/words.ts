// The words of a command line, cut as Python cuts them.
import { visible } from '../../spec/byte-text.js';
import { strip } from '../../spec/python-text.js';

export interface CommandLine {
  /** null: the line begins with no name of an action. */
  readonly action: string | null;
  readonly rest: string;
  readonly line: string;
}

/** An action's name ends where its letters end, blank or not; `?` stands for help. */
export function parseLine(typed: string): CommandLine {
  const stripped = strip(typed);
  const line = stripped.startsWith('?') ? `help ${stripped.slice(1)}` : stripped;
  const action = /^[A-Za-z0-9_]*/.exec(line)![0];
  return { action: action === '' ? null : action, rest: strip(line.slice(action.length)), line };
}

export interface Namespec {
  readonly group: string;
  /** null: the whole group. */
  readonly name: string | null;
}

export function splitNamespec(namespec: string): Namespec {
  const colon = namespec.indexOf(':');
  if (colon === -1) return { group: namespec, name: namespec };
  const name = namespec.slice(colon + 1);
  return { group: namespec.slice(0, colon), name: name === '' || name === '*' ? null : name };
}

export const joinNamespec = (group: string, name: string | null): string =>
  group === name ? group : `${group}:${name ?? 'None'}`;

/** As people read it: names come from a server, and must not move their cursor. */
export const makeNamespec = (group: string, name: string | null): string =>
  visible(joinNamespec(group, name));

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be shown
const UNSEEN_IN_LINES = /[\x00-\x08\x0b-\x1f\x7f-\x9f\udc80-\udcff]/g;

/** Control characters made visible, but for the line ends and tabs of a text that has several lines. */
export const visibleLines = (text: string): string => text.replaceAll(UNSEEN_IN_LINES, visible);
