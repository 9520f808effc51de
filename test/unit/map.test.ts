// The map in src/README.md has a line for every file, and for none that is gone.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../support/package-root.js';
import { readSources } from './source-files.js';

const map = join(packageRoot, 'src/README.md');
const skip = !existsSync(map) && 'needs the sources, which an installed package has not';

/** Paths from the package root: a table's first cell names the folder, the first cell of each row its files. */
function filesOnMap(text: string): string[] {
  let folder = '';
  const files: string[] = [];
  // The tables of files alone: that of the layers names folders too.
  for (const line of text.slice(text.indexOf('## Files'), text.indexOf('Outside of `src`')).split('\n')) {
    const [, cell = ''] = line.split('|');
    const header = /^ `([\w/-]+)\/` +$/.exec(cell)?.[1];
    if (header !== undefined) folder = header;
    for (const [, name] of cell.matchAll(/`([\w./-]+\.ts)`/g))
      files.push(pathOf(folder === '' ? name! : `${folder}/${name}`));
  }
  return files;
}

const pathOf = (name: string): string => (name.startsWith('native-bindings/') ? name : `src/${name}`);

test('every source file has its line in src/README.md, once, and no line is of a file that is gone', {
  skip,
}, () => {
  const found = filesOnMap(readFileSync(map, 'utf8')).sort();
  const sources = readSources('src', 'native-bindings').map(({ path }) => path);
  assert.deepEqual(found, sources.sort());
});
