import assert from 'node:assert/strict';
import test from 'node:test';
import { emptyIni, findValue, type Ini, keysOf, mergeIni } from '../../../src/formats/ini.js';

function read(...texts: readonly string[]): Ini {
  const ini = emptyIni();
  for (const [index, text] of texts.entries()) assert.equal(mergeIni(ini, text, `${index}.ini`), null);
  return ini;
}

const valueIn = (text: string): string | undefined => findValue(read(text), 'a', 'k')?.text;

const values: readonly (readonly [promise: string, text: string, value: string | undefined])[] = [
  ['blanks around key and value are dropped', '[a]\n  k  =  v w  \n', 'v w'],
  ['keys are lower-cased', '[a]\nK=v', 'v'],
  ['a colon separates too, and the first of either counts', '[a]\nk: b=c', 'b=c'],
  ['the last of two counts', '[a]\nk=1\nk=2', '2'],
  ['a section may come again, and is merged', '[a]\nk=1\n[b]\nk=2\n[a]\nj=3', '1'],
  ['quotes are text', '[a]\nk="v"', '"v"'],
  ['a mark after a blank begins a comment, even within quotes', '[a]\nk="v ; w"', '"v'],
  ['a mark after anything else is text', '[a]\nk=v;w#x', 'v;w#x'],
  ['a value that is only a comment is empty', '[a]\nk= ; v', ''],
  ['a mark right after the delimiter is text', '[a]\nk=;v', ';v'],
  ['deeper lines go on, and lose their indent', '[a]\nk=1\n  2\n\t3', '1\n2\n3'],
  ['empty lines within a value stay, those after it do not', '[a]\nk=1\n\n  2\n\n', '1\n\n2'],
  ['a line that is only a comment is no line of the value', '[a]\nk=1\n# c\n ; d\n  2', '1\n2'],
  ['a deeper line is no key, though it looks like one', '[a]\nk=1\n  j=2', '1\nj=2'],
  ['lines may end as on Windows', '[a]\r\nk=1\r\n  2\r\n', '1\n2'],
  ['text after the bracket of a header is passed over', '[a] x\nk=v', 'v'],
  ['[DEFAULT] fills in', '[DEFAULT]\nk=d\n[a]\n', 'd'],
  ['[DEFAULT] does not replace', '[a]\nk=v\n[DEFAULT]\nk=d', 'v'],
  ['percent signs are text', '[a]\nk=%(x)s', '%(x)s'],
];

for (const [promise, text, value] of values) test(promise, () => assert.equal(valueIn(text), value));

test('what is read later is merged over what is there, and every value knows where it stands', () => {
  const ini = read('[a]\n\nk=1\nj=2', '[b]\n[a]\nk=3 ; why');
  assert.deepEqual(findValue(ini, 'a', 'k'), { text: '3', file: '1.ini', line: 3, comment: '; why' });
  assert.deepEqual(findValue(ini, 'a', 'j'), { text: '2', file: '0.ini', line: 4, comment: null });
  assert.deepEqual(keysOf(ini, 'a'), ['k', 'j']);
  assert.deepEqual(
    [...ini.sections].map(([name, { file, line }]) => [name, file, line]),
    [
      ['a', '0.ini', 1],
      ['b', '1.ini', 1],
    ],
  );
});

test('a key that is written twice in a file is noted, one that another file repeats is not', () => {
  const { repeated } = read('[a]\nk=1\n[b]\n[a]\nk=2', '[a]\nk=3');
  assert.deepEqual(repeated, [{ section: 'a', key: 'k', file: '0.ini', line: 5 }]);
});

test('a section that is not wanted is not kept, and its faults are told all the same', () => {
  const ini = emptyIni();
  const fault = mergeIni(ini, '[a]\nk=1\n more\n\n  still\nbad\n[b]\nk=2', 'x.ini', (name) => name === 'b');
  assert.equal(fault?.message, "Source contains parsing errors: 'x.ini'\n\t[line  6]: 'bad\\n'");
  assert.deepEqual([...ini.sections.keys()], ['b']);
  assert.equal(findValue(ini, 'b', 'k')?.text, '2');
});

test('all lines that are nothing are told at once, and text before the first header at once', () => {
  const fault = mergeIni(emptyIni(), "[a]\nb c\nk=v\nit's", 'x.ini');
  assert.deepEqual(fault, {
    message: "Source contains parsing errors: 'x.ini'\n\t[line  2]: 'b c\\n'\n\t[line  4]: \"it's\"",
    line: 2,
  });
  assert.deepEqual(mergeIni(emptyIni(), '\nk=v\n[a]', 'x.ini'), {
    message: "File contains no section headers.\nfile: 'x.ini', line: 2\n'k=v\\n'",
    line: 2,
  });
});
