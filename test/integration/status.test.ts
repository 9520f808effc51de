// How a daemon is found and judged: status, list, signal and forget.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { isAlive } from '../support/proc.js';
import { openTheatre } from '../support/puppets.js';
import { changeRecord, recordFile, recycled } from '../support/records.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

interface Status {
  readonly name: string | null;
  readonly state: string;
  readonly code: number;
  readonly reason: string;
  readonly pid: number | null;
  readonly pidfile: string | null;
  readonly command: readonly string[] | null;
  readonly outputs: readonly string[];
  readonly startedAt: string | null;
  readonly uptimeMs: number | null;
  readonly cpuMs: number | null;
  readonly memoryBytes: number | null;
}

const web = ['--name', 'web', '--pidfile', 'x.pid', '--', 'sleep', '300'];

async function statusOf(world: World, ...target: readonly string[]): Promise<Status> {
  const { code, stdout, stderr } = await world.tsdaemon(['status', '--json', ...target]);
  assert.equal(stderr, '');
  const status = JSON.parse(stdout) as Status;
  assert.equal(status.code, code, 'the object has the exit code');
  return status;
}

test('0: a daemon that runs, with all that can be known of it', async () => {
  await using world = await makeWorld();
  const before = Date.now();
  const pid = await world.daemon(web);
  for (const target of [['web'], ['--pidfile', 'x.pid']]) {
    const { startedAt, uptimeMs, cpuMs, memoryBytes, ...rest } = await statusOf(world, ...target);
    assert.deepEqual(rest, {
      name: 'web',
      state: 'running',
      code: 0,
      reason: `process ${pid} has the start time that was recorded`,
      pid,
      pidfile: world.path('x.pid'),
      command: ['sleep', '300'],
      watchdog: null,
      outputs: [world.path('nohup.out')],
    });
    assert.ok(Date.parse(startedAt!) >= before && Date.parse(startedAt!) <= Date.now());
    // The start time counts in hundredths of a second from a boot time in whole ones.
    assert.ok(uptimeMs! <= Date.now() - before + 1100, `up for ${uptimeMs} ms`);
    assert.ok(cpuMs! >= 0 && cpuMs! < 5000);
    assert.equal(typeof memoryBytes, 'number');
  }
});

test('0: one readable line', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(web);
  const { code, stdout } = await world.tsdaemon(['status', 'web']);
  assert.equal(code, 0);
  assert.match(
    stdout,
    new RegExp(`^web: running, process ${pid}, up \\d+s, \\d+(\\.\\d)? (B|KiB|MiB), sleep 300\n$`),
  );
});

test('the memory that status shows is what the kernel says', async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  await world.daemon(['--name', 'web', '--', ...theatre.argv()]);
  await theatre.next();
  const { memoryBytes } = await statusOf(world, 'web');
  // Node does not start in less; the figure counts pages, so a wrong page size would be far off.
  assert.ok(memoryBytes! > 20e6 && memoryBytes! < 500e6, `${memoryBytes} bytes`);
});

test('1: a daemon that died and left its pidfile', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(web);
  await kill(pid);
  const { state, code, reason, pid: none } = await statusOf(world, 'web');
  assert.deepEqual([state, code, none], ['dead', 1, null]);
  assert.match(reason, new RegExp(`process ${pid} has ended`));
});

test('1: a pidfile of another tool whose process has ended', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('x.pid'), '4194303\n');
  assert.deepEqual((await statusOf(world, '--pidfile', 'x.pid')).state, 'dead');
});

test('3: stopped, died without a pidfile, or never there', async () => {
  await using world = await makeWorld();
  await world.daemon(web);
  await world.tsdaemon(['stop', 'web']);
  const mortal = await world.daemon(['--name', 'mortal', '--', 'sleep', '300']);
  await kill(mortal);
  for (const target of [['web'], ['--pidfile', 'x.pid'], ['mortal'], ['nobody'], ['--pidfile', 'y.pid']]) {
    const { state, code } = await statusOf(world, ...target);
    assert.deepEqual([state, code], ['stopped', 3], target.join(' '));
  }
});

