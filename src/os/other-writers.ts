// Who could change a file that decides what root runs.
import { realpathSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { decodeBytes, encodeBytes } from '../spec/byte-text.js';

const STICKY = 0o1000;

/** Who beside root can write to the file, or put another one in its place; null: nobody. Throws where there is none. */
export function otherWriters(path: string): string | null {
  const real = decodeBytes(realpathSync(encodeBytes(path), 'buffer'));
  const ofFile = writersOf(statSync(encodeBytes(real)));
  if (ofFile !== null) return `${ofFile} can write to it`;
  const folder = statSync(encodeBytes(dirname(real)));
  const ofFolder = writersOf(folder);
  // In a sticky directory, as /tmp is, only its owner and the file's replace a file.
  const isSticky = folder.uid === 0 && (folder.mode & STICKY) !== 0;
  return ofFolder === null || isSticky ? null : `${ofFolder} can put another file in its place`;
}

function writersOf({ uid, gid, mode }: Stats): string | null {
  if (uid !== 0) return `user ${uid}`;
  if ((mode & 0o002) !== 0) return 'everybody';
  return gid !== 0 && (mode & 0o020) !== 0 ? `group ${gid}` : null;
}
