// What a supervised program finds when it starts, and who is left when it is stopped, beside the real supervisord.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import {
  cwdOf,
  descriptorsOf,
  environmentOf,
  isAlive,
  limitOf,
  signalsIn,
  statOf,
  statusField,
} from '../support/proc.js';
import { makeBoth, needsSupervisord, startAll, TestSupervisor } from '../support/supervisors.js';
import { needsRoot } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const skip = needsSupervisord;

async function factsOf(supervisor: TestSupervisor, name: string): Promise<object> {
  const pid = await supervisor.pidOf(name);
  const stat = statOf(pid)!;
  return {
    environment: environmentOf(pid)
      .map((entry) => supervisor.comparable(entry.toString()))
      // Python's own: PEP 538.
      .filter((entry) => !entry.startsWith('LC_CTYPE='))
      .sort(),
    cwd: supervisor.comparable(cwdOf(pid)),
    umask: statusField(pid, 'Umask'),
    leadsItsGroup: stat.processGroup === pid,
    isInTheSession: stat.session === statOf(supervisor.child.pid!)!.session,
    users: statusField(pid, 'Uid'),
    groups: [statusField(pid, 'Gid'), statusField(pid, 'Groups')],
    blockedSignals: signalsIn(pid, 'SigBlk'),
    descriptors: [...descriptorsOf(pid).keys()],
    openFiles: limitOf(pid, 'Max open files'),
    nice: stat.nice,
    capabilities: statusField(pid, 'CapEff'),
  };
}

async function assertSameFacts(names: readonly string[], config: string): Promise<void> {
  await using world = await makeWorld();
  const both = makeBoth(world, config);
  await using ours = both[0];
  await using theirs = both[1];
  await startAll(both);
  for (const name of names) {
    for (const each of both) await each.reaches(name, 'RUNNING');
    assert.deepEqual(await factsOf(ours, name), await factsOf(theirs, name), name);
    // supervisord hands on what Python ignores, SIGPIPE and SIGXFSZ: a defect.
    assert.deepEqual(signalsIn(await ours.pidOf(name), 'SigIgn'), []);
  }
}

test(
  'a program gets the environment, directory, umask, session and descriptors that it has under supervisord',
  {
    skip,
  },
  () =>
    assertSameFacts(
      ['plain', 'elsewhere', 'team:member'],
      `
[program:plain]
command=sleep 1000
environment=A="b c",SUPERVISOR_ENABLED=0
[program:elsewhere]
command=sleep 1000
directory=/usr
umask=027
startsecs=0
[group:team]
programs=member
[program:member]
command=sleep 1000
redirect_stderr=true
startsecs=0
serverurl=http://127.0.0.1:9
`,
    ),
);

/** One with several groups, if there is one. */
function someUser(): string {
  const users = spawnSync('getent', ['passwd'], { encoding: 'utf8' }).stdout.split('\n');
  const names = users.map((line) => line.split(':')[0]!).filter((name) => name !== '' && name !== 'root');
  const groupsOf = (name: string): number =>
    spawnSync('id', ['-G', name], { encoding: 'utf8' }).stdout.trim().split(' ').length;
  return names.find((name) => groupsOf(name) > 1) ?? 'nobody';
}

test(
  'a program with a user gets that user and all of its groups, and the next one without gets none of them',
  {
    skip: skip || needsRoot,
  },
  () =>
    assertSameFacts(
      ['a-user', 'by-number', 'none'],
      `
[program:a-user]
command=sleep 1000
user=${someUser()}
startsecs=0
[program:by-number]
command=sleep 1000
user=65534
directory=/tmp
startsecs=0
[program:none]
command=sleep 1000
startsecs=0
`,
    ),
);

const parent = (child: string, rest = 'wait'): string => `/bin/sh -c "${child} & echo $!; ${rest}"`;

const families = `
[program:alone]
command=${parent('sleep 1000')}
stdout_logfile=%(here)s/alone
startsecs=0
[program:as-group]
command=${parent('sleep 1000')}
stdout_logfile=%(here)s/as-group
stopasgroup=true
startsecs=0
[program:kill-group]
command=${parent('sleep 1000', "trap '' TERM; while :; do sleep 0.05; done")}
stdout_logfile=%(here)s/kill-group
killasgroup=true
stopwaitsecs=1
startsecs=0
`;

async function childOf(supervisor: TestSupervisor, name: string): Promise<number> {
  return until(
    () => {
      const pid = Number(supervisor.read(name));
      assert.ok(pid > 0 && isAlive(pid));
      return pid;
    },
    { withinMs: 5000 },
  );
}

test('a stop reaches the program, or its whole process group, as stopasgroup and killasgroup say', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const both = makeBoth(world, families);
  await using ours = both[0];
  await using theirs = both[1];
  await startAll(both);
  const outcomes = await Promise.all(
    [ours, theirs].map(async (each) => {
      const left: [string, boolean][] = [];
      for (const name of ['alone', 'as-group', 'kill-group']) {
        const child = await childOf(each, name);
        await each.answer('stopProcess', name);
        // The kernel ends it in its own time.
        if (name !== 'alone') await until(() => assert.ok(!isAlive(child)), { withinMs: 5000 });
        left.push([name, isAlive(child)]);
        if (name === 'alone') process.kill(child);
      }
      return left;
    }),
  );
  assert.deepEqual(outcomes[0], outcomes[1]);
  assert.deepEqual(outcomes[0], [
    ['alone', true],
    ['as-group', false],
    ['kill-group', false],
  ]);
});

test('with killmode=tree a stop reaches what left its process group, its session and its parent', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(`
[program:tree]
command=/bin/sh -c "(setsid sleep 1000 & echo $!); exec sleep 1000"
stdout_logfile=%(here)s/tree
killmode=tree
startsecs=0
[program:other]
command=/bin/sh -c "(setsid sleep 1000 & echo $!); exec sleep 1000"
stdout_logfile=%(here)s/other
startsecs=0
`);
  await ours.start();
  const [mine, others] = [await childOf(ours, 'tree'), await childOf(ours, 'other')];
  assert.equal(await ours.answer('stopProcess', 'tree'), true);
  assert.equal(isAlive(mine), false);
  assert.equal(isAlive(others), true);
  assert.equal(await ours.answer('stopProcess', 'other'), true);
  assert.equal(isAlive(others), true);
  process.kill(others);
});

test('limits are set for one program only', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(`
[program:limited]
command=sleep 1000
limit=nofile=64:128, core=0
startsecs=0
[program:free]
command=sleep 1000
startsecs=0
`);
  await ours.start();
  for (const name of ['limited', 'free']) await ours.reaches(name, 'RUNNING');
  const limited = await ours.pidOf('limited');
  await until(() => assert.deepEqual(limitOf(limited, 'Max open files'), { soft: 64, hard: 128 }), {
    withinMs: 5000,
  });
  assert.deepEqual(limitOf(limited, 'Max core file size'), { soft: 0, hard: 0 });
  assert.ok(limitOf(await ours.pidOf('free'), 'Max open files').soft > 64);
  assert.equal(
    environmentOf(limited).some((entry) => entry.toString().startsWith('SUPERVISOR_PROCESS_NAME=limited')),
    true,
  );
  assert.equal(statOf(limited)!.processGroup, limited);
});
