// The logs of a watched program: rotated, made of lines, reopened, with nothing lost, whoever is killed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { canCollapse } from '../../src/os/log-collapse.js';
import {
  assertNumbered,
  backupsOf,
  linesOf,
  mountImage,
  needsMount,
  wholeLog,
  writerPath,
} from '../support/logs.js';
import { needsLinux, type Skip } from '../support/tools.js';
import { until } from '../support/until.js';
import { ended, makeWatchedWorld, type WatchedWorld } from '../support/watched.js';
import { makeRandom } from '../unit/random.js';

const skip = needsLinux;
const needsCollapse: Skip =
  skip || (!canCollapse(join(process.env.TMPDIR ?? '/tmp', 'web.log')) && 'needs ext4 or xfs');
const TMPFS = 0x01021994;
const needsTmpfs: Skip =
  skip || ((!existsSync('/dev/shm') || statfsSync('/dev/shm').type !== TMPFS) && 'needs a tmpfs at /dev/shm');
const needsSmallDisk: Skip = skip || needsMount('tmpfs');

const writer = (pauseMs: number): string[] => [process.execPath, writerPath, String(pauseMs)];

/** Stops the daemon, whose program then says how many lines it has written. */
async function linesWritten(world: WatchedWorld): Promise<number> {
  const { code, stderr } = await world.tsdaemon(['stop', 'web']);
  assert.deepEqual([code, stderr], [0, '']);
  // A line of a log as well, with whatever else is asked of logs.
  return Number(/(\d+)(?:"\})?\n$/.exec(world.read('count'))![1]);
}

function watchdogLog(world: WatchedWorld): string {
  return readFileSync(join(world.state, 'daemons/web/watchdog.log'), 'utf8');
}

const textOf = (line: string): string => (JSON.parse(line) as { text: string }).text;
const afterTime = (line: string): string => {
  assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /);
  return line.slice(line.indexOf(' ') + 1);
};
const asIs = (line: string): string => line;

interface Way {
  readonly what: string;
  readonly skip: Skip;
  readonly flags: readonly string[];
  /** Where the log is. */
  folder(world: WatchedWorld): string;
  /** What the program wrote, from a line of the log. */
  original(line: string): string;
}

const here = (world: WatchedWorld): string => world.cwd;
const ways: readonly Way[] = [
  { what: 'straight to its log', skip: needsCollapse, flags: [], folder: here, original: asIs },
  {
    what: 'to a log on a tmpfs',
    skip: needsTmpfs,
    flags: [],
    folder: () => mkdtempSync('/dev/shm/tsd-'),
    original: asIs,
  },
  { what: 'lines that get a time', skip, flags: ['--timestamps'], folder: here, original: afterTime },
  { what: 'lines that become JSON', skip, flags: ['--json-lines'], folder: here, original: textOf },
];

const KILLS = 8;

for (const { what, skip, flags, folder, original } of ways) {
  test(`${what}: what is written is there once and in order, the watchdog killed or exchanged ${KILLS} times`, {
    skip,
  }, async () => {
    await using world = await makeWatchedWorld();
    const random = makeRandom(Number(process.env.TSDAEMON_SEED ?? 33));
    const log = join(folder(world), 'web.log');
    const pid = await world.watched(
      ['--stdout', log, '--stderr', 'count', '--log-max-bytes', '200K', '--log-backups', '10000', ...flags],
      writer(1),
    );
    for (let round = 0; round < KILLS; round += 1) {
      await pause(random.below(80));
      if (round % 2 === 0) await world.killWatchdog();
      await pause(random.below(20));
      // What lives exchanges its code, which is a death of a kind as well.
      const { code, stderr } = await world.tsdaemon([round % 2 === 0 ? 'adopt' : 'upgrade', 'web']);
      assert.deepEqual([code, stderr], [0, '']);
    }
    assert.equal((await world.status()).pid, pid, 'the program has not noticed');
    const written = await linesWritten(world);
    assertNumbered(linesOf(wholeLog(log)).map(original), written);
    assert.ok(backupsOf(log).length >= 2);
    assert.doesNotMatch(watchdogLog(world), /cannot/);
    if (flags.length === 0 && log.startsWith('/dev/shm')) rmSync(join(log, '..'), { recursive: true });
  });
}

test('a log at full speed is rotated, the newest backups are kept, and gzip reads them', {
  skip: needsCollapse,
}, async () => {
  await using world = await makeWatchedWorld();
  await world.watched(
    ['--stdout', 'web.log', '--log-max-bytes', '4M', '--log-backups', '3', '--log-compress'],
    writer(0),
  );
  const names = (): string[] =>
    readdirSync(world.cwd)
      .filter((file) => file.startsWith('web.log'))
      .sort();
  await until(() => assert.ok(names().includes('web.log.3.gz'), names().join(' ')), { withinMs: 20_000 });
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  // What was not compressed when it stopped is so after the next start.
  await world.watched(
    ['--stdout', 'web.log', '--log-max-bytes', '4M', '--log-backups', '3', '--log-compress'],
    ['sleep', '300'],
  );
  const expected = ['web.log', 'web.log.1.gz', 'web.log.2.gz', 'web.log.3.gz'];
  await until(() => assert.deepEqual(names(), expected), { withinMs: 20_000 });
  const gzip = await world.run(['gzip', '-t', ...expected.slice(1)]);
  assert.deepEqual([gzip.code, gzip.stderr], [0, '']);
});

test('a log is rotated when it is too old', { skip }, async () => {
  await using world = await makeWatchedWorld();
  await world.watched(
    ['--stdout', 'web.log', '--timestamps', '--log-max-age', '0.3'],
    ['sh', '-c', 'echo one; exec sleep 300'],
  );
  await until(() => assert.match(world.read('web.log.1'), / one\n$/), { withinMs: 10_000 });
  // The new log is made when the old one has its new name.
  await until(() => assert.equal(world.read('web.log'), ''), { withinMs: 10_000 });
});

test('--json-lines says of each line which stream it came from', { skip }, async () => {
  await using world = await makeWatchedWorld();
  await world.watched(
    ['--output', 'web.log', '--json-lines', '--restart', 'no'],
    ['sh', '-c', 'echo out; echo err >&2; printf half; exec sleep 300'],
  );
  assert.equal((await world.tsdaemon(['stop', 'web'])).code, 0);
  const lines = linesOf(readFileSync(world.path('web.log'))).map(
    (line) => JSON.parse(line) as { time: string; stream: string; text: string },
  );
  const said = lines.map(({ stream, text }) => `${stream} ${text}`).sort();
  assert.deepEqual(said, ['stderr err', 'stdout half', 'stdout out']);
  for (const { time } of lines) assert.equal(new Date(time).toISOString(), time);
});

test('the last words of a program that ends at once are in its log, also through a FIFO', {
  skip,
}, async () => {
  await using world = await makeWatchedWorld();
  const outcome = await world.runWatched(
    ['--output', 'web.log', '--timestamps', '--restart', 'no', '--stay-up', '5'],
    ['sh', '-c', 'echo starting; echo it is broken >&2; exit 3'],
  );
  assert.equal(outcome.code, 3);
  const lines = linesOf(readFileSync(world.path('web.log'))).map(afterTime);
  assert.deepEqual(lines, ['starting', 'it is broken']);
});

for (const { what, skip, flags, original } of ways.filter(({ folder }) => folder === here)) {
  test(`logs -f shows what is written ${what}, rotated meanwhile, once and in order`, { skip }, async () => {
    await using world = await makeWatchedWorld();
    await world.watched(
      [
        '--stdout',
        'web.log',
        '--stderr',
        'count',
        '--log-max-bytes',
        '200K',
        '--log-backups',
        '1000',
        ...flags,
      ],
      writer(1),
    );
    const out = openSync(world.path('shown'), 'w');
    const follower = world.start(['tsdaemon', 'logs', 'web', '-f', '-n', '0'], {
      stdio: ['ignore', out, 'inherit'],
    });
    closeSync(out);
    await until(() => assert.ok(backupsOf(world.path('web.log')).length >= 5), { withinMs: 20_000 });
    const written = await linesWritten(world);
    // Two logs: a heading says whose lines follow.
    const ofTheLog = (line: string): boolean => line.includes(' the quick brown fox');
    const shown = await until(
      () => {
        const numbered = linesOf(readFileSync(world.path('shown')))
          .filter(ofTheLog)
          .map(original);
        assert.match(numbered.at(-1) ?? '', new RegExp(`^${written - 1} `));
        return numbered;
      },
      { withinMs: 20_000 },
    );
    const first = Number(shown[0]!.split(' ')[0]);
    const numbers = shown.map((line) => Number(line.split(' ')[0]));
    assert.deepEqual(
      numbers,
      Array.from({ length: written - first }, (_, index) => first + index),
    );
    follower.kill('SIGTERM');
    await once(follower, 'exit');
  });
}

for (const [what, flags, skip] of [
  ['as it is', [], needsCollapse],
  ['rotated', ['--log-max-bytes', '10M'], needsCollapse],
  ['through a FIFO', ['--timestamps'], needsLinux],
] as const) {
  test(`a log that logrotate has renamed is reopened: ${what}`, { skip }, async () => {
    await using world = await makeWatchedWorld();
    await world.watched(['--stdout', 'web.log', '--stderr', 'count', ...flags], writer(1));
    for (const dated of ['web.log-20261124', 'web.log-20261125']) {
      await until(() => assert.ok(statSync(world.path('web.log')).size > 50_000), { withinMs: 10_000 });
      renameSync(world.path('web.log'), world.path(dated));
      if (dated.endsWith('5')) writeFileSync(world.path('web.log'), '');
      const { code, stdout, stderr } = await world.tsdaemon(['reopen', 'web']);
      assert.deepEqual([code, stdout, stderr], [0, '', '']);
    }
    const { size } = statSync(world.path('web.log-20261124'));
    await until(() => assert.ok(statSync(world.path('web.log')).size > 20_000), { withinMs: 10_000 });
    const written = await linesWritten(world);
    assert.equal(statSync(world.path('web.log-20261124')).size, size, 'nobody writes there any more');
    const files = ['web.log-20261124', 'web.log-20261125', 'web.log'].map((file) => world.path(file));
    const lines = linesOf(Buffer.concat(files.map((file) => readFileSync(file))));
    assertNumbered(
      lines.map((line) => line.replace(/^\S+Z /, '')),
      written,
    );
  });
}

test('reopen --all tells every watchdog, and what has none is refused', { skip: needsCollapse }, async () => {
  await using world = await makeWatchedWorld();
  await world.daemon(['--name', 'plain', '--output', 'plain.log', '--', 'sleep', '300']);
  await world.watched(['--output', 'web.log'], ['sleep', '300']);
  const all = await world.tsdaemon(['reopen', '--all', '--json']);
  assert.deepEqual(JSON.parse(all.stdout), { reopened: [await world.watchdogPid()] });
  const plain = await world.tsdaemon(['reopen', 'plain']);
  assert.equal(plain.code, 2);
  assert.match(plain.stderr, /^tsdaemon: cannot reopen the log of .*plain.*: it has no watchdog\n$/);
});

test('where the program keeps its file, reopen says so', { skip: needsTmpfs }, async () => {
  await using world = await makeWatchedWorld();
  const folder = mkdtempSync('/dev/shm/tsd-');
  try {
    await world.watched(['--output', join(folder, 'web.log')], ['sleep', '300']);
    renameSync(join(folder, 'web.log'), join(folder, 'web.log.old'));
    const { code, stderr } = await world.tsdaemon(['reopen', 'web']);
    assert.equal(code, 1);
    assert.match(stderr, /^tsdaemon: cannot reopen .*web\.log: the program holds it/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('on a full disk it is said once, the program waits or goes on, and nothing is missing', {
  skip: needsSmallDisk,
}, async () => {
  await using world = await makeWatchedWorld();
  using image = mountImage(world, 'tmpfs', 12);
  const log = join(image.folder, 'web.log');
  const filler = join(image.folder, 'filler');
  writeFileSync(filler, Buffer.alloc(8_000_000));
  const pid = await world.watched(
    ['--stdout', log, '--stderr', 'count', '--log-max-bytes', '1M', '--log-backups', '100'],
    writer(1),
  );
  const said = (): string[] => watchdogLog(world).split('\n').slice(0, -1);
  await until(() => assert.equal(said().length, 1), { withinMs: 30_000 });
  assert.match(said()[0]!, /Z cannot write log .*web\.log: no space left on device \(ENOSPC\)/);
  rmSync(filler);
  await until(() => assert.equal(said().length, 2), { withinMs: 30_000 });
  assert.match(said()[1]!, /Z log .*web\.log is in order again$/);
  assert.equal((await world.status()).pid, pid);
  const written = await linesWritten(world);
  assertNumbered(linesOf(wholeLog(log)), written);
});

/** How often the threads of a process have been on a processor. */
function switchesOf(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const texts = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1'));
  const counts = texts.flatMap((text) => [...text.matchAll(/ctxt_switches:\s*(\d+)/g)]);
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

for (const { what, skip, flags } of ways.filter(({ folder }) => folder === here)) {
  test(`${what}: while a program writes nothing its watchdog does nothing`, { skip }, async () => {
    await using world = await makeWatchedWorld();
    await world.watched(
      ['--output', 'web.log', '--log-max-bytes', '1M', '--log-max-age', '86400', ...flags],
      ['sh', '-c', 'echo one; exec sleep 300'],
    );
    const watchdog = await world.watchdogPid();
    await until(() => assert.match(world.read('web.log'), /one/), { withinMs: 10_000 });
    // At rest sooner or later, and then for a second at least.
    await until(
      async () => {
        const before = switchesOf(watchdog);
        await pause(1000);
        assert.equal(switchesOf(watchdog), before);
      },
      { withinMs: 20_000 },
    );
  });
}

test('a program that runs as another user may open its own standard output again', {
  skip: skip || (process.getuid?.() !== 0 && 'needs root'),
}, async () => {
  await using world = await makeWatchedWorld();
  const folder = mkdtempSync('/var/tmp/tsd-');
  try {
    await world.run(['chown', 'nobody', folder]);
    const log = join(folder, 'web.log');
    await world.watched(
      ['--user', 'nobody', '--cwd', '/', '--output', log, '--timestamps'],
      ['sh', '-c', 'echo one; echo two > /dev/stdout; exec sleep 300'],
    );
    await until(() => assert.deepEqual(linesOf(readFileSync(log)).map(afterTime), ['one', 'two']), {
      withinMs: 10_000,
    });
    assert.equal(statSync(log).uid, statSync(folder).uid);
    const { pid } = await world.status();
    assert.equal(basename(readlinkSync(`/proc/${pid}/fd/1`)), 'stdout.fifo');
    const stopped = await world.tsdaemon(['stop', 'web']);
    assert.equal(stopped.code, 0);
    await ended(pid!);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const wrong: readonly (readonly [flags: readonly string[], complaint: RegExp])[] = [
  [['--log-max-bytes', '10X', '--output', 'l'], /--log-max-bytes '10X': expected bytes/],
  [['--log-max-bytes', '0', '--output', 'l'], /--log-max-bytes '0': expected bytes/],
  [['--log-max-bytes', '1M'], /nohup\.out: name the log with --output/],
  [['--log-max-age', '0', '--output', 'l'], /--log-max-age '0': expected more than 0 seconds/],
  [['--log-backups', '3', '--output', 'l'], /--log-backups without --log-max-bytes or --log-max-age/],
  [['--log-compress', '--output', 'l'], /--log-compress without/],
  [
    ['--log-max-bytes', '1M', '--log-backups', '1.5', '--output', 'l'],
    /--log-backups '1.5': expected a whole/,
  ],
  [['--timestamps', '--json-lines', '--output', 'l'], /both --timestamps and --json-lines/],
  [['--timestamps', '--output', '/dev/null'], /cannot keep log \/dev\/null: it is no regular file/],
];

for (const [flags, complaint] of wrong) {
  test(`run refuses ${flags.join(' ')}`, { skip }, async () => {
    await using world = await makeWatchedWorld();
    const { code, stderr } = await world.runWatched(flags, ['sleep', '300']);
    assert.equal(code, 125);
    assert.match(stderr, complaint);
    world.assertNothingRuns();
  });
}

test('what looks after logs is refused without a watchdog', { skip }, async () => {
  await using world = await makeWatchedWorld();
  const { code, stderr } = await world.tsdaemon([
    'run',
    '--log-max-bytes',
    '1M',
    '--output',
    'l',
    '--',
    'true',
  ]);
  assert.deepEqual([code, stderr], [125, 'tsdaemon: cannot use --log-max-bytes without --restart\n']);
});
