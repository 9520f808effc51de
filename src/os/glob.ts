// Paths that match a pattern, by the rules of Python's glob: `*`, `?` and `[...]` within a name, names that begin
// with a dot only where the pattern does too. Node 20 has no glob of its own.
import { lstatSync, readdirSync } from 'node:fs';
import { decodeBytes, encodeBytes } from '../spec/byte-text.js';

/** In no particular order. What cannot be read has no matches. */
export function listFiles(pattern: string): string[] {
  const absolute = pattern.startsWith('/');
  const names = pattern.split('/').filter((name) => name !== '');
  return names.reduce<readonly string[]>(
    (folders, name) => folders.flatMap((folder) => matchesIn(folder, name)),
    [absolute ? '/' : ''],
  ) as string[];
}

function matchesIn(folder: string, name: string): string[] {
  const under = (found: string): string => (folder === '' || folder === '/' ? folder : `${folder}/`) + found;
  if (!/[*?[]/.test(name)) return exists(under(name)) ? [under(name)] : [];
  const regex = toRegex(name);
  return namesIn(folder === '' ? '.' : folder)
    .filter((found) => regex.test(found) && (name.startsWith('.') || !found.startsWith('.')))
    .map(under);
}

function exists(path: string): boolean {
  return lstatSync(encodeBytes(path), { throwIfNoEntry: false }) !== undefined;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(encodeBytes(folder), { encoding: 'buffer' }).map(decodeBytes);
  } catch {
    // Not a folder (ENOTDIR), gone (ENOENT), or not for us (EACCES): glob(3) and Python pass over it as well.
    return [];
  }
}

function toRegex(name: string): RegExp {
  let source = '';
  for (let index = 0; index < name.length; index += 1) {
    const character = name[index]!;
    const set = character === '[' ? /^\[(!?)(\]?[^\]]*)\]/.exec(name.slice(index)) : null;
    if (set !== null) {
      source += `[${set[1] === '!' ? '^' : ''}${set[2]!.replace(/[\\\]^[]/g, '\\$&')}]`;
      index += set[0].length - 1;
    } else if (character === '*') source += '.*';
    else if (character === '?') source += '.';
    else source += character.replace(/[\\^$.|+(){}[\]/-]/g, '\\$&');
  }
  return new RegExp(`^${source}$`, 's');
}
