import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { listFiles } from '../../src/os/glob.js';
import { askSupervisor, needsSupervisor } from '../support/supervisor-oracle.js';

test('a glob finds what the glob of Python finds', { skip: needsSupervisor }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsd-glob-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ['a', 'b', '.hidden']) {
    mkdirSync(join(folder, name));
    for (const file of ['x.conf', 'y.conf', 'x.ini', '.z.conf', 'a[1].conf', 'ü.conf', 'x-y.c+'])
      writeFileSync(join(folder, name, file), '');
  }
  symlinkSync('/nowhere', join(folder, 'a', 'lost.conf'));
  const patterns = [
    'a/*.conf',
    '*/x.conf',
    '*/*',
    'a/x.conf',
    'a/nothing',
    '.*/*.conf',
    'a/.*',
    'a/[xy].conf',
    'a/[!x].conf',
    'a/?.conf',
    'a/a[[]1].conf',
    'a/[',
    'a/x.[ci]*',
    'a/*.c+',
    '*',
    '**/x.ini',
    'a/x.conf/*',
    'none/*',
    'a/[x-y].*',
    'a//x*',
    'a/[]x].conf',
    './a/x*',
  ];
  const asked = patterns.map((pattern) => join(folder, '/').concat(pattern));
  const answers = askSupervisor(asked.map((pattern) => ({ ask: 'globbed', pattern })));
  for (const [index, pattern] of asked.entries()) {
    const normal = (paths: readonly string[]): string[] => paths.map((path) => join(path)).sort();
    assert.deepEqual(normal(listFiles(pattern)), normal(answers[index] as string[]), pattern);
  }
});
