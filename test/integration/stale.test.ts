// A pid is no identity: records and pidfiles whose process has become somebody else, or may have.
import assert from 'node:assert/strict';
import { chmodSync, utimesSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import type { DaemonRecord, ProcessIdentity } from '../../src/spec/daemon-record.js';
import { argvOf, isAlive, statOf } from '../support/proc.js';
import { openTheatre, type Puppet } from '../support/puppets.js';
import { changeRecord, recycled } from '../support/records.js';
import { needs } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const everySignal = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGPIPE',
] as const;

/** A puppet that would tell of any signal; signals arrive in order, so its later answer proves that none came. */
async function assertUntouched(puppet: Puppet): Promise<void> {
  assert.ok(isAlive(puppet.pid), `process ${puppet.pid} was killed`);
  await puppet.tell({ do: 'print', to: 'stdout', text: '' });
  assert.deepEqual(puppet.signals, []);
}

const elsewhere =
  (change: Partial<ProcessIdentity>) =>
  (record: DaemonRecord): DaemonRecord => ({
    ...record,
    process: { ...record.process!, ...change },
  });

const otherHost = { name: 'another.example', utsNamespace: 'uts:[1]' };

/** What the record says, the state that status must find, and whether the place is free again. */
const changes: readonly (readonly [
  string,
  (record: DaemonRecord) => DaemonRecord,
  'gone' | 'unknown',
  RegExp,
])[] = [
  ['whose pid was given to another process', recycled, 'gone', /given to another process/],
  ['of before a reboot', elsewhere({ bootId: 'b' }), 'gone', /restarted/],
  [
    'of before a container restart',
    (record) =>
      elsewhere({ pidNamespace: 'pid:[1]', host: { ...record.process!.host, utsNamespace: 'uts:[1]' } })(
        record,
      ),
    'gone',
    /container has been restarted/,
  ],
  [
    'of another host',
    elsewhere({ bootId: 'b', host: otherHost }),
    'unknown',
    /another host, another\.example/,
  ],
  ['of another container', elsewhere({ pidNamespace: 'pid:[1]' }), 'unknown', /another pid namespace/],
  ['without a start time', elsewhere({ startTime: null }), 'unknown', /start time was not recorded/],
];

for (const [what, change, verdict, reason] of changes) {
  test(`a daemon ${what} is ${verdict === 'gone' ? 'gone, its place is free' : 'left alone'}`, async () => {
    await using world = await makeWorld();
    await using theatre = await openTheatre(world);
    await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', ...theatre.argv()]);
    const puppet = await theatre.next();
    await puppet.tell({ do: 'catch', signals: everySignal });
    changeRecord(world, 'web', change);

    for (const target of [['web'], ['--pidfile', 'x.pid']]) {
      const status = await world.tsdaemon(['status', ...target]);
      assert.equal(status.code, verdict === 'gone' ? 1 : 4, status.stdout);
      assert.match(status.stdout, reason);
      const signal = await world.tsdaemon(['signal', ...target, 'USR1']);
      assert.deepEqual([signal.code, signal.stdout], [1, '']);
    }
    await assertUntouched(puppet);

    if (verdict === 'gone') {
      const pid = await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300']);
      assert.equal(world.read('x.pid'), `${pid}\n`);
    } else {
      for (const flags of [
        ['--name', 'web'],
        ['--pidfile', 'x.pid'],
      ]) {
        const again = await world.tsdaemon(['run', ...flags, '--', 'sleep', '300']);
        assert.deepEqual([again.code, again.stdout], [125, '']);
        assert.match(again.stderr, reason);
      }
      assert.equal(world.read('x.pid'), `${puppet.pid}\n`);
    }
    await assertUntouched(puppet);

    const stop = await world.tsdaemon(['stop', 'web']);
    assert.equal(stop.code, verdict === 'gone' ? 0 : 1, stop.stderr);
    await assertUntouched(puppet);
  });
}