test('4: cannot tell', async () => {
  await using world = await makeWorld();
  await world.daemon(web);
  changeRecord(world, 'web', (record) => ({ ...record, process: { ...record.process!, startTime: null } }));
  const { state, code } = await statusOf(world, 'web');
  assert.deepEqual([state, code], ['unknown', 4]);
  const outcome = await world.tsdaemon(['status', '--pidfile', 'not/there/x.pid']);
  assert.deepEqual([outcome.code, outcome.stdout], [4, '']);
});

test('of several the worst is the exit code, and --json is a list', async () => {
  await using world = await makeWorld();
  await world.daemon(web);
  const { code, stdout } = await world.tsdaemon(['status', 'web', 'nobody', '--json']);
  assert.equal(code, 3);
  assert.deepEqual(
    (JSON.parse(stdout) as Status[]).map(({ name, code }) => [name, code]),
    [
      ['web', 0],
      ['nobody', 3],
    ],
  );
});

test('status changes nothing, not even a pidfile that is stale', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(web);
  await kill(pid);
  const look = async (): Promise<string> =>
    (
      await world.sh(
        'find . "$TSDAEMON_HOME/daemons" "$TSDAEMON_HOME/by-pidfile" -exec stat -c "%n %i %s %y" {} + | sort',
      )
    ).stdout;
  const before = await look();
  assert.equal((await world.tsdaemon(['status', 'web'])).code, 1);
  assert.equal((await world.tsdaemon(['list'])).code, 0);
  assert.equal(await look(), before);
});

test('status and list in a world without any daemon record nothing', async () => {
  await using world = await makeWorld();
  const list = await world.tsdaemon(['list', '--json']);
  assert.deepEqual([list.code, list.stdout], [0, '[]\n']);
  assert.equal((await world.tsdaemon(['status', 'web'])).code, 3);
  assert.equal(existsSync(join(world.state, 'daemons')), false);
});

test('list shows every daemon in a row, whatever its state', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(web);
  await kill(await world.daemon(['--name', 'dead', '--pidfile', 'y.pid', '--', 'sleep', '300']));
  const odd = await world.daemon([
    '--name',
    'odd',
    '--',
    'sh',
    '-c',
    'kill -STOP $$',
    'two words',
    'a\nb\x1b[2J',
  ]);
  const { code, stdout, stderr } = await world.tsdaemon(['list']);
  assert.deepEqual([code, stderr], [0, '']);
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));
  assert.deepEqual(rows[0], ['NAME', 'PID', 'STATE', 'UPTIME', 'CPU', 'MEMORY', 'COMMAND']);
  assert.deepEqual(
    rows.slice(1).map(([name, id, state]) => [name, id, state]),
    [
      ['dead', '-', 'dead'],
      ['odd', String(odd), 'running'],
      ['web', String(pid), 'running'],
    ],
  );
  assert.equal(rows[2]!.at(-1), `sh -c 'kill -STOP $$' 'two words' $'a\\x0ab\\x1b[2J'`);
  const json = await world.tsdaemon(['list', '--json']);
  assert.deepEqual(
    (JSON.parse(json.stdout) as Status[]).map(({ name, code }) => [name, code]),
    [
      ['dead', 1],
      ['odd', 0],
      ['web', 0],
    ],
  );
});

test('list shows the others although one record is damaged', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(web);
  await world.daemon(['--name', 'spoilt', '--', 'sleep', '300']);
  writeFileSync(recordFile(world, 'spoilt'), 'x');
  const { stdout } = await world.tsdaemon(['list']);
  assert.match(stdout, new RegExp(`^web +${pid} +running`, 'm'));
});

