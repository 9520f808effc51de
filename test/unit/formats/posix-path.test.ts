import assert from 'node:assert/strict';
import test from 'node:test';
import {
  absolutePath,
  expandHome,
  folderOf,
  joinPath,
  normalizePath,
} from '../../../src/formats/posix-path.js';

test('paths are normalized without a look at the disk', () => {
  const table = {
    '': '.',
    'a//b/./c/..': 'a/b',
    '/..': '/',
    '../a': '../a',
    'a/../..': '..',
    '//a': '//a',
    '///a/': '/a',
  };
  for (const [path, normalized] of Object.entries(table)) assert.equal(normalizePath(path), normalized, path);
});

test('an absolute path is not joined to anything', () => {
  assert.equal(joinPath('/a', '/b'), '/b');
  assert.equal(joinPath('/a/', 'b'), '/a/b');
  assert.equal(joinPath('', 'b'), 'b');
  assert.equal(absolutePath('../b', '/a/c'), '/a/b');
});

test('the folder of a path has no slash at its end, but the root', () => {
  for (const [path, folder] of Object.entries({
    '/a/b': '/a',
    '/a': '/',
    a: '',
    'a/': 'a',
    '//a': '//',
    'a//b': 'a',
  }))
    assert.equal(folderOf(path), folder, path);
});

test('a tilde is a home where one is known', () => {
  const homes = new Map([
    [null, '/home/me/'],
    ['root', '/'],
  ]);
  const expand = (path: string): string => expandHome(path, (user) => homes.get(user) ?? null);
  const table = {
    '~': '/home/me',
    '~/x': '/home/me/x',
    '~root/x': '/x',
    '~root': '/',
    '~no/x': '~no/x',
    'a~': 'a~',
  };
  for (const [path, expanded] of Object.entries(table)) assert.equal(expand(path), expanded, path);
});
