// What the Tab key offers.
import { type Struct, textOf } from './answers.js';
import { actions, leaving } from './run-line.js';

const ofGroups: readonly string[] = ['add', 'remove', 'update'];
const ofProcesses: readonly string[] = [
  'clear',
  'fg',
  'pid',
  'restart',
  'signal',
  'start',
  'status',
  'stop',
  'tail',
];
const vocabulary = [...Object.keys(actions), ...leaving.filter((name) => name !== 'EOF')].sort();
/** `group:process`, `group:*` and `web-1` are one word each. */
const DELIMITERS = ' \t\n`~!@#$%^&()=+[{]}\\|;\'",<>/?';

export interface Completion {
  /** The last word as far as it is typed. */
  readonly word: string;
  readonly kind: 'actions' | 'groups' | 'processes' | 'nothing';
}

/** What is to be completed on a line that has been typed so far. */
export function findCompletion(line: string): Completion {
  const start = [...line].findLastIndex((character) => DELIMITERS.includes(character)) + 1;
  const word = [...line].slice(start).join('');
  const [action = '', ...more] = line.trim() === '' ? [] : line.trim().split(/\s+/);
  if (more.length === 0 && !(action !== '' && line.endsWith(' '))) return { word, kind: 'actions' };
  if (action === 'help') return { word, kind: 'actions' };
  if (ofGroups.includes(action)) return { word, kind: 'groups' };
  return { word, kind: ofProcesses.includes(action) ? 'processes' : 'nothing' };
}

/** Each with the blank that follows it. `infos` may be empty where the kind needs none. */
export function completions({ word, kind }: Completion, infos: readonly Struct[]): string[] {
  const names = new Set<string>();
  if (kind === 'actions') for (const name of vocabulary) names.add(name);
  for (const info of infos) {
    const [group, name] = [textOf(info.group), textOf(info.name)];
    if (kind === 'groups') names.add(group);
    else if (kind === 'processes' && (word.includes(':') || name !== group))
      names.add(`${group}:${name}`).add(`${group}:*`);
    else if (kind === 'processes') names.add(name);
  }
  return [...names].filter((name) => name.startsWith(word)).map((name) => `${name} `);
}