for (const given of ['USR2', 'SIGUSR2', 'usr2', '12']) {
  test(`signal web ${given} sends SIGUSR2 to the daemon and to nobody else`, async () => {
    await using world = await makeWorld();
    await using theatre = await openTheatre(world);
    await world.daemon(['--name', 'web', '--pidfile', 'x.pid', '--', ...theatre.argv()]);
    const daemon = await theatre.next();
    await daemon.tell({ do: 'catch', signals: ['SIGUSR1', 'SIGUSR2', 'SIGCONT'] });
    const outcome = await world.tsdaemon(['signal', 'web', given, '--json']);
    assert.deepEqual([outcome.code, JSON.parse(outcome.stdout)], [0, { pid: daemon.pid, signal: 'SIGUSR2' }]);
    assert.deepEqual(await world.tsdaemon(['signal', '--pidfile', 'x.pid', 'USR1']), {
      code: 0,
      signal: null,
      stdout: '',
      stderr: '',
    });
    await until(() => assert.deepEqual(daemon.signals, ['SIGUSR2', 'SIGUSR1']), { withinMs: 5000 });
  });
}

test('signal to a daemon that does not run is an error', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(web);
  await kill(pid);
  for (const target of ['web', 'nobody']) {
    const { code, stderr } = await world.tsdaemon(['signal', target, 'TERM']);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^tsdaemon: [^\n]*'${target}'[^\n]*\n$`));
  }
});

test('forget removes what is recorded of a daemon that does not run', async () => {
  await using world = await makeWorld();
  await world.daemon(['--name', 'web', '--', 'sleep', '300']);
  await world.tsdaemon(['stop', 'web']);
  const { code, stdout } = await world.tsdaemon(['forget', 'web', '--json']);
  assert.deepEqual([code, JSON.parse(stdout)], [0, { forgotten: ['web'] }]);
  assert.equal((await world.tsdaemon(['list', '--json'])).stdout, '[]\n');
  assert.equal((await world.sh('ls -A "$TSDAEMON_HOME/daemons"')).stdout, '');
});

test('forget refuses a daemon that runs, and does as told with one that cannot be judged', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(web);
  const { code, stderr } = await world.tsdaemon(['forget', 'web']);
  assert.equal(code, 2);
  assert.match(stderr, new RegExp(`^tsdaemon: cannot forget[^\n]*process ${pid}\n$`));
  assert.equal((await world.tsdaemon(['status', 'web'])).code, 0);
  changeRecord(world, 'web', (record) => ({ ...record, process: { ...record.process!, startTime: null } }));
  assert.equal((await world.tsdaemon(['forget', 'web'])).code, 0);
  assert.ok(isAlive(pid));
});

test('forget removes a record that is damaged, so that its name can be used again', async () => {
  await using world = await makeWorld();
  await world.daemon(['--name', 'spoilt', '--', 'sleep', '300']);
  writeFileSync(recordFile(world, 'spoilt'), 'x');
  assert.equal((await world.tsdaemon(['forget', 'spoilt'])).code, 0);
  assert.equal((await world.tsdaemon(['status', 'spoilt'])).code, 3);
});

test('forget of a name that nobody knows is an error', async () => {
  await using world = await makeWorld();
  const { code, stderr } = await world.tsdaemon(['forget', 'nobody']);
  assert.equal(code, 1);
  assert.match(stderr, /^tsdaemon: no daemon is named 'nobody'[^\n]*\n$/);
});

test('a record whose name was made up is given up with its daemon, one that was chosen stays', async () => {
  await using world = await makeWorld();
  await kill(await world.daemon(['--', 'sleep', '300']));
  const second = await world.tsdaemon(['run', '--json', '--', 'sleep', '300']);
  const { name, pid } = JSON.parse(second.stdout) as Status;
  world.expectSurvivor(pid!);
  assert.equal(name, 'sleep');
  changeRecord(world, 'sleep', recycled);
  assert.equal((await statusOf(world, 'sleep')).code, 3);
});

async function kill(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  await until(() => assert.equal(isAlive(pid), false), { withinMs: 5000 });
}
