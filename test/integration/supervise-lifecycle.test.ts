// What becomes of programs, seen by clients, by listeners and in the main log, beside the real supervisord.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { XmlRpcValue } from '../../src/formats/xml-rpc.js';
import { packageRoot } from '../support/package-root.js';
import { needsSupervisor, python } from '../support/supervisor-oracle.js';
import { makeBoth, needsSupervisord, startAll, type TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const program = (name: string, command: string, ...rest: readonly string[]): string =>
  [`[program:${name}]`, `command=${command}`, ...rest, ''].join('\n');

const sh = (script: string): string => `/bin/sh -c "${script}"`;

/** Long enough to have been RUNNING, as startsecs=1 wants it. */
const WHILE = 'sleep 1.6';
const FOREVER = 'while :; do sleep 0.05; done';

const once = (script: string): string =>
  sh(`test -f FOLDER/done || { touch FOLDER/done; ${script}; }; exec sleep 1000`);

/** Each with the states that it has to come to. */
const programs: readonly (readonly [state: string, name: string, command: string, ...keys: string[]])[] = [
  ['RUNNING', 'stays', 'sleep 1000'],
  ['RUNNING', 'no-startsecs', 'sleep 1000', 'startsecs=0'],
  ['STOPPED', 'not-started', 'sleep 1000', 'autostart=false'],
  ['FATAL', 'ends-at-once', 'true', 'startretries=1'],
  ['FATAL', 'fails-at-once', 'false', 'startretries=0'],
  ['EXITED', 'ends', sh(`${WHILE}; exit 0`)],
  ['EXITED', 'ends-well', sh(`${WHILE}; exit 2`), 'exitcodes=0,2'],
  ['EXITED', 'ends-badly', sh(`${WHILE}; exit 3`), 'autorestart=false'],
  ['RUNNING', 'always', once(`${WHILE}; exit 0`).replaceAll('done', 'again'), 'autorestart=true'],
  ['RUNNING', 'unexpected', once(`${WHILE}; exit 1`)],
  ['RUNNING', 'unexpected-zero', once(`${WHILE}; exit 0`).replaceAll('done', 'zero'), 'exitcodes=3'],
  ['EXITED', 'killed', sh(`${WHILE}; kill -9 $$`), 'autorestart=false'],
  ['EXITED', 'hung-up', sh(`${WHILE}; kill -HUP $$`), 'autorestart=false'],
  [
    'EXITED',
    'dumps-core',
    sh(`ulimit -c unlimited; ${WHILE}; kill -SEGV $$`),
    'autorestart=false',
    'directory=FOLDER',
  ],
  ['EXITED', 'ends-unwatched', 'true', 'startsecs=0', 'autorestart=false'],
  ['EXITED', 'fails-unwatched', 'false', 'startsecs=0', 'autorestart=false'],
  ['RUNNING', 'ignores-term', sh(`trap '' TERM; ${FOREVER}`), 'stopwaitsecs=1'],
  ['RUNNING', 'stops-by-usr1', sh(`trap 'exit 7' USR1; ${FOREVER}`), 'stopsignal=USR1'],
  ['RUNNING', 'stops-cleanly', sh(`trap 'exit 0' TERM; ${FOREVER}`)],
  ['FATAL', 'absent', 'FOLDER/absent', 'startretries=0'],
  ['FATAL', 'not-in-path', 'no-such-command-anywhere', 'startretries=1'],
  ['FATAL', 'folder', 'FOLDER', 'startretries=0'],
  ['FATAL', 'not-executable', 'FOLDER/conf', 'startretries=0'],
  ['RUNNING', 'many', 'sleep 1000', 'numprocs=2', 'process_name=%(program_name)s_%(process_num)02d'],
  ['RUNNING', 'member', 'sleep 1000'],
  ['STOPPED', 'sleeper', 'sleep 1000', 'autostart=false'],
];

const stopped = ['ignores-term', 'stops-by-usr1', 'stops-cleanly', 'many:*', 'group:*'];

const config = [
  ...programs.map(([_, name, command, ...keys]) => program(name, command, ...keys)),
  '[group:group]\nprograms=member,sleeper\n',
  `[eventlistener:listener]
command=${python} ${join(packageRoot, 'test/fixtures/listener.py')} FOLDER/events
events=PROCESS_STATE
buffer_size=1000
priority=1
`,
]
  .join('\n')
  .replaceAll('FOLDER', '%(here)s');

const stateOf = (supervisor: TestSupervisor, info: { [key: string]: unknown }): string =>
  supervisor.comparable(
    [
      info.group,
      info.name,
      info.statename,
      info.exitstatus,
      info.spawnerr,
      info.pid === 0,
      info.stdout_logfile,
    ]
      .map(String)
      .join(' | '),
  );

async function settled(supervisor: TestSupervisor): Promise<void> {
  await until(
    async () => {
      const all = await supervisor.all();
      for (const [state, name] of programs) {
        for (const info of all.filter(({ group, name: own }) => group === name || own === name))
          assert.equal(info.statename, state, `${supervisor.whose}: ${name}`);
      }
      const log = supervisor.read('main.log');
      for (const name of ['always', 'unexpected', 'unexpected-zero'])
        assert.equal(log.split(`success: ${name} entered`).length, 3, `${supervisor.whose}: ${name}`);
    },
    { withinMs: 20_000 },
  );
}

/** What was said about one process, in its order. Those of different processes may overtake each other. */
const about = (lines: readonly string[], name: string): string[] =>
  lines
    .filter((line) => new RegExp(`(^|[ ':])${name}($|[ ',])`).test(line))
    .filter((line) => !/^INFO waiting for /.test(line));

function eventsOf(supervisor: TestSupervisor): string[] {
  if (!existsSync(supervisor.path('events'))) return [];
  return supervisor
    .read('events')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { headers: { eventname: string }; payload: string })
    .map(({ headers, payload }) => supervisor.comparable(`${headers.eventname} ${payload} `));
}

