import assert from 'node:assert/strict';
import test from 'node:test';
import { formatBytes, formatDuration, formatTable, formatWords } from '../../../src/cli/format.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test('a duration is told in its two largest units', () => {
  for (const [ms, expected] of [
    [0, '0s'],
    [999, '0s'],
    [SECOND, '1s'],
    [MINUTE - 1, '59s'],
    [MINUTE, '1m 0s'],
    [HOUR - 1, '59m 59s'],
    [HOUR, '1h 0m'],
    [DAY - 1, '23h 59m'],
    [DAY, '1d 0h'],
    [12 * DAY + 3 * HOUR + 59 * MINUTE, '12d 3h'],
    [1000 * DAY, '1000d 0h'],
  ] as const)
    assert.equal(formatDuration(ms), expected, `${ms} ms`);
});

test('bytes are told in units of 1024, with one decimal below ten', () => {
  for (const [bytes, expected] of [
    [0, '0 B'],
    [9, '9 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [10 * 1024, '10 KiB'],
    [1024 ** 2, '1.0 MiB'],
    [39 * 1024 ** 2, '39 MiB'],
    [2.5 * 1024 ** 3, '2.5 GiB'],
    [1024 ** 4, '1.0 TiB'],
    [5000 * 1024 ** 4, '5000 TiB'],
  ] as const)
    assert.equal(formatBytes(bytes), expected, `${bytes} bytes`);
});

test('bytes that round up to the next figure are told as that figure is', () => {
  assert.equal(formatBytes(10 * 1024 - 1), '10 KiB');
  assert.equal(formatBytes(1024 ** 2 - 1), '1.0 MiB');
});

const words: readonly (readonly [promise: string, words: readonly string[], shown: string])[] = [
  ['plain words stay as they are', ['sleep', '300'], 'sleep 300'],
  [
    'paths, flags and assignments stay as they are',
    ['/bin/x-1', '--a=b,c', 'u@h:p', '50%', '+'],
    '/bin/x-1 --a=b,c u@h:p 50% +',
  ],
  ['blanks are quoted', ['a b'], "'a b'"],
  ['an empty word is seen', ['a', '', 'b'], "a '' b"],
  ['a single quote is closed, escaped and opened', ["it's"], "'it'\\''s'"],
  [
    'what a shell would expand is quoted',
    ['$HOME', '`id`', '*', '~', '{a,b}', '!x', '#x'],
    "'$HOME' '`id`' '*' '~' '{a,b}' '!x' '#x'",
  ],
  [
    'what a shell would act on is quoted',
    ['a;b', 'a&', 'a|b', '<a', '>a', '(a)'],
    "'a;b' 'a&' 'a|b' '<a' '>a' '(a)'",
  ],
  ['a lone backslash is quoted', ['a\\b'], "'a\\b'"],
  ['other scripts are quoted and readable', ['Grüße'], "'Grüße'"],
  ['a newline is shown by its number', ['a\nb'], "$'a\\x0ab'"],
  ['an escape sequence is shown by its number', ['\x1b[2J'], "$'\\x1b[2J'"],
  ['a byte that is no UTF-8 is shown by its number', ['a\udcff'], "$'a\\xff'"],
  ['a quote beside a control character is escaped', ["it's\t"], "$'it\\'s\\x09'"],
];

for (const [promise, given, shown] of words)
  test(`a command is shown as a shell takes it: ${promise}`, () => {
    assert.equal(formatWords(given), shown);
  });

test('a command is shown as a shell takes it: a backslash beside a control character is escaped', () => {
  assert.equal(formatWords(['a\\n\n']), "$'a\\\\n\\x0a'");
  assert.equal(formatWords(['\t\\']), "$'\\x09\\\\'");
});

test('no control character of either set reaches the terminal', () => {
  for (let code = 0; code < 0x20; code += 1) assertInvisible(code);
  // Terminals obey the second set too: U+009B begins the same sequences as ESC [.
  for (let code = 0x7f; code < 0xa0; code += 1) assertInvisible(code);
});

function assertInvisible(code: number): void {
  const character = String.fromCharCode(code);
  assert.ok(
    !formatWords([`a${character}31m`]).includes(character),
    `U+${code.toString(16).padStart(4, '0')}`,
  );
}

const rows = [
  ['NAME', 'PID', 'COMMAND'],
  ['web', '4711', 'node server.js'],
  ['a-long-name', '1', 'sleep 300'],
];

test('columns of a table begin below one another, and no line ends with blanks', () => {
  assert.deepEqual(formatTable(rows, undefined).split('\n'), [
    'NAME         PID   COMMAND',
    'web          4711  node server.js',
    'a-long-name  1     sleep 300',
  ]);
});

test('lines are cut to the terminal, and show that they were', () => {
  assert.deepEqual(formatTable(rows, 27).split('\n'), [
    'NAME         PID   COMMAND',
    'web          4711  node se…',
    'a-long-name  1     sleep 3…'.slice(0, 27),
  ]);
  for (const columns of [1, 2, 10, 26, 33, 200])
    for (const line of formatTable(rows, columns).split('\n'))
      assert.ok(line.length <= columns, `${columns}: ${line}`);
});

test('a line that just fits is not cut', () => {
  assert.equal(formatTable(rows, 33), formatTable(rows, undefined));
});

test('a terminal that does not know its width cuts nothing', () => {
  // A pty that nobody gave a size says 0.
  assert.equal(formatTable(rows, 0), formatTable(rows, undefined));
});

test('a table of a header alone is that header', () => {
  assert.equal(formatTable([['NAME', 'PID']], 80), 'NAME  PID');
});
