import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readSupervisordConfig } from '../../../../src/formats/supervisord/read-config.js';
import { updateSteps } from '../../../../src/formats/supervisord/update-steps.js';
import { sourceOf } from '../../../support/config-texts.js';

const read = (text: string) => readSupervisordConfig(sourceOf(`[supervisord]\n${text}`));

const steps = (before: string, after: string, up: readonly string[]): readonly string[] =>
  updateSteps(read(before), read(after), ({ name }) => up.includes(name)).map(({ do: what, name, keys }) =>
    [what, name, ...keys.map(({ key }) => key)].join(' '),
  );

const web = '[program:web]\ncommand=web\n';
const many = '[program:n]\ncommand=n\nprocess_name=%(process_num)s\nnumprocs=';

test('only what runs is stopped or restarted, and what does not start unasked is only added', () => {
  assert.deepEqual(steps(web, `${web}umask=0`, ['web']), ['restart web umask']);
  assert.deepEqual(steps(web, `${web}umask=0`, []), ['change web umask']);
  assert.deepEqual(steps(web, '', ['web']), ['stop web']);
  assert.deepEqual(steps(web, '', []), ['remove web']);
  assert.deepEqual(steps('', web, []), ['start web']);
  assert.deepEqual(steps('', `${web}autostart=false`, []), ['add web']);
});

test('members that come and go leave the others alone', () => {
  assert.deepEqual(steps(`${many}2`, `${many}3`, ['0', '1']), ['start n:2']);
  assert.deepEqual(steps(`${many}3`, `${many}2`, ['0', '1', '2']), ['stop n:2']);
});

test('a key of a group changes the group, and none of its members', () => {
  const group = `${web}[group:g]\nprograms=web\n`;
  assert.deepEqual(steps(group, `${group}priority=1`, ['web']), ['change g priority']);
});
