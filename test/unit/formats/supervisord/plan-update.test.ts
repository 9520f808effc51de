import assert from 'node:assert/strict';
import test from 'node:test';
import { planUpdate, type UpdatePlan } from '../../../../src/formats/supervisord/plan-update.js';
import { readSupervisordConfig } from '../../../../src/formats/supervisord/read-config.js';
import { sourceOf } from '../../../support/config-texts.js';

const plan = (before: string, after: string): UpdatePlan => {
  const [old, next] = [before, after].map((text) =>
    readSupervisordConfig(sourceOf(`[supervisord]\n${text}`)),
  );
  return planUpdate(old!, next!);
};

const web = '[program:web]\ncommand=web\n';
const many = '[program:n]\ncommand=n\nprocess_name=%(process_num)s\nnumprocs=';

test('the same configuration is no change, wherever it stands', () => {
  const same = { added: [], changed: [], removed: [], changes: [] };
  assert.deepEqual(plan(web, `\n\n${web}`), same);
  assert.deepEqual(plan(`${web}environment=A="1",B="2"`, `${web}environment=B="2",A="1"`), same);
  assert.deepEqual(plan(`${web}autorestart=true`, `${web}autorestart=1`), same);
});

test('groups that come and go are told in the order of their configuration', () => {
  const { added, changed, removed } = plan(
    `${web}[program:z]\ncommand=z\n`,
    '[program:b]\ncommand=b\n[program:a]\ncommand=a\n',
  );
  assert.deepEqual([added, changed, removed], [['a', 'b'], [], ['web', 'z']]);
});

test('a change is told by its key, with what it was and what it will be', () => {
  assert.deepEqual(plan(web, `${web}startsecs=5`).changes, [
    {
      name: 'web',
      keys: [],
      added: [],
      removed: [],
      changed: [{ name: 'web', keys: [{ key: 'startsecs', from: '1', to: '5' }] }],
    },
  ]);
});

const keysChanged = (before: string, after: string): string[] =>
  plan(web + before, web + after).changes.flatMap(({ changed }) =>
    changed.flatMap(({ keys }) => keys.map(({ key }) => key)),
  );

test('a log that was AUTO, a variable and our own keys are seen', () => {
  assert.deepEqual(keysChanged('stdout_logfile=AUTO', 'stdout_logfile=/tmp/x'), ['stdout_logfile']);
  assert.deepEqual(keysChanged('environment=A="1"', 'environment=A="2"'), ['environment']);
  assert.deepEqual(keysChanged('', 'killmode=tree'), ['killmode']);
});

test('of a group that changed, processes that did not are in no list', () => {
  const [change] = plan(`${many}2`, `${many}3`).changes;
  assert.deepEqual(change, { name: 'n', keys: [], added: ['2'], removed: [], changed: [] });
  const [shrunk] = plan(`${many}3`, `${many}1`).changes;
  assert.deepEqual(shrunk?.removed, ['1', '2']);
});

test('what is of the group itself is told there', () => {
  const pool = '[eventlistener:l]\ncommand=l\nevents=TICK_5\n';
  const [change] = plan(pool, `${pool}buffer_size=20`).changes;
  assert.deepEqual(change?.keys, [{ key: 'buffer_size', from: '10', to: '20' }]);
  assert.deepEqual(change?.changed, []);
  const fcgi = '[fcgi-program:web]\ncommand=web\nsocket=tcp://h:1';
  assert.deepEqual(
    plan(fcgi, web).changes[0]?.keys.map(({ key }) => key),
    ['kind', 'socket'],
  );
});
