// Paths as Python's os.path computes them. node:path does some of it differently, and formats use no module of Node.

export const isAbsolute = (path: string): boolean => path.startsWith('/');

/** A later absolute path replaces what is before it. Nothing is normalized. */
export function joinPath(folder: string, path: string): string {
  if (isAbsolute(path) || folder === '') return path;
  return folder.endsWith('/') ? folder + path : `${folder}/${path}`;
}

/** Empty for a path without a folder. */
export function folderOf(path: string): string {
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  return /^\/*$/.test(folder) ? folder : folder.replace(/\/+$/, '');
}

/** Two slashes at the start are kept, as POSIX gives them a meaning of their own; three are one. */
export function normalizePath(path: string): string {
  if (path === '') return '.';
  const root = /^\/\/(?!\/)/.test(path) ? '//' : isAbsolute(path) ? '/' : '';
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '' || name === '.') continue;
    if (name !== '..') names.push(name);
    else if (names.length > 0 && names.at(-1) !== '..') names.pop();
    else if (root === '') names.push(name);
  }
  return root + names.join('/') || '.';
}

export const absolutePath = (path: string, cwd: string): string => normalizePath(joinPath(cwd, path));

/** `~` and `~name` at the start; left alone where nobody knows the home. `homeOf(null)` is the caller's own. */
export function expandHome(path: string, homeOf: (user: string | null) => string | null): string {
  const user = /^~([^/]*)/.exec(path)?.[1];
  if (user === undefined) return path;
  const home = homeOf(user === '' ? null : user);
  return home === null ? path : home.replace(/\/+$/, '') + path.slice(user.length + 1) || '/';
}
