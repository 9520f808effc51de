// Which files exec may mean, as execvp(3) looks for them.

/** What execvp searches where PATH is unset; the same as glibc's confstr(_CS_PATH). */
const DEFAULT_PATH = '/bin:/usr/bin';

/**
 * The files to try, in order. A name with a slash is itself; any other is looked for in `path`, where an empty
 * element means the working directory. Relative results are made absolute with `cwd` (where it is known), so that
 * they mean the caller's directory even after a chdir.
 */
export function commandCandidates(
  command: string,
  path: string | null,
  cwd: string | null,
): readonly string[] {
  if (command === '') return [];
  const absolute = (file: string): string =>
    file.startsWith('/') || cwd === null ? file : joinPath(cwd, file);
  if (command.includes('/')) return [absolute(command)];
  return (path ?? DEFAULT_PATH)
    .split(':')
    .map((folder) => absolute(joinPath(folder === '' ? '.' : folder, command)));
}

/** The failure that execvp reports: the last one, but EACCES outranks all after which the search goes on. */
export function worseFailure(before: string | null, now: string): string {
  return before === 'EACCES' && mayTryNext(now) ? before : now;
}

/** Errors after which execvp goes on with the next directory. */
export function mayTryNext(errnoName: string): boolean {
  return ['ENOENT', 'ENOTDIR', 'EACCES', 'ESTALE', 'ENODEV', 'ETIMEDOUT'].includes(errnoName);
}

function joinPath(folder: string, file: string): string {
  return folder.endsWith('/') ? folder + file : `${folder}/${file}`;
}