test('every program goes through the states, events and log lines that it has under supervisord', {
  skip: needsSupervisord || needsSupervisor,
}, async () => {
  await using world = await makeWorld();
  const both = makeBoth(world, config);
  await using ours = both[0];
  await using theirs = both[1];
  await startAll(both);
  await Promise.all(both.map(settled));
  for (const name of stopped) {
    const answers = await Promise.all(both.map((each) => each.answer('stopProcess', name)));
    // Members are listed as they come to their end, which is up to the machine.
    const [mine, yours] = answers.map((answer) =>
      Array.isArray(answer) ? answer.map(nameOf).sort() : answer,
    );
    assert.deepEqual(mine, yours, name);
  }
  await until(
    () => {
      for (const each of both)
        assert.equal(eventsOf(each).filter((event) => event.startsWith('PROCESS_STATE_STOPPED')).length, 6);
    },
    { withinMs: 10_000 },
  );
  for (const each of both) assert.ok(each.logLines().includes('INFO waiting for ignores-term to stop'));
  const states = await Promise.all(
    both.map(async (each) => (await each.all()).map((info) => stateOf(each, info))),
  );
  assert.deepEqual(states[0], states[1]);
  const names = (await ours.all()).map(({ name }) => name as string);
  for (const name of names) {
    // supervisord looks once a second: what has ended by then never gets its line.
    const isSeenByBoth = (line: string): boolean => !/^INFO success: (ends|fails)-unwatched /.test(line);
    assert.deepEqual(
      about(ours.logLines(), name).filter(isSeenByBoth),
      about(theirs.logLines(), name).filter(isSeenByBoth),
      name,
    );
    const [mine, yours] = both.map((each) =>
      eventsOf(each).filter((event) => event.includes(`processname:${name} `)),
    );
    assert.deepEqual(mine, yours, name);
    if (!['listener', 'sleeper', 'not-started'].includes(name))
      assert.ok(mine!.length >= 2, `events of ${name}`);
  }
});

const nameOf = (result: XmlRpcValue): string => JSON.stringify(result);

/** Ours says at once what supervisord writes into the log of a child that it forked in vain. */
const unspawnable: readonly (readonly [name: string, reason: RegExp, command: string, ...keys: string[]])[] =
  [
    ['no-interpreter', /^cannot run '.*': no such file or directory \(ENOENT\)$/, 'FOLDER/no-interpreter'],
    [
      'nowhere',
      /^cannot enter directory '.*': no such file or directory \(ENOENT\)$/,
      'sleep 1',
      'directory=FOLDER/no',
    ],
    ['no-directory', /^cannot enter directory '.*': .* \(ENOTDIR\)$/, 'sleep 1', 'directory=FOLDER/conf'],
  ];

test('a program that cannot be executed is FATAL as under supervisord, and says why', {
  skip: needsSupervisord,
}, async () => {
  await using world = await makeWorld();
  const text = unspawnable.map(([name, _, command, ...keys]) =>
    program(name, command, 'startretries=0', ...keys).replaceAll('FOLDER', '%(here)s'),
  );
  const both = makeBoth(world, text.join('\n'));
  await using ours = both[0];
  await using theirs = both[1];
  for (const each of both) {
    writeFileSync(each.path('no-interpreter'), '#!/no/such/interpreter\n');
    chmodSync(each.path('no-interpreter'), 0o755);
  }
  await startAll(both);
  for (const [name, reason] of unspawnable) {
    await theirs.reaches(name, 'FATAL');
    const { spawnerr, description } = await ours.reaches(name, 'FATAL');
    assert.match(spawnerr as string, reason);
    assert.equal(description, spawnerr);
    assert.deepEqual(
      await ours.answer('startProcess', name),
      await theirs.answer('startProcess', name),
      name,
    );
  }
});
