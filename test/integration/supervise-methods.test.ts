// Every method of supervisor.*, asked of ours and of the real supervisord: the answers and faults are the same.
import assert from 'node:assert/strict';
import { readlinkSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isStruct, type XmlRpcValue } from '../../src/formats/xml-rpc.js';
import { childrenOf, describe } from '../support/proc.js';
import {
  type Both,
  makeBoth,
  needsSupervisord,
  type Struct,
  startAll,
  TestSupervisor,
} from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const skip = needsSupervisord;

const config = `
[program:cat]
command=cat
stdout_logfile=%(here)s/cat.log
[program:talks]
command=/bin/sh -c "printf 'one\\ntwo\\n\\303\\251\\n'; echo err >&2; exec sleep 1000"
stdout_logfile=%(here)s/talks.log
stderr_logfile=%(here)s/talks.err
[program:silent]
command=sleep 1000
stdout_logfile=NONE
stderr_logfile=NONE
redirect_stderr=true
environment=A="b c",D=e
directory=/tmp
priority=7
umask=027
exitcodes=0,2
stopsignal=INT
stopasgroup=true
serverurl=http://x:1
stdout_syslog=false
stdout_capture_maxbytes=1KB
[program:merged]
command=sleep 1000
redirect_stderr=true
[program:deaf]
command=/bin/sh -c "exec 0<&-; exec sleep 1000"
[program:off]
command=sleep 999
autostart=false
[program:fails]
command=/bin/sh -c "sleep 0.3; exit 1"
autostart=false
startretries=0
[program:absent]
command=%(here)s/absent
autostart=false
startretries=0
[program:not-executable]
command=%(here)s/conf
autostart=false
[program:folder]
command=%(here)s
autostart=false
[program:slow]
command=/bin/sh -c "trap '' TERM; echo ready; while :; do sleep 0.05; done"
stdout_logfile=%(here)s/slow.log
stopwaitsecs=2
priority=1000
autostart=false
startsecs=0
[group:many]
programs=a,b,c
priority=5
[program:a]
command=sleep 1000
stdout_logfile=NONE
stderr_logfile=NONE
startsecs=0
priority=3
[program:b]
command=sleep 1000
stdout_logfile=NONE
stderr_logfile=NONE
startsecs=0
priority=2
[program:c]
command=sleep 1000
startsecs=0
numprocs=2
stdout_logfile=NONE
stderr_logfile=NONE
process_name=%(program_name)s%(process_num)d
`;

/** Answers without what is nobody's promise. */
function comparable(supervisor: TestSupervisor, value: XmlRpcValue): XmlRpcValue {
  if (typeof value === 'string')
    return supervisor
      .comparable(value)
      .replace(/uptime \d:\d\d:\d\d/, 'uptime TIME')
      .replace(/^[A-Z][a-z]{2} \d\d \d\d:\d\d [AP]M$/, 'TIME');
  if (Array.isArray(value)) return value.map((each) => comparable(supervisor, each));
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value as Struct).map(([key, each]) => [
      key,
      ['start', 'stop', 'now', 'pid'].includes(key) && typeof each === 'number'
        ? each === 0
          ? 0
          : 'SOME'
        : comparable(supervisor, each),
    ]),
  );
}

/**
 * Calls in both, which give the same answer. Where supervisord fails to answer at all (it decodes logs strictly), ours
 * has to have one.
 */
async function same(both: Both, method: string, ...params: readonly XmlRpcValue[]): Promise<XmlRpcValue> {
  const answers = both.map(async (each) => comparable(each, await each.answer(method, ...params)));
  const [mine, yours] = await stirred(both[1], Promise.all(answers));
  if (isStruct(yours) && 'http' in yours) assert.ok(!isStruct(mine), `${method}: ${JSON.stringify(mine)}`);
  else assert.deepEqual(mine, yours, `${method}(${params.map((each) => JSON.stringify(each)).join(', ')})`);
  if (method.startsWith('start')) await executed(both[1]);
  return mine!;
}

/** supervisord sleeps for up to a second between two looks, but for being asked something. */
async function stirred<T>(theirs: TestSupervisor, work: Promise<T>): Promise<T> {
  let isOver = false;
  const done = work.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await theirs.call('supervisor.getPID');
    await Promise.race([done.catch(() => undefined), pause(20)]);
  }
  return done;
}

/** A child of supervisord that gets its signal before it is executed has lost it. */
async function executed(theirs: TestSupervisor): Promise<void> {
  await until(
    () => {
      for (const pid of childrenOf(theirs.child.pid!))
        assert.ok(!describe(pid).includes('supervisord'), `${pid} is not executed yet`);
    },
    { withinMs: 10_000 },
  );
}

