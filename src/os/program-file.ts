// Whether a command can be executed, said before anything is tried.
import { accessSync, constants, type Stats, statSync } from 'node:fs';
import { commandCandidates } from '../core/command-path.js';
import { encodeBytes } from '../spec/byte-text.js';

export type ProgramFile =
  | { readonly is: 'executable' }
  | { readonly is: 'absent' | 'a directory' | 'not executable' | 'forbidden'; readonly path: string };

/** As Supervisor looks for it: the first file of the name counts, executable or not. */
export function findProgramFile(command: string, path: string | null, cwd: string | null): ProgramFile {
  for (const file of commandCandidates(command, path, cwd)) {
    const stats = statOrNull(file);
    if (stats === null) continue;
    if (stats.isDirectory()) return { is: 'a directory', path: file };
    if ((stats.mode & 0o111) === 0) return { is: 'not executable', path: file };
    return mayExecute(file) ? { is: 'executable' } : { is: 'forbidden', path: file };
  }
  return { is: 'absent', path: command };
}

function statOrNull(file: string): Stats | null {
  try {
    return statSync(encodeBytes(file));
  } catch {
    // ENOENT, ENOTDIR, EACCES: there is none that we could see.
    return null;
  }
}

function mayExecute(file: string): boolean {
  try {
    accessSync(encodeBytes(file), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
