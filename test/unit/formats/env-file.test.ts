import assert from 'node:assert/strict';
import test from 'node:test';
import { readEnvFile } from '../../../src/formats/env-file.js';
import { makeRandom } from '../random.js';

const FILE = '/etc/web.env';

const good: readonly (readonly [promise: string, text: string, variables: readonly string[]])[] = [
  ['an empty file sets nothing', '', []],
  ['blank lines and comments are skipped', '\n  \n# A=1\n; B=2\n\t# C=3\n', []],
  ['lines are taken in their order, doubles included', 'B=2\nA=1\nB=3\n', ['B=2', 'A=1', 'B=3']],
  ['the last line needs no newline', 'A=1', ['A=1']],
  ['lines may end as on Windows', 'A=1\r\nB=2\r\n', ['A=1', 'B=2']],
  ['a byte order mark is no part of the name', '\ufeffA=1', ['A=1']],
  ['export is skipped', 'export A=1\nexport\tB=2', ['A=1', 'B=2']],
  ['export can be a name', 'export=1', ['export=1']],
  ['a name that begins with export is a name', 'exported=1', ['exported=1']],
  ['names may hold digits, dots and dashes', '_a1.b-c=1', ['_a1.b-c=1']],
  ['blanks around name and value are trimmed', '  A = a b  ', ['A=a b']],
  ['a value may be empty', 'A=\nB=""\nC=\'\'', ['A=', 'B=', 'C=']],
  ['a value may hold equals signs', 'A=b=c==', ['A=b=c==']],
  ['outside of quotes a number sign is text', 'A=a#b # c', ['A=a#b # c']],
  ['outside of quotes a backslash is text', 'A=a\\nb', ['A=a\\nb']],
  ['nothing is expanded and nothing is run', 'A=$HOME `id` $(id) ~', ['A=$HOME `id` $(id) ~']],
  ['quotes keep blanks', 'A="  a  "\nB=\'  b  \'', ['A=  a  ', 'B=  b  ']],
  ['single quotes are literal', 'A=\'a\\nb $c "d"\'', ['A=a\\nb $c "d"']],
  ['double quotes know their escapes', 'A="a\\nb\\tc\\"d\\"\\\\n\\$e"', ['A=a\nb\tc"d"\\n$e']],
  ['another backslash in double quotes is text', 'A="a\\qb"', ['A=a\\qb']],
  ['an escaped backslash at the end leaves the quote closed', 'A="a\\\\"', ['A=a\\']],
  ['quotes inside of a word are text', 'A=a"b"c', ['A=a"b"c']],
  ['other scripts are text', 'A=Grüße 👋', ['A=Grüße 👋']],
];

for (const [promise, text, variables] of good)
  test(`env file: ${promise}`, () => {
    assert.deepEqual(readEnvFile(text, FILE), { variables, diagnostics: [] });
  });

const bad: readonly (readonly [promise: string, line: string, message: RegExp])[] = [
  ['a line without an equals sign', 'A', /expected NAME=value, got 'A'/],
  ['a line without a name', '=1', /expected NAME=value, got '=1'/],
  ['a name that begins with a digit', '1A=1', /expected NAME=value/],
  ['a name with a blank', 'A B=1', /expected NAME=value/],
  ['a name in quotes', '"A"=1', /expected NAME=value/],
  ['a double quote that is left open', 'A="b', /quote of A is not closed/],
  ['a single quote that is left open', "A='b", /quote of A is not closed/],
  ['a quote that is closed by the other kind', 'A="b\'', /quote of A is not closed/],
  ['a quote alone', 'A="', /quote of A is not closed/],
  ['words behind a closed quote', 'A="b" c', /quote of A is not closed/],
  ['a NUL byte', 'A=b\0c', /value of A holds a NUL byte/],
  ['a NUL byte in quotes', 'A="b\0c"', /value of A holds a NUL byte/],
];

for (const [promise, line, message] of bad)
  test(`env file: ${promise} is told with its line, and the others are read`, () => {
    const { variables, diagnostics } = readEnvFile(`X=1\n# note\n${line}\nY=2\n`, FILE);
    assert.deepEqual(variables, ['X=1', 'Y=2']);
    assert.equal(diagnostics.length, 1);
    const { message: told, ...where } = diagnostics[0]!;
    assert.deepEqual(where, { severity: 'error', file: FILE, line: 3 });
    assert.match(told, message);
  });

test('env file: a quote that is escaped does not close', () => {
  const { variables, diagnostics } = readEnvFile('A="b\\"', FILE);
  assert.deepEqual(variables, []);
  assert.match(diagnostics[0]?.message ?? '', /quote of A is not closed/);
});

test('env file: a quote within a quoted value is not silently kept', () => {
  for (const line of ['A="b" c "d"', "A='b' c 'd'", 'A="b"c"']) {
    const { variables, diagnostics } = readEnvFile(line, FILE);
    assert.deepEqual(variables, [], line);
    assert.equal(diagnostics.length, 1, line);
  }
});

test('env file: only blanks and tabs are trimmed', () => {
  assert.deepEqual(readEnvFile('A=b\u00a0\nB=c\u3000', FILE).variables, ['A=b\u00a0', 'B=c\u3000']);
});

test('env file: any text gives variables that execve can take, or diagnostics, and never throws', () => {
  const random = makeRandom(4);
  const pieces = ['A', '=', '"', "'", '\\', '\n', '\r', ' ', '#', ';', 'export', '$', '\0', 'é', '-', '1'];
  for (let round = 0; round < 5000; round += 1) {
    const text = Array.from({ length: random.below(12) }, () => random.pick(pieces)).join('');
    const { variables, diagnostics } = readEnvFile(text, FILE);
    for (const variable of variables) assert.match(variable, /^[A-Za-z_][A-Za-z0-9_.-]*=[^\0]*$/);
    const meant = text.split('\n').filter((line) => !/^\s*([#;].*)?$/s.test(line));
    assert.equal(variables.length + diagnostics.length, meant.length, JSON.stringify(text));
  }
});