test('stop finds a recorded daemon gone, removes its pidfile and leaves the stranger with its pid alone', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  for (const target of [['web'], ['--pidfile', 'x.pid']]) {
    await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', ...theatre.argv()]);
    const puppet = await theatre.next();
    await puppet.tell({ do: 'catch', signals: everySignal });
    changeRecord(world, 'web', recycled);
    const { code, stdout } = await world.tsdaemon(['stop', ...target, '--timeout', '0']);
    assert.equal(code, 0);
    assert.match(stdout, /was not running\n$/);
    await assertUntouched(puppet);
    assert.equal((await world.tsdaemon(['status', 'web'])).code, 3, 'the pidfile is gone');
    puppet.cut();
    await puppet.ended;
  }
});

test('a zombie is dead: its place is free and stop does not wait for it', async () => {
  await using world = await makeWorld();
  const zombie = await makeZombie(world);
  await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300']);
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  const asZombie = (record: DaemonRecord): DaemonRecord => ({
    ...record,
    phase: 'running',
    process: { ...record.process!, pid: zombie, startTime: statOf(zombie)!.startTime },
  });
  changeRecord(world, 'web', asZombie);
  writeFileSync(world.path('x.pid'), `${zombie}\n`);
  const status = await world.tsdaemon(['status', 'web']);
  assert.equal(status.code, 1, status.stdout);
  assert.match(status.stdout, /waits to be reaped/);
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  changeRecord(world, 'web', asZombie);
  writeFileSync(world.path('x.pid'), `${zombie}\n`);
  await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300']);
});

test('a zombie in a pidfile that another tool wrote is dead too', async () => {
  await using world = await makeWorld();
  const zombie = await makeZombie(world);
  writeFileSync(world.path('x.pid'), `${zombie}\n`);
  assert.equal((await world.tsdaemon(['status', '--pidfile', 'x.pid'])).code, 1);
  await world.daemon(['--pidfile', 'x.pid', '--', 'sleep', '300']);
});

test('a pidfile that another tool wrote stands for its process: start is refused, stop stops it', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const puppet = await startForeign(world, theatre.argv(), theatre.next());
  writeFileSync(world.path('x.pid'), `${puppet.pid}`);
  const status = await world.tsdaemon(['status', '--pidfile', 'x.pid', '--json']);
  const { state, pid, reason, name } = JSON.parse(status.stdout) as Record<string, unknown>;
  assert.deepEqual([status.code, state, pid, name], [0, 'running', puppet.pid, null]);
  assert.match(String(reason), /started before the pidfile was written/);
  const start = await world.tsdaemon(['run', '--pidfile', 'x.pid', '--', 'sleep', '300']);
  assert.equal(start.code, 125);
  assert.match(start.stderr, new RegExp(`already running as process ${puppet.pid}\n$`));
  await puppet.tell({ do: 'catch', signals: ['SIGUSR2'] });
  assert.equal((await world.tsdaemon(['signal', '--pidfile', 'x.pid', 'USR2'])).code, 0);
  await until(() => assert.deepEqual(puppet.signals, ['SIGUSR2']), { withinMs: 5000 });
  assert.equal((await world.tsdaemon(['stop', '--pidfile', 'x.pid'])).code, 0);
  await puppet.ended;
  assert.equal((await world.tsdaemon(['status', '--pidfile', 'x.pid'])).code, 3, 'the pidfile is gone');
});

test('a process that started after the foreign pidfile was written is a stranger', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const puppet = await startForeign(world, theatre.argv(), theatre.next());
  await puppet.tell({ do: 'catch', signals: everySignal });
  const anHourAgo = Date.now() / 1000 - 3600;
  for (const verb of ['status', 'stop', 'run']) {
    writeFileSync(world.path('x.pid'), `${puppet.pid}\n`);
    utimesSync(world.path('x.pid'), anHourAgo, anHourAgo);
    const more = verb === 'run' ? ['--', 'sleep', '300'] : [];
    const { code, stdout } = await world.tsdaemon([verb, '--pidfile', 'x.pid', ...more]);
    assert.equal(code, verb === 'status' ? 1 : 0, `${verb}: ${stdout}`);
    if (verb === 'run') world.expectSurvivor(Number(stdout));
    await assertUntouched(puppet);
  }
});

test('a process that holds the lock of the pidfile is its daemon, however young it is', {
  skip: needs('flock'),
}, async () => {
  await using world = await makeWorld();
  const script = 'exec 9<>x.pid; flock 9; echo $$ >&9; touch -d "1 hour ago" x.pid; exec sleep 300';
  const child = world.start(['sh', '-c', script], { stdio: 'ignore' });
  world.expectSurvivor(child.pid!);
  await until(async () => assert.equal((await world.tsdaemon(['status', '--pidfile', 'x.pid'])).code, 0), {
    withinMs: 5000,
  });
});

