// A supervisor that is killed stops nothing, and one that is exchanged disturbs nothing.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../support/package-root.js';
import { argvOf, describe, isAlive, processesMentioning } from '../support/proc.js';
import { needsSupervisor, python } from '../support/supervisor-oracle.js';
import { TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const counting = '/bin/sh -c "n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done"';

const config = `
[program:steady]
command=sleep 1000
[program:counts]
command=${counting}
stdout_logfile=%(here)s/counts
[program:seen]
command=${counting}
stdout_logfile=%(here)s/seen
stdout_events_enabled=true
[program:dies]
command=sleep 1000
autorestart=true
[program:rests]
command=sleep 1000
autorestart=false
[program:stopped]
command=sleep 1000
[program:manual]
command=sleep 1000
autostart=false
[program:cat]
command=cat
stdout_logfile=%(here)s/cat
`;

const names = ['steady', 'counts', 'seen', 'dies', 'rests', 'stopped', 'cat'];

async function begin(world: World, text = config): Promise<TestSupervisor> {
  const ours = new TestSupervisor(world, 'ours');
  ours.configure(text);
  await ours.start();
  return ours;
}

async function pidsOf(ours: TestSupervisor, which: readonly string[]): Promise<Record<string, number>> {
  return Object.fromEntries(
    await Promise.all(which.map(async (name) => [name, await ours.pidOf(name)] as const)),
  );
}

async function kill(ours: TestSupervisor): Promise<void> {
  ours.child.kill('SIGKILL');
  await ours.ends();
}

const copiesOf = (ours: TestSupervisor, command: string): number =>
  processesMentioning(ours.folder).filter((pid) => describe(pid).startsWith(command)).length;

/** Every number once, in order. */
function assertComplete(text: string): void {
  const lines = text.split('\n').slice(0, -1);
  assert.ok(lines.length > 0);
  assert.deepEqual(
    lines,
    lines.map((_, index) => String(index + 1)),
  );
}

test('a supervisor that was killed is followed by one that takes over what still runs, and loses no line', async () => {
  await using world = await makeWorld();
  await using ours = await begin(world);
  for (const name of names) await ours.reaches(name, 'RUNNING');
  assert.equal(await ours.answer('stopProcess', 'stopped'), true);
  const before = await pidsOf(ours, names);
  await kill(ours);
  for (const name of names) if (name !== 'stopped') assert.ok(isAlive(before[name]!), name);
  process.kill(before.dies!);
  process.kill(before.rests!);
  await ours.start();
  for (const name of ['steady', 'counts', 'seen', 'cat']) {
    const info = await ours.reaches(name, 'RUNNING');
    assert.equal(info.pid, before[name], name);
    assert.match(info.description as string, /^pid \d+, uptime 0:00:/);
  }
  const restarted = await ours.reaches('dies', 'RUNNING');
  assert.notEqual(restarted.pid, before.dies);
  assert.equal((await ours.reaches('rests', 'EXITED')).pid, 0);
  assert.equal((await ours.info('stopped')).statename, 'STOPPED');
  assert.equal((await ours.info('manual')).statename, 'STOPPED');
  assert.equal(await ours.answer('sendProcessStdin', 'cat', 'hello\n'), true);
  await until(() => assert.equal(ours.read('cat'), 'hello\n'), { withinMs: 5000 });
  for (const name of ['counts', 'seen']) {
    const reached = ours.read(name).split('\n').length;
    await until(() => assert.ok(ours.read(name).split('\n').length > reached + 5), { withinMs: 5000 });
    assert.equal(await ours.answer('stopProcess', name), true);
    assertComplete(ours.read(name));
  }
  // Nothing runs twice, and what was taken over can be stopped and started.
  assert.equal(copiesOf(ours, 'sleep 1000'), 2, 'steady and dies');
  assert.equal(await ours.answer('stopProcess', 'steady'), true);
  assert.equal(isAlive(before.steady!), false);
  assert.equal(await ours.answer('startProcess', 'steady'), true);
});

test('a supervisor that was killed twice in its first moments still leaves no program running twice', async () => {
  await using world = await makeWorld();
  await using ours = await begin(world);
  await kill(ours);
  await ours.start();
  await kill(ours);
  await ours.start();
  for (const name of names) await ours.reaches(name, 'RUNNING');
  assert.equal(copiesOf(ours, 'sleep 1000'), 4);
  assert.equal(copiesOf(ours, 'cat'), 1);
  assert.equal(copiesOf(ours, '/bin/sh -c n=0'), 2);
});

test('a supervisor that is killed right after it restarted a program it had adopted leaves no second copy', async () => {
  await using world = await makeWorld();
  await using ours = await begin(world);
  for (const name of names) await ours.reaches(name, 'RUNNING');
  for (let round = 0; round < 5; round += 1) {
    await kill(ours);
    await ours.start();
    const { pid } = await ours.reaches('dies', 'RUNNING');
    process.kill(pid as number, 'SIGKILL');
    await until(async () => assert.notEqual((await ours.info('dies')).pid, pid), { withinMs: 10_000 });
    await kill(ours);
    await ours.start();
    await ours.reaches('dies', 'RUNNING');
    assert.equal(copiesOf(ours, 'sleep 1000'), 4, `round ${round}`);
  }
});

test('a supervisor that is killed right after a reload leaves no second copy of what that put in place', async () => {
  await using world = await makeWorld();
  await using ours = await begin(world);
  for (const name of names) await ours.reaches(name, 'RUNNING');
  for (let round = 0; round < 5; round += 1) {
    const { pid } = await ours.info('dies');
    const program = `[program:dies]\ncommand=sleep ${2000 + round}`;
    ours.configure(config.replace('[program:dies]\ncommand=sleep 1000', program));
    ours.child.kill('SIGHUP');
    await until(() => assert.equal(copiesOf(ours, `sleep ${2000 + round}`), 1), { withinMs: 10_000 });
    await kill(ours);
    await ours.start();
    const next = await ours.reaches('dies', 'RUNNING');
    assert.notEqual(next.pid, pid);
    assert.equal(copiesOf(ours, `sleep ${2000 + round}`), 1, `round ${round}`);
  }
});

/** It goes into the background when it is told to. */
const background = `
[program:forks]
command=/bin/sh -c "until test -e go; do sleep 0.01; done; setsid sleep 3000 & echo $! > forks.pid"
directory=%(here)s
pid_file=%(here)s/forks.pid
autorestart=true
startsecs=0
`;

async function assertFollowed(ours: TestSupervisor): Promise<void> {
  await until(
    async () => {
      const { pid, statename } = await ours.info('forks');
      assert.deepEqual([statename, pid], ['RUNNING', Number(ours.read('forks.pid'))]);
    },
    { withinMs: 10_000 },
  );
  assert.equal(copiesOf(ours, 'sleep 3000'), 1);
}

test('what went into the background is found by its pidfile when the supervisor was killed before it noted that', async () => {
  await using world = await makeWorld();
  await using ours = await begin(world, background);
  ours.child.kill('SIGSTOP');
  writeFileSync(ours.path('go'), '');
  await until(() => assert.match(ours.read('forks.pid'), /\d\n/), { withinMs: 10_000 });
  await kill(ours);
  await ours.start();
  await assertFollowed(ours);
});

test('a program that goes into the background only after its supervisor was killed is followed by the next one', async () => {
  await using world = await makeWorld();
  await using ours = await begin(world, background);
  await kill(ours);
  await ours.start();
  writeFileSync(ours.path('go'), '');
  await assertFollowed(ours);
});

for (const [how, exchange] of [
  ['SIGHUP', (ours: TestSupervisor) => void ours.child.kill('SIGHUP')],
  [
    'the method restart',
    (ours: TestSupervisor) => ours.answer('restart').then((said) => assert.equal(said, true)),
  ],
] as const)
  test(`${how} exchanges the supervisor: what did not change goes on, the rest follows the file`, async () => {
    await using world = await makeWorld();
    await using ours = await begin(world);
    for (const name of names) await ours.reaches(name, 'RUNNING');
    await ours.answer('stopProcess', 'stopped');
    const before = await pidsOf(ours, names);
    const pid = ours.pid;
    ours.configure(
      `${config.replace('[program:dies]\ncommand=sleep 1000', '[program:dies]\ncommand=sleep 1001').replace('[program:rests]', '[program:comes]')}`,
    );
    await exchange(ours);
    await until(() => assert.equal(ours.read('main.log').split('supervisord started').length, 3), {
      withinMs: 10_000,
    });
    await ours.answers();
    const comes = await ours.reaches('comes', 'RUNNING');
    assert.notEqual(comes.pid, before.rests);
    assert.equal(isAlive(before.rests!), false);
    assert.equal(ours.pid, pid);
    assert.ok(ours.child.exitCode === null);
    for (const name of ['steady', 'counts', 'seen', 'cat']) {
      const info = await ours.reaches(name, 'RUNNING');
      assert.equal(info.pid, before[name], name);
    }
    const changed = await ours.reaches('dies', 'RUNNING');
    assert.notEqual(changed.pid, before.dies);
    assert.equal(argvOf(changed.pid as number)[1]?.toString(), '1001');
    assert.equal((await ours.info('stopped')).statename, 'STOPPED');
    assert.deepEqual(await ours.answer('getProcessInfo', 'rests'), { fault: 10, text: 'BAD_NAME: rests' });
    assert.equal(await ours.answer('sendProcessStdin', 'cat', 'hello\n'), true);
    await until(() => assert.equal(ours.read('cat'), 'hello\n'), { withinMs: 5000 });
    for (const name of ['counts', 'seen']) {
      assert.equal(await ours.answer('stopProcess', name), true);
      assertComplete(ours.read(name));
    }
    // An end is still seen, by its exit status: they are children of the same process.
    process.kill(before.steady!, 'SIGKILL');
    await until(
      () => assert.ok(ours.logLines().includes('WARN exited: steady (terminated by SIGKILL; not expected)')),
      { withinMs: 5000 },
    );
  });

test('an exchange with a file that cannot be used is refused, and nothing stops', async () => {
  await using world = await makeWorld();
  await using ours = await begin(world);
  for (const name of names) await ours.reaches(name, 'RUNNING');
  const before = await pidsOf(ours, names);
  ours.configure('[program:x]\n');
  const fault = await ours.answer('restart');
  assert.deepEqual(fault, {
    fault: 92,
    text: `CANT_REREAD: program section program:x does not specify a command in section 'program:x' (file: '${ours.path('conf')}')`,
  });
  ours.child.kill('SIGHUP');
  await until(
    () => assert.match(ours.read('main.log'), /CRIT cannot restart: program section program:x does not/),
    { withinMs: 5000 },
  );
  assert.deepEqual(await pidsOf(ours, names), before);
});

test('two supervisors of one configuration are not started, and the first one goes on', async () => {
  await using world = await makeWorld();
  await using ours = await begin(world);
  await ours.reaches('steady', 'RUNNING');
  const before = await pidsOf(ours, names);
  for (const mode of [['-n'], []]) {
    const second = await world.tsdaemon(['supervise', '-c', ours.path('conf'), ...mode]);
    assert.equal(second.code, 2, second.stderr);
    assert.match(second.stderr, /^Error: /);
  }
  assert.deepEqual(await pidsOf(ours, names), before);
  assert.equal(ours.pid, ours.child.pid);
});

test('a socket and a pidfile that a killed supervisor left are no obstacle', async () => {
  await using world = await makeWorld();
  await using ours = await begin(world, '[program:steady]\ncommand=sleep 1000\n');
  await kill(ours);
  assert.ok(ours.isLeft('sock') && ours.isLeft('pid'));
  await ours.start();
  assert.equal(ours.pid, ours.child.pid);
});

test('in the background it outlives its launcher, and is there again after a kill', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(config);
  await ours.start({ args: [] });
  assert.equal(await ours.ends(), 0);
  const first = ours.pid;
  for (const name of names) await ours.reaches(name, 'RUNNING');
  const before = await pidsOf(ours, names);
  process.kill(first, 'SIGKILL');
  await until(() => assert.ok(!isAlive(first)), { withinMs: 5000 });
  await ours.start({ args: [] });
  assert.equal(await ours.ends(), 0);
  assert.notEqual(ours.pid, first);
  assert.deepEqual(await pidsOf(ours, names), before);
  process.kill(ours.pid, 'SIGTERM');
  await until(() => assert.ok(!ours.isLeft('pid')), { withinMs: 10_000 });
});

