import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the package under test is. TSDAEMON_PACKAGE names another one, such as an installed copy. */
export const packageRoot = process.env.TSDAEMON_PACKAGE ?? findAbove(dirname(fileURLToPath(import.meta.url)));

/** The command, started as the executable it is. */
export const command = join(packageRoot, 'bin/tsdaemon.js');

function findAbove(folder: string): string {
  const file = join(folder, 'package.json');
  if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'tsdaemon')
    return folder;
  if (dirname(folder) === folder)
    throw new Error('no package.json of tsdaemon above this file; set TSDAEMON_PACKAGE');
  return findAbove(dirname(folder));
}
