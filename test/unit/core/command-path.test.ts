import assert from 'node:assert/strict';
import test from 'node:test';
import { commandCandidates, mayTryNext, worseFailure } from '../../../src/core/command-path.js';

const cases: readonly (readonly [
  promise: string,
  command: string,
  path: string | null,
  cwd: string | null,
  expected: readonly string[],
])[] = [
  ['a bare name is looked for in every directory', 'ls', '/a:/b', '/w', ['/a/ls', '/b/ls']],
  ['without PATH the system directories are searched', 'ls', null, '/w', ['/bin/ls', '/usr/bin/ls']],
  ['a name with a slash is itself', './run', '/a', '/w', ['/w/./run']],
  ['a slash anywhere will do', 'bin/run', '/a', '/w', ['/w/bin/run']],
  ['an absolute name is itself', '/x/run', '/a', '/w', ['/x/run']],
  ['a relative directory is the caller\u2019s', 'ls', 'bin:/a', '/w', ['/w/bin/ls', '/a/ls']],
  ['a directory may end with a slash', 'ls', '/a/:/', '/w/', ['/a/ls', '/ls']],
  ['the working directory may be the root', './ls', '/a', '/', ['/./ls']],
  ['in a removed directory relative names stay relative', './run', '/a', null, ['./run']],
  ['in a removed directory PATH is still searched', 'ls', '/a:bin', null, ['/a/ls', 'bin/ls']],
  ['no name is no file', '', '/a', '/w', []],
  ['a name of blanks is a name', ' ', '/a', '/w', ['/a/ ']],
  ['a name with a colon is looked for as it is', 'a:b', '/a', '/w', ['/a/a:b']],
];

for (const [promise, command, path, cwd, expected] of cases)
  test(`candidates: ${promise}`, () => {
    assert.deepEqual(commandCandidates(command, path, cwd), expected);
  });

test('an empty element of PATH is the working directory', () => {
  for (const [path, folders] of [
    ['', ['/w']],
    [':/a', ['/w', '/a']],
    ['/a:', ['/a', '/w']],
    ['/a::/b', ['/a', '/w', '/b']],
  ] as const) {
    const plain = commandCandidates('ls', path, '/w').map((file) => file.replace('/./', '/'));
    assert.deepEqual(
      plain,
      folders.map((folder) => `${folder}/ls`),
      `PATH='${path}'`,
    );
  }
});

/** What execvp(3) of glibc reports after these failures, one for each directory of PATH; tried with nohup. */
const failures: readonly (readonly [failures: readonly string[], reported: string])[] = [
  [['ENOENT'], 'ENOENT'],
  [['ENOTDIR'], 'ENOTDIR'],
  [['EACCES'], 'EACCES'],
  [['ELOOP'], 'ELOOP'],
  [['ENOENT', 'ENOENT'], 'ENOENT'],
  [['EACCES', 'ENOENT'], 'EACCES'],
  [['ENOENT', 'EACCES'], 'EACCES'],
  [['EACCES', 'ENOTDIR', 'ENOENT'], 'EACCES'],
  [['ENOENT', 'E2BIG'], 'E2BIG'],
];

/** As os/invoke walks: until one error ends the search. */
function reportedAfter(errors: readonly string[]): string | null {
  let failure: string | null = null;
  for (const error of errors) {
    failure = worseFailure(failure, error);
    if (!mayTryNext(error)) break;
  }
  return failure;
}

for (const [errors, reported] of failures)
  test(`after ${errors.join(', ')} the failure is ${reported}`, () => {
    assert.equal(reportedAfter(errors), reported);
  });

test('a directory of PATH that is none decides the exit code only where it comes last', () => {
  // Last of all ENOENT is exit code 127, ENOTDIR is 126.
  assert.equal(reportedAfter(['ENOTDIR', 'ENOENT']), 'ENOENT');
  assert.equal(reportedAfter(['ENOENT', 'ENOTDIR']), 'ENOTDIR');
});

test('an error that ends the search is reported, whatever was refused before it', () => {
  assert.equal(reportedAfter(['EACCES', 'ELOOP']), 'ELOOP');
});

test('the search goes on after the errors after which execvp goes on, and after no other', () => {
  for (const error of ['ENOENT', 'ENOTDIR', 'EACCES', 'ESTALE', 'ENODEV'])
    assert.equal(mayTryNext(error), true, error);
  for (const error of ['E2BIG', 'ENOMEM', 'ELOOP', 'ETXTBSY', 'ENAMETOOLONG', 'EIO', 'EPERM', 'ENOEXEC'])
    assert.equal(mayTryNext(error), false, error);
});

test('the search goes on after a directory of a server that does not answer', () => {
  assert.equal(mayTryNext('ETIMEDOUT'), true);
});
