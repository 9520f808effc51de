// `logs`: the end of what a daemon wrote, and what it writes from now on, across every kind of rotation.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { appendFileSync, copyFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

/** A daemon that leaves its log to the test. */
async function daemonWithLog(world: World, text: string, ...flags: readonly string[]): Promise<void> {
  await world.daemon(['--name', 'web', '--output', 'log', ...flags, '--', 'sleep', '300']);
  appendFileSync(world.path('log'), text);
}

const numbered = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}\n`).join('');

const tables: readonly (readonly [string, readonly string[], string, string])[] = [
  ['the last 10 lines', [], numbered(1, 30), numbered(21, 30)],
  ['the last 3 lines with -n 3', ['-n', '3'], numbered(1, 30), numbered(28, 30)],
  ['the last 3 lines with --lines=3', ['--lines=3'], numbered(1, 30), numbered(28, 30)],
  ['nothing with -n 0', ['-n', '0'], numbered(1, 30), ''],
  ['everything when there is less', ['-n', '100'], numbered(1, 3), numbered(1, 3)],
  ['an unfinished last line', ['-n', '2'], 'a\nb\nc', 'b\nc'],
  ['empty lines as lines', ['-n', '2'], 'a\n\n\n', '\n\n'],
  [
    'lines of any length',
    ['-n', '2'],
    `${'x'.repeat(200_000)}\n${'y'.repeat(70_000)}\nz\n`,
    `${'y'.repeat(70_000)}\nz\n`,
  ],
  ['an empty log', [], '', ''],
];

for (const [what, flags, text, expected] of tables) {
  test(`logs shows ${what}`, async () => {
    await using world = await makeWorld();
    await daemonWithLog(world, text);
    const { code, stdout, stderr } = await world.tsdaemon(['logs', 'web', ...flags]);
    assert.deepEqual([code, stdout, stderr], [0, expected, '']);
  });
}

test('logs of a log of a gigabyte reads its end only', async () => {
  await using world = await makeWorld();
  await daemonWithLog(world, '');
  truncateSync(world.path('log'), 2 ** 30);
  appendFileSync(world.path('log'), '\nlast\n');
  const { stdout } = await world.tsdaemon(['logs', 'web', '-n', '1'], { withinMs: 5000 });
  assert.equal(stdout, 'last\n');
});

test('logs shows bytes as they are', async () => {
  await using world = await makeWorld();
  await daemonWithLog(world, '');
  await world.sh(`printf 'a\\377\\000\\n' >> log`);
  const { stdout } = await world.sh('tsdaemon logs web | od -An -tx1');
  assert.equal(stdout.trim(), '61 ff 00 0a');
});

test('logs finds a daemon by its pidfile, and one that has ended', async () => {
  await using world = await makeWorld();
  await daemonWithLog(world, 'bye\n', '--pidfile', 'x.pid');
  assert.equal((await world.tsdaemon(['logs', '--pidfile', 'x.pid'])).stdout, 'bye\n');
  await world.tsdaemon(['stop', 'web']);
  assert.equal((await world.tsdaemon(['logs', 'web'])).stdout, 'bye\n');
});

test('logs of two files heads each with its name', async () => {
  await using world = await makeWorld();
  await world.daemon([
    '--name',
    'web',
    '--stdout',
    'out',
    '--stderr',
    'err',
    '--',
    'sh',
    '-c',
    'echo 1; echo 2 >&2',
  ]);
  await until(() => assert.equal(world.read('err'), '2\n'), { withinMs: 5000 });
  const { stdout } = await world.tsdaemon(['logs', 'web']);
  assert.equal(stdout, `==> ${world.path('out')} <==\n1\n\n==> ${world.path('err')} <==\n2\n`);
});

test('logs --json prints one object for each piece, with file and text', async () => {
  await using world = await makeWorld();
  await daemonWithLog(world, 'hello\n');
  const { stdout } = await world.tsdaemon(['logs', 'web', '--json']);
  assert.deepEqual(JSON.parse(stdout), { file: world.path('log'), text: 'hello\n' });
});

test('a letter that is cut by the end of a piece is whole in --json', async () => {
  await using world = await makeWorld();
  const text = `${'€'.repeat(100_000)}\n`;
  await daemonWithLog(world, text);
  const { stdout } = await world.tsdaemon(['logs', 'web', '--json']);
  const pieces = stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { text: string }).text);
  assert.ok(pieces.join('') === text, 'the pieces do not make up the text');
});

test('logs where the output went to no file says so', async () => {
  await using world = await makeWorld();
  await world.daemon(['--name', 'web', '--output', '/dev/null', '--', 'sleep', '300']);
  const { code, stderr } = await world.tsdaemon(['logs', 'web']);
  assert.equal(code, 1);
  assert.match(stderr, /^tsdaemon: cannot read the log of 'web': [^\n]*\/dev\/null\n$/);
});

test('logs -f shows what is written from now on, as it is written', async () => {
  await using world = await makeWorld();
  await daemonWithLog(world, numbered(1, 30));
  const follower = follow(world, '-n', '2');
  await follower.shows(numbered(29, 30));
  for (const line of ['one\n', 'two\n', 'half']) {
    appendFileSync(world.path('log'), line);
    await follower.shows(line);
  }
  await follower.end();
});

test('logs -f goes on in the new file after rename and recreate, and loses nothing of the old one', async () => {
  await using world = await makeWorld();
  await daemonWithLog(world, 'start\n');
  const follower = follow(world);
  await follower.shows('start\n');
  renameSync(world.path('log'), world.path('log.1'));
  appendFileSync(world.path('log.1'), 'late\n');
  writeFileSync(world.path('log'), 'new\n');
  await follower.shows('late\nnew\n');
  appendFileSync(world.path('log'), 'more\n');
  await follower.shows('more\n');
  await follower.end();
});

test('logs -f goes on after a rename of which the new file comes late', async () => {
  await using world = await makeWorld();
  await daemonWithLog(world, 'start\n');
  const follower = follow(world);
  await follower.shows('start\n');
  for (const round of [1, 2, 3]) {
    renameSync(world.path('log'), world.path(`log.${round}`));
    appendFileSync(world.path(`log.${round}`), `late ${round}\n`);
    writeFileSync(world.path('log'), `new ${round}\n`);
    await follower.shows(`late ${round}\nnew ${round}\n`);
  }
  await follower.end();
});

test('logs -f goes on after copytruncate', async () => {
  await using world = await makeWorld();
  await daemonWithLog(world, numbered(1, 5));
  const follower = follow(world);
  await follower.shows(numbered(1, 5));
  copyFileSync(world.path('log'), world.path('log.1'));
  truncateSync(world.path('log'));
  appendFileSync(world.path('log'), 'again\n');
  await follower.shows('again\n');
  await follower.end();
});

test('logs -f goes on when a restart with --truncate empties the log', async () => {
  await using world = await makeWorld();
  const script = 'if [ -e again ]; then echo short; else touch again; echo a longer line; fi; exec sleep 300';
  await world.daemon(['--name', 'web', '--truncate', '--output', 'log', '--', 'sh', '-c', script]);
  const follower = follow(world);
  await follower.shows('a longer line\n');
  const { stdout } = await world.tsdaemon(['restart', 'web']);
  world.expectSurvivor(Number(stdout));
  await follower.shows('short\n');
  await follower.end();
});

test('logs -f ends when its reader has had enough', async () => {
  await using world = await makeWorld();
  await daemonWithLog(world, numbered(1, 10));
  const { code, stdout, stderr } = await world.sh(
    // Nobody reads any more when the line that tells so is written.
    'tsdaemon logs web -f | { head -n 1; exec 0<&-; echo more >> log; }',
    { withinMs: 5000 },
  );
  assert.deepEqual([code, stdout, stderr], [0, 'line 1\n', '']);
});

test('logs -f stops at SIGTERM and SIGINT', async () => {
  await using world = await makeWorld();
  await daemonWithLog(world, 'start\n');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const follower = follow(world);
    await follower.shows('start\n');
    await follower.end(signal);
  }
});

class Follower {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once('close', resolve));
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
  }

  /** Resolves when this, and nothing else, has been shown since the last call. */
  async shows(text: string): Promise<void> {
    await until(() => assert.equal(this.#output, text), { withinMs: 10_000 });
    this.#output = '';
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#child.kill(signal);
    await this.#ended;
    assert.equal(this.#output, '');
  }
}

const follow = (world: World, ...flags: readonly string[]): Follower =>
  new Follower(world.start(['tsdaemon', 'logs', 'web', '-f', ...flags]));