const sorted = (results: XmlRpcValue): string[] =>
  (results as readonly XmlRpcValue[]).map((result) => JSON.stringify(result)).sort();

/** The results of those that have to be waited for come in the order of their ends, which is anybody's. */
async function sameInAnyOrder(both: Both, method: string, ...params: readonly XmlRpcValue[]): Promise<void> {
  const answers = both.map(async (each) => sorted(comparable(each, await each.answer(method, ...params))));
  const [mine, yours] = await stirred(both[1], Promise.all(answers));
  assert.deepEqual(mine, yours, method);
  if (method.startsWith('start')) await executed(both[1]);
}

async function settle(both: Both, states: Readonly<Record<string, string>>): Promise<void> {
  for (const each of both)
    for (const [name, state] of Object.entries(states)) await each.reaches(name, state);
}

test('every method answers as it does under supervisord', { skip }, async (t) => {
  await using world = await makeWorld();
  const both = makeBoth(world, config);
  await using _ours = both[0];
  await using _theirs = both[1];
  await startAll(both);
  await settle(both, { cat: 'RUNNING', talks: 'RUNNING', silent: 'RUNNING', 'many:a': 'RUNNING' });
  const ask = (method: string, ...params: readonly XmlRpcValue[]): Promise<XmlRpcValue> =>
    same(both, method, ...params);

  await t.test('about itself and about all', async () => {
    for (const method of ['getAPIVersion', 'getVersion', 'getIdentification', 'getState']) await ask(method);
    assert.ok(((await ask('getAllConfigInfo')) as readonly unknown[]).length > 10);
    assert.ok(((await ask('getAllProcessInfo')) as readonly unknown[]).length > 10);
    await ask('no_such_method');
    await ask('__init__');
    await ask('getState', 1);
    await ask('getProcessInfo');
    await ask('startProcess', 'cat', true, 3);
    await ask('sendRemoteCommEvent', 'kind', 'data');
  });

  await t.test('about every kind of name', async () => {
    const names = [
      'many:a',
      'many',
      'many:*',
      'a',
      'none',
      'none:x',
      ':',
      '',
      '*',
      'many:cat',
      ':a',
      'cat:cat',
      'cat:',
    ];
    for (const name of names) {
      await ask('getProcessInfo', name);
      await ask('readProcessStdoutLog', name, 0, 0);
      await ask('tailProcessStdoutLog', name, 0, 9);
      await ask('clearProcessLogs', name);
      await ask('signalProcess', name, '0');
      if (!name.includes('many:')) await ask('startProcess', name);
      if (name !== 'many:a' && !name.startsWith('cat:')) await ask('sendProcessStdin', name, 'x');
    }
  });

  await t.test('reading logs', async () => {
    for (const offset of [0, 1, 3, 8, 11, 12, -1, -3, -100])
      for (const length of [0, 1, 4, 11, 100, -1]) {
        for (const kind of ['read', 'tail']) await ask(`${kind}ProcessStdoutLog`, 'talks', offset, length);
        await ask('readProcessStderrLog', 'talks', offset, length);
      }
    await ask('readProcessLog', 'talks', 0, 0);
    await ask('tailProcessLog', 'talks', 0, 100);
    await ask('tailProcessStderrLog', 'talks', 0, 100);
    for (const method of ['readProcessStdoutLog', 'readProcessStderrLog', 'tailProcessStdoutLog'])
      await ask(method, 'silent', 0, 0);
    await ask('readLog', -10, 5);
    await ask('readLog', 0, -1);
    await ask('readMainLog', 1e6, 0);
    await ask('readLog', -5, -1);
  });

  await t.test('standard input', async () => {
    await ask('sendProcessStdin', 'cat', 'gr\u00fc\u00dfe\n');
    for (const each of both)
      await until(() => assert.equal(each.read('cat.log'), 'gr\u00fc\u00dfe\n'), { withinMs: 5000 });
    await ask('sendProcessStdin', 'off', 'x');
    await ask('sendProcessStdin', 'cat', 1);
    await ask('sendProcessStdin', 'many:*', 'x');
    await ask('sendProcessStdin', 'deaf', 'x');
  });

  await t.test('starting and stopping one', async () => {
    await ask('startProcess', 'cat');
    await ask('stopProcess', 'off');
    await ask('startProcess', 'off', false);
    await ask('stopProcess', 'off', false);
    await settle(both, { off: 'STOPPED' });
    await ask('startProcess', 'off', true);
    await ask('stopProcess', 'off', true);
    await ask('getProcessInfo', 'off');
    for (const name of ['fails', 'absent', 'not-executable', 'folder']) {
      await ask('startProcess', name);
      await settle(both, { [name]: name === 'fails' ? 'FATAL' : 'STOPPED' });
      await ask('getProcessInfo', name);
      await ask('stopProcess', name);
    }
  });

  await t.test('one that takes its time to stop', async () => {
    await ask('startProcess', 'slow');
    for (const each of both)
      await until(() => assert.equal(each.read('slow.log'), 'ready\n'), { withinMs: 5000 });
    await ask('stopProcess', 'slow', false);
    await ask('stopProcess', 'slow', false);
    await ask('getProcessInfo', 'slow');
    await ask('sendProcessStdin', 'slow', 'x');
    await ask('signalProcess', 'slow', 'CONT');
    await settle(both, { slow: 'STOPPED' });
    await ask('getProcessInfo', 'slow');
  });

  await t.test('signals', async () => {
    for (const signal of ['HUP', 'SIGUSR1', '0', '1', 'hup', 'sighup', 'NONE', '', 'SIG', '-1', '1000', 15])
      await ask('signalProcess', 'fails', signal);
    for (const signal of ['CONT', 'SIGCONT', '0', '18', 'cont', 'NONE', 18])
      await ask('signalProcess', 'cat', signal);
    await ask('signalProcess', 'many:*', 'CONT');
    for (const signal of ['CONT', 'NOPE']) {
      await ask('signalProcessGroup', 'many', signal);
      await ask('signalProcessGroup', 'none', signal);
      await ask('signalAllProcesses', signal);
    }
  });

  await t.test('groups', async () => {
    await sameInAnyOrder(both, 'stopProcessGroup', 'many');
    await ask('stopProcessGroup', 'many');
    await ask('startProcessGroup', 'many');
    await ask('startProcessGroup', 'many');
    await ask('stopProcess', 'many:b');
    await ask('startProcess', 'many:*');
    await ask('stopProcess', 'many:*', false);
    await settle(both, {
      'many:a': 'STOPPED',
      'many:b': 'STOPPED',
      'many:c0': 'STOPPED',
      'many:c1': 'STOPPED',
    });
    await ask('startProcess', 'many:', true);
    await ask('startProcessGroup', 'many:*');
    await ask('startProcessGroup', 'none');
    await ask('stopProcessGroup', 'none');
    await ask('removeProcessGroup', 'many');
    await sameInAnyOrder(both, 'stopProcessGroup', 'many', true);
    await ask('removeProcessGroup', 'many');
    await ask('removeProcessGroup', 'many');
    await ask('getAllConfigInfo');
    await ask('startProcess', 'many:a');
    await ask('addProcessGroup', 'none');
    await ask('addProcessGroup', 'cat');
    await ask('addProcessGroup', 'many');
    await settle(both, {
      'many:a': 'RUNNING',
      'many:b': 'RUNNING',
      'many:c0': 'RUNNING',
      'many:c1': 'RUNNING',
    });
    await executed(both[1]);
    await ask('getAllProcessInfo');
  });

  await t.test('logs that are cleared', async () => {
    await ask('clearProcessLogs', 'talks');
    await ask('readProcessStdoutLog', 'talks', 0, 0);
    await ask('clearProcessLogs', 'silent');
    await ask('clearAllProcessLogs');
    await ask('sendProcessStdin', 'cat', 'again\n');
    for (const each of both)
      await until(() => assert.equal(each.read('cat.log'), 'again\n'), { withinMs: 5000 });
    for (const each of both) rmSync(each.path('talks.err'));
    await ask('readProcessStderrLog', 'talks', 0, 0);
    await ask('tailProcessStderrLog', 'talks', 0, 10);
    await ask('clearLog');
  });

  await t.test('all at once', async () => {
    await sameInAnyOrder(both, 'stopAllProcesses');
    await ask('startAllProcesses', false);
    await ask('stopAllProcesses', false);
    await settle(both, { cat: 'STOPPED', off: 'STOPPED', slow: 'STOPPED', 'many:a': 'STOPPED' });
  });

  await t.test('a configuration that changes', async () => {
    const write = (text: string): void => {
      for (const each of both) each.configure(text);
    };
    await ask('reloadConfig');
    write(
      `${config.replace('command=sleep 999', 'command=sleep 998').replace('[program:folder]', '[program:newer]')}
[program:newest]
command=sleep 7
autostart=false
`,
    );
    assert.deepEqual(await ask('reloadConfig'), [[['newer', 'newest'], ['off'], ['folder']]]);
    await ask('reloadConfig');
    await ask('getAllConfigInfo');
    await ask('addProcessGroup', 'newest');
    await ask('addProcessGroup', 'folder');
    await ask('removeProcessGroup', 'folder');
    await ask('reloadConfig');
    await ask('removeProcessGroup', 'off');
    await ask('addProcessGroup', 'off');
    await ask('reloadConfig');
    await ask('getAllConfigInfo');
    for (const broken of [
      '[program:x]\n',
      'x\n',
      '[program:x]\ncommand=a\numask=9\n',
      '[program:a b]\ncommand=x\n',
    ]) {
      write(broken);
      assert.ok('fault' in ((await ask('reloadConfig')) as Struct));
    }
    for (const each of both) rmSync(each.path('conf'));
    await ask('reloadConfig');
    write(config);
    await ask('reloadConfig');
  });
});

