// Event listeners, on the package's own childutils, hear the same from ours as from the real supervisord.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../support/package-root.js';
import { needsSupervisor, python } from '../support/supervisor-oracle.js';
import { makeBoth, needsSupervisord, startAll, type TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

/** One for each: supervisord gives what one listener rejects to every pool of the same priority as well, a defect. */
let priority = 0;

const listener = (name: string, events: string, habit: string): string => `
[eventlistener:${name}]
command=${python} ${join(packageRoot, 'test/fixtures/listener.py')} %(here)s/${name}.events ${habit}
events=${events}
buffer_size=1000
priority=${++priority}
startsecs=0
`;

const config = `
${listener('remote', 'REMOTE_COMMUNICATION', 'accept')}
${listener('everything', 'EVENT', 'accept')}
${listener('rejects', 'REMOTE_COMMUNICATION', 'reject-once')}
${listener('dies', 'REMOTE_COMMUNICATION', 'die-once')}
autorestart=true
${listener('babbles', 'REMOTE_COMMUNICATION', 'babble')}
${listener('calls', 'REMOTE_COMMUNICATION', 'call-back')}
${listener('output', 'PROCESS_LOG,PROCESS_COMMUNICATION', 'accept')}
${listener('ticks', 'TICK_5', 'accept')}
[program:talks]
command=cat
stdout_logfile=%(here)s/talks.log
stdout_events_enabled=true
[program:captured]
command=cat
stdout_logfile=%(here)s/captured.log
stdout_capture_maxbytes=1KB
`;

interface Heard {
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: string;
  readonly self?: string;
}

function heard(supervisor: TestSupervisor, name: string): Heard[] {
  if (!supervisor.isLeft(`${name}.events`)) return [];
  const lines = supervisor.read(`${name}.events`).split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Heard);
}

/** A serial depends on what else has happened; the number within the pool does not. */
const told = (supervisor: TestSupervisor, name: string): string[] =>
  heard(supervisor, name).map(({ headers, payload, self }) =>
    supervisor.comparable(
      [headers.ver, headers.server, headers.pool, headers.poolserial, headers.eventname, payload, self].join(
        ' | ',
      ),
    ),
  );

const remoteCount: Readonly<Record<string, number>> = {
  remote: 4,
  rejects: 8,
  dies: 5,
  babbles: 2,
  calls: 4,
};

test('listeners that accept, reject, die, babble and call back are told what supervisord tells them', {
  skip: needsSupervisord || needsSupervisor,
}, async () => {
  await using world = await makeWorld();
  const both = makeBoth(world, config);
  await using ours = both[0];
  await using theirs = both[1];
  await startAll(both);
  for (const each of both) {
    for (const name of [...Object.keys(remoteCount), 'everything', 'output', 'talks', 'captured'])
      await each.reaches(name, 'RUNNING');
    for (const [kind, data] of [
      ['a', '1'],
      ['b', 'two\nlines\n'],
      ['c', ''],
      ['d', '4'],
    ] as const)
      assert.equal(await each.answer('sendRemoteCommEvent', kind, data), true);
    await each.answer('sendProcessStdin', 'talks', 'hello\n');
    await until(() => assert.equal(heard(each, 'output').length, 1), { withinMs: 5000 });
    await each.answer(
      'sendProcessStdin',
      'captured',
      'before<!--XSUPERVISOR:BEGIN-->message<!--XSUPERVISOR:END-->and after, which is more than a token\n',
    );
  }
  await until(
    () => {
      for (const each of both) {
        for (const [name, count] of Object.entries(remoteCount))
          assert.equal(heard(each, name).length, count, `${each.whose} ${name}`);
        assert.equal(heard(each, 'output').length, 2, each.whose);
        assert.ok(heard(each, 'ticks').length > 0, each.whose);
      }
    },
    { withinMs: 15_000 },
  );
  for (const name of [...Object.keys(remoteCount), 'output'])
    assert.deepEqual(
      name === 'rejects' ? told(ours, name).sort() : told(ours, name),
      name === 'rejects' ? told(theirs, name).sort() : told(theirs, name),
      name,
    );
  assert.ok(heard(ours, 'calls').every(({ self }) => self === 'RUNNING'));
  const kinds = (each: TestSupervisor): string[] =>
    told(each, 'everything')
      .filter((line) => /groupname:(talks|captured)|SUPERVISOR_STATE|PROCESS_GROUP|REMOTE/.test(line))
      .map((line) => line.replace(/ \| \d+ \| /, ' | N | '))
      .sort();
  assert.deepEqual(kinds(ours), kinds(theirs));
  for (const each of both) {
    const when = Number(/when:(\d+)/.exec(heard(each, 'ticks')[0]!.payload)?.[1]);
    assert.equal(when % 5, 0);
    assert.ok(each.logLines().some((line) => line.startsWith('WARN babbles: has entered the UNKNOWN state')));
    assert.ok(each.logLines().includes('WARN rejects: event was rejected'));
    assert.match(each.read('captured.log'), /^beforeand after/);
  }
});
