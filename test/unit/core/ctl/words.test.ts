import assert from 'node:assert/strict';
import test from 'node:test';
import { completions, findCompletion } from '../../../../src/core/ctl/completion.js';
import { makeNamespec, parseLine, splitNamespec } from '../../../../src/core/ctl/words.js';

const lines: readonly (readonly [typed: string, action: string | null, rest: string])[] = [
  ['', null, ''],
  ['  status  a  b ', 'status', 'a  b'],
  ['status:x', 'status', ':x'],
  ['?', 'help', ''],
  ['? tail', 'help', 'tail'],
  ['!ls', null, '!ls'],
  ['-x', null, '-x'],
];
for (const [typed, action, rest] of lines)
  test(`'${typed}' is the action ${action}`, () => {
    const parsed = parseLine(typed);
    assert.deepEqual([parsed.action, parsed.rest], [action, rest]);
  });

test('a name is a process, with a star or an empty name a whole group', () => {
  assert.deepEqual(splitNamespec('web'), { group: 'web', name: 'web' });
  assert.deepEqual(splitNamespec('g:web'), { group: 'g', name: 'web' });
  assert.deepEqual(splitNamespec('g:a:b'), { group: 'g', name: 'a:b' });
  for (const group of ['g:*', 'g:']) assert.deepEqual(splitNamespec(group), { group: 'g', name: null });
  assert.equal(makeNamespec('web', 'web'), 'web');
  assert.equal(makeNamespec('g', 'web'), 'g:web');
});

const infos = [
  { group: 'web', name: 'web' },
  { group: 'pool', name: 'pool_00' },
  { group: 'pool', name: 'pool_01' },
  { group: 'my-app', name: 'my-app' },
];
const offers: readonly (readonly [line: string, offered: readonly string[]])[] = [
  ['st', ['start ', 'status ', 'stop ']],
  ['help re', ['reload ', 'remove ', 'reread ', 'restart ']],
  ['add p', ['pool ']],
  ['start p', ['pool:pool_00 ', 'pool:* ', 'pool:pool_01 ']],
  ['start web p', ['pool:pool_00 ', 'pool:* ', 'pool:pool_01 ']],
  ['start my-', ['my-app ']],
  ['start web:', ['web:web ', 'web:* ']],
  ['stop w', ['web ']],
  ['maintail w', []],
];
for (const [line, offered] of offers)
  test(`Tab after '${line}' offers ${offered.length === 0 ? 'nothing' : offered.join('')}`, () => {
    assert.deepEqual(completions(findCompletion(line), infos), offered);
  });

test('Tab on an empty line offers every action', () => {
  const offered = completions(findCompletion(''), []);
  assert.equal(offered.length, 22);
  assert.ok(offered.includes('quit ') && !offered.includes('EOF '));
});
