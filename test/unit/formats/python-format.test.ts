import assert from 'node:assert/strict';
import test from 'node:test';
import { formatText } from '../../../src/formats/python-format.js';

const inner = new Map<string, string | number>([
  ['name', 'web'],
  ['num', 7],
]);
const outer = new Map<string, string | number>([
  ['name', 'hidden'],
  ['ENV_HOME', '/root'],
]);

const expand = (text: string): string => {
  const formatted = formatText(text, [inner, outer], 'program:x.key');
  return 'text' in formatted ? formatted.text : formatted.fault;
};

const good: readonly (readonly [text: string, expanded: string])[] = [
  ['plain', 'plain'],
  ['%(name)s', 'web'],
  ['%(ENV_HOME)s/x', '/root/x'],
  ['%(name)s_%(num)02d', 'web_07'],
  ['100%%', '100%'],
  ['[%(num)4d|%(num)-4d|%(num)+d|%(num)x]', '[   7|7   |+7|7]'],
  ['[%(name)6s|%(name)-6s|%(name).2s|%(name)r]', "[   web|web   |we|'web']"],
];

for (const [text, expanded] of good)
  test(`${text} becomes ${expanded}`, () => assert.equal(expand(text), expanded));

test('an unknown name is told with all that are known, in order', () => {
  assert.equal(
    expand('a %(nam)s'),
    "Format string 'a %(nam)s' for 'program:x.key' contains names ('nam') which cannot be expanded. " +
      'Available names: ENV_HOME, name, num',
  );
});

test('what is no conversion is told by its place', () => {
  const told = (text: string): string => expand(text).split('badly formatted: ')[1]!;
  assert.equal(told('50% you'), "unsupported format character 'y' (0x79) at index 4");
  assert.equal(told('%(name)'), 'incomplete format');
  assert.equal(told('%(name'), 'incomplete format key');
  assert.equal(told('%'), 'incomplete format');
  assert.equal(told('%(name)d'), '%d format: a real number is required, not str');
  assert.equal(told(`%(num)${'9'.repeat(30)}d`), 'width too big');
});

test('without a name it is the whole mapping that is shown, once, as Python does', () => {
  assert.equal(expand('%s'), "{'name': 'web', 'ENV_HOME': '/root', 'num': 7}");
  assert.match(expand('%s %s'), /not enough arguments for format string$/);
});
