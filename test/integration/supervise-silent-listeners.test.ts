// Listeners that were busy when their supervisor was killed.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

/** Notes each event, does what is said before it answers, and forgets to answer where that is `continue`. */
const listener = (name: string, before: string): string => `
printf 'READY\\n'
while read -r header; do
  head -c "\${header##*len:}" >> ${name}.events
  ${before}
  printf 'RESULT 2\\nOKREADY\\n'
done
`;

const section = (name: string): string => `
[eventlistener:${name}]
command=/bin/sh %(here)s/${name}.sh
directory=%(here)s
events=REMOTE_COMMUNICATION
startsecs=0
`;

test('after a kill of its supervisor a listener that never answers is started again, a slow one is not', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  writeFileSync(ours.path('silent.sh'), listener('silent', 'test -e was || { touch was; continue; }'));
  writeFileSync(ours.path('slow.sh'), listener('slow', 'until test -e go; do sleep 0.1; done'));
  ours.configure(section('silent') + section('slow'));
  await ours.start();
  await ours.reaches('silent', 'RUNNING');
  await ours.reaches('slow', 'RUNNING');
  await ours.call('supervisor.sendRemoteCommEvent', 'a', 'first');
  const withinMs = 20_000;
  for (const name of ['silent.events', 'slow.events'])
    await until(() => assert.equal(ours.read(name), 'type:a\nfirst'), { withinMs });
  const [silent, slow] = [await ours.pidOf('silent'), await ours.pidOf('slow')];

  ours.child.kill('SIGKILL');
  await ours.ends();
  await ours.start();
  assert.deepEqual([await ours.pidOf('silent'), await ours.pidOf('slow')], [silent, slow]);
  writeFileSync(ours.path('go'), '');
  await ours.call('supervisor.sendRemoteCommEvent', 'b', ' second ');
  await until(() => assert.equal(ours.read('silent.events'), 'type:a\nfirsttype:a\nfirsttype:b\n second '), {
    withinMs,
  });
  assert.equal(ours.read('slow.events'), 'type:a\nfirsttype:b\n second ');
  assert.notEqual(await ours.pidOf('silent'), silent);
  assert.equal(await ours.pidOf('slow'), slow);
  assert.match(
    ours.read('main.log'),
    /WARN silent: has not answered event \d+ since the supervisor was killed/,
  );
});