for (const [what, spoil] of [
  ['that others can write to', (world: World) => chmodSync(world.path('x.pid'), 0o666)],
  ['in a directory that others can write to', (world: World) => chmodSync(world.cwd, 0o777)],
] as const) {
  test(`a foreign pidfile ${what} is not believed, and nobody is signalled`, async () => {
    await using world = await makeWorld();
    await using theatre = await openTheatre(world);
    const puppet = await startForeign(world, theatre.argv(), theatre.next());
    await puppet.tell({ do: 'catch', signals: everySignal });
    writeFileSync(world.path('x.pid'), `${puppet.pid}\n`);
    spoil(world);
    assert.equal((await world.tsdaemon(['status', '--pidfile', 'x.pid'])).code, 4);
    assert.equal((await world.tsdaemon(['stop', '--pidfile', 'x.pid'])).code, 1);
    assert.equal((await world.tsdaemon(['signal', '--pidfile', 'x.pid', 'KILL'])).code, 1);
    const start = await world.tsdaemon(['run', '--pidfile', 'x.pid', '--', 'sleep', '300']);
    assert.deepEqual([start.code, start.stdout], [125, '']);
    await assertUntouched(puppet);
  });
}

test('a pidfile that holds our own pid does not make us signal ourselves', async () => {
  await using world = await makeWorld();
  const { code, stdout } = await world.sh(
    'echo $$ > x.pid; touch -d "1 hour ago" x.pid; exec tsdaemon stop --pidfile x.pid',
  );
  assert.equal(code, 0);
  assert.match(stdout, /was not running/);
});

test('a pidfile that another daemon has taken over since is not removed by stop', async () => {
  await using world = await makeWorld();
  const first = await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300']);
  writeFileSync(world.path('x.pid'), `${process.pid}\n`);
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  assert.equal(isAlive(first), false);
  assert.equal(world.read('x.pid'), `${process.pid}\n`);
});

test('a damaged record is reported as such and never taken for "not running"', async () => {
  await using world = await makeWorld();
  await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300']);
  const file = `${world.state}/daemons/web/record.json`;
  writeFileSync(file, '{"version":1,');
  const status = await world.tsdaemon(['status', 'web']);
  assert.equal(status.code, 4);
  assert.match(status.stdout + status.stderr, /record\.json/);
  for (const [args, expected] of [
    [
      ['stop', 'web'],
      [1, 2],
    ],
    [['run', '--name', 'web', '--', 'sleep', '300'], [125]],
    [['run', '--pidfile', 'x.pid', '--', 'sleep', '300'], [125]],
  ] as const) {
    const { code, stdout, stderr } = await world.tsdaemon(args);
    assert.ok(
      (expected as readonly (number | null)[]).includes(code),
      `${args.join(' ')}: ${code}: ${stderr}`,
    );
    assert.equal(stdout, '');
    assert.match(stderr, /^tsdaemon: [^\n]*record\.json[^\n]*\n$/);
  }
});

/** A process that does not mention the world's records, started by somebody else. */
async function startForeign(world: World, argv: readonly string[], ready: Promise<Puppet>): Promise<Puppet> {
  world.start(argv, { stdio: 'ignore' });
  const puppet = await ready;
  world.expectSurvivor(puppet.pid);
  return puppet;
}

/** The child of a process that will never reap it. */
async function makeZombie(world: World): Promise<number> {
  const parent = world.start(['sh', '-c', 'exec 3<&0; cat <&3 & echo $!; exec sleep 300 3<&-']);
  world.expectSurvivor(parent.pid!);
  const child = Number(await new Promise((resolve) => parent.stdout!.once('data', resolve)));
  // A shell would reap it, so it may end only when the shell has become something else.
  await until(() => assert.equal(String(argvOf(parent.pid!)[0]), 'sleep'), { withinMs: 5000 });
  parent.stdin!.end();
  await until(() => assert.equal(statOf(child)?.state, 'Z'), { withinMs: 5000 });
  return child;
}