test('a program that is started while it stops is started again, once it has stopped', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(config);
  await ours.start();
  await ours.answer('startProcess', 'slow');
  await until(() => assert.equal(ours.read('slow.log'), 'ready\n'), { withinMs: 5000 });
  const first = await ours.pidOf('slow');
  assert.equal(await ours.answer('stopProcess', 'slow', false), true);
  assert.equal(await ours.answer('startProcess', 'slow'), true);
  const { statename, pid } = await ours.info('slow');
  assert.equal(statename, 'RUNNING');
  assert.notEqual(pid, first);
});

test('while it ends, every method but one answers that it does', { skip }, async () => {
  await using world = await makeWorld();
  const both = makeBoth(world, config);
  await using ours = both[0];
  await using theirs = both[1];
  await startAll(both);
  for (const each of both) {
    await each.answer('startProcess', 'slow');
    await until(() => assert.equal(each.read('slow.log'), 'ready\n'), { withinMs: 5000 });
  }
  // Of supervisord's groups the last one is stopped first: it must not be over before it is asked.
  const answers = await Promise.all(
    both.map(async (each) => {
      const said: [string, XmlRpcValue][] = [['shutdown', await each.answer('shutdown')]];
      for (const [method, ...params] of [
        ['getState'],
        ['getProcessInfo', 'cat'],
        ['startProcess', 'cat'],
        ['stopAllProcesses'],
        ['shutdown'],
        ['restart'],
        ['reloadConfig'],
        ['sendRemoteCommEvent', 'a', 'b'],
      ] as const)
        said.push([method, await each.answer(method, ...params)]);
      return said;
    }),
  );
  assert.deepEqual(answers[0], answers[1]);
  assert.equal(await ours.ends(), 0);
  assert.equal(ours.isLeft('sock') || ours.isLeft('pid'), false);
  void theirs;
});