test('a listener is taken over in the middle of its conversation, and can be asked for other events', {
  skip: needsSupervisor,
}, async () => {
  await using world = await makeWorld();
  const text = `${config}
[eventlistener:listener]
command=${python} ${join(packageRoot, 'test/fixtures/listener.py')} %(here)s/events
events=PROCESS_STATE,REMOTE_COMMUNICATION
buffer_size=100
`;
  await using ours = await begin(world, text);
  const heard = (): string[] =>
    ours
      .read('events')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { headers: { eventname: string }; payload: string })
      .map(({ headers, payload }) => `${headers.eventname} ${payload}`);
  await ours.reaches('listener', 'RUNNING');
  await until(() => assert.ok(ours.isLeft('events')), { withinMs: 5000 });
  const pid = await ours.pidOf('listener');
  await ours.answer('sendRemoteCommEvent', 'first', '1');
  await until(() => assert.ok(heard().includes('REMOTE_COMMUNICATION type:first\n1')), { withinMs: 5000 });
  await kill(ours);
  await ours.start();
  assert.equal(await ours.pidOf('listener'), pid);
  await ours.answer('sendRemoteCommEvent', 'second', '2');
  await until(() => assert.ok(heard().includes('REMOTE_COMMUNICATION type:second\n2')), { withinMs: 5000 });
  ours.configure(text.replace('events=PROCESS_STATE,', 'events='));
  ours.child.kill('SIGHUP');
  await until(() => assert.equal(ours.read('main.log').split('supervisord started').length, 4), {
    withinMs: 10_000,
  });
  await ours.answers();
  assert.equal(await ours.pidOf('listener'), pid);
  await ours.answer('stopProcess', 'cat');
  await ours.answer('sendRemoteCommEvent', 'third', '3');
  await until(() => assert.ok(heard().includes('REMOTE_COMMUNICATION type:third\n3')), { withinMs: 5000 });
  assert.ok(!heard().some((event) => /STOPPING processname:cat/.test(event)), 'it listens to less now');
  const serials = ours
    .read('events')
    .trim()
    .split('\n')
    .map((line) => Number((JSON.parse(line) as { headers: { serial: string } }).headers.serial));
  assert.deepEqual(serials, [...new Set(serials)], 'no number is given twice');
});