test('a signal is named in every way that supervisord understands', { skip }, async () => {
  await using world = await makeWorld();
  const [ours, theirs] = makeBoth(
    world,
    `
[program:deaf]
command=/bin/sh -c "trap '' 1 2 3 6 12 13 14 15 17 29 30 31 34 64; exec sleep 1000"
stopsignal=KILL
startsecs=0
[program:ended]
command=sleep 1000
autorestart=false
startsecs=0
[program:stopped]
command=sleep 1000
stopsignal=RTMIN
startsecs=0
`,
  );
  await using _ = ours;
  await using __ = theirs;
  await startAll([ours, theirs]);
  for (const each of [ours, theirs]) {
    const executable = `/proc/${await each.pidOf('deaf')}/exe`;
    await until(() => assert.match(readlinkSync(executable), /sleep|coreutils/), {
      withinMs: 10_000,
    });
  }
  const understood = [
    ' HUP',
    'HUP ',
    '\tsighup\n',
    'CLD',
    'SIGCLD',
    'poll',
    'iot',
    'RTMIN',
    'sigrtmax',
    '34',
    '64',
  ];
  const numbers = ['00', ' 15 ', '+1', '1_5', '015', '0'];
  const refused = ['SIG HUP', 'RTMIN+1', '32', '33', '35', '65', '1.0', '1e0', '', 'SIG', 'EXIT', 'toString'];
  for (const signal of [...understood, ...numbers, ...refused]) {
    const answer = await ours.answer('signalProcess', 'deaf', signal);
    assert.deepEqual(answer, await theirs.answer('signalProcess', 'deaf', signal), JSON.stringify(signal));
    assert.equal(answer === true, !refused.includes(signal), signal);
  }
  // supervisord finds these in Python's module too, and sends SIGHUP for the first.
  for (const word of ['SIG_IGN', 'SIG_DFL', '_setmask'])
    assert.deepEqual(await ours.answer('signalProcess', 'deaf', word), {
      fault: 11,
      text: `BAD_SIGNAL: ${word}`,
    });
  for (const each of [ours, theirs]) {
    assert.equal(await each.answer('signalProcess', 'ended', '64'), true);
    await each.reaches('ended', 'EXITED');
    assert.equal(await each.answer('stopProcess', 'stopped'), true);
    const ends = each.logLines().filter((line) => line.includes('terminated by'));
    assert.deepEqual(ends, [
      'WARN exited: ended (terminated by SIGRTMAX; not expected)',
      'WARN stopped: stopped (terminated by SIGRTMIN)',
    ]);
  }
});
