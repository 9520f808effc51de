// Whatever is typed wrong: one line that names the thing, the right exit code, and nothing changed.
import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../support/package-root.js';
import { processesMentioning } from '../support/proc.js';
import { makeWorld, type World } from '../support/world.js';

/** The command line, its exit code, and what the one line on stderr must say. */
const table: readonly (readonly [readonly string[], number, RegExp])[] = [
  [[], 2, /--help/],
  [['rnu'], 2, /rnu/],
  [['constructor', 'web'], 2, /unknown command 'constructor'/],
  [['__proto__'], 2, /unknown command '__proto__'/],
  [['--nonsense'], 2, /--nonsense/],
  [['run'], 125, /command/],
  [['run', '--'], 125, /command/],
  [['run', '--name', 'web'], 125, /command/],
  [['run', '--nonsense', '--', 'sleep', '300'], 125, /--nonsense/],
  [['run', '-x', '--', 'sleep', '300'], 125, /-x/],
  [['run', '--pidfiel', 'x', '--', 'sleep', '300'], 125, /--pidfiel/],
  [['run', '--pidfile'], 125, /--pidfile/],
  [['run', '--json=yes', '--', 'sleep', '300'], 125, /--json/],
  [['run', '--name', 'a', '--name', 'b', '--', 'sleep', '300'], 125, /--name/],
  [['run', '--name', '', '--', 'sleep', '300'], 125, /name/],
  [['run', '--name', 'a/b', '--', 'sleep', '300'], 125, /a\/b/],
  [['run', '--name', '..', '--', 'sleep', '300'], 125, /\.\./],
  [['run', '--name', 'a\nb', '--', 'sleep', '300'], 125, /name/],
  [['run', '--cwd', 'a\x1b[2J\rb', '--', 'sleep', '300'], 125, /no such file/],
  [['run', '--', 'a\nb'], 127, /no such file/],
  [['stop', 'a\x1bb'], 2, /name/],
  [['upgrade'], 2, /--all/],
  [['reopen'], 2, /--all/],
  [['run', '--name', 'x'.repeat(101), '--', 'sleep', '300'], 125, /name/],
  [['run', '--output', 'a', '--stdout', 'b', '--', 'sleep', '300'], 125, /--output and --stdout/],
  [['run', '--output', 'a', '--stderr', 'b', '--', 'sleep', '300'], 125, /--output and --stderr/],
  [['run', '--append', '--truncate', '--', 'sleep', '300'], 125, /--append and --truncate/],
  [['run', '--output', '', '--', 'sleep', '300'], 125, /--output/],
  [['run', '--output', 'folder', '--', 'sleep', '300'], 125, /folder: is a directory/],
  [['run', '--stderr', 'folder', '--', 'sleep', '300'], 125, /folder: is a directory/],
  [['run', '--output', 'not/there', '--', 'sleep', '300'], 125, /not\/there: no such file/],
  [['run', '--output', 'plain/x', '--', 'sleep', '300'], 125, /plain\/x: not a directory/],
  [['run', '--output', 'x'.repeat(300), '--', 'sleep', '300'], 125, /name too long/],
  [['run', '--cwd', 'not/there', '--', 'sleep', '300'], 125, /not\/there: no such file/],
  [['run', '--cwd', 'plain', '--', 'sleep', '300'], 125, /plain: not a directory/],
  [['run', '--pidfile', 'not/there/x.pid', '--', 'sleep', '300'], 125, /not\/there\/x\.pid/],
  [['run', '--pidfile', 'folder', '--', 'sleep', '300'], 125, /folder/],
  [['run', '--pidfile', 'folder/', '--', 'sleep', '300'], 125, /folder/],
  [['run', '--pidfile', '', '--', 'sleep', '300'], 125, /--pidfile/],
  [['run', '--pidfile', '.', '--', 'sleep', '300'], 125, /pidfile/],
  [['run', '--umask', '999', '--', 'sleep', '300'], 125, /--umask '999'/],
  [['run', '--umask', '1777', '--', 'sleep', '300'], 125, /--umask '1777'/],
  [['run', '--umask', 'rw', '--', 'sleep', '300'], 125, /--umask 'rw'/],
  [['run', '--user', 'no-such-user', '--', 'sleep', '300'], 125, /no-such-user/],
  [['run', '--user', ':x', '--', 'sleep', '300'], 125, /--user ':x'/],
  [['run', '--env', 'A', '--', 'sleep', '300'], 125, /--env 'A'/],
  [['run', '--env', '=x', '--', 'sleep', '300'], 125, /--env '=x'/],
  [['run', '--env-file', 'not-there', '--', 'sleep', '300'], 125, /not-there: no such file/],
  [['run', '--env-file', 'folder', '--', 'sleep', '300'], 125, /folder: is a directory/],
  [['run', '--env-file', 'plain', '--', 'sleep', '300'], 125, /plain:2: [^:]*not an assignment/],
  [['run', '--nice', '20', '--', 'sleep', '300'], 125, /--nice '20'/],
  [['run', '--nice', 'x', '--', 'sleep', '300'], 125, /--nice 'x'/],
  [['run', '--limit', 'nofile', '--', 'sleep', '300'], 125, /--limit 'nofile'/],
  [['run', '--limit', 'files=3', '--', 'sleep', '300'], 125, /--limit 'files'.*nofile/],
  [['run', '--limit', 'nofile=x', '--', 'sleep', '300'], 125, /--limit 'nofile=x'/],
  [['run', '--limit', 'nofile=5:3', '--', 'sleep', '300'], 125, /--limit 'nofile=5:3'/],
  [['run', '--limit', 'nofile=', '--', 'sleep', '300'], 125, /--limit 'nofile='/],
  [['run', '--hup', 'maybe', '--', 'sleep', '300'], 125, /--hup 'maybe'/],
  [['run', '--keep-fd', '99', '--', 'sleep', '300'], 125, /--keep-fd 99/],
  [['run', '--keep-fd', '3', '--', 'sleep', '300'], 125, /--keep-fd 3/],
  [['run', '--keep-fd', '1', '--', 'sleep', '300'], 125, /--keep-fd '1'/],
  [['run', '--keep-fd', '-1', '--', 'sleep', '300'], 125, /--keep-fd '-1'/],
  [['run', '--stop-signal', 'NONSENSE', '--', 'sleep', '300'], 125, /--stop-signal 'NONSENSE'/],
  [['run', '--stop-timeout', 'soon', '--', 'sleep', '300'], 125, /--stop-timeout 'soon'/],
  [['run', '--stop-timeout', '-1', '--', 'sleep', '300'], 125, /--stop-timeout '-1'/],
  [['run', '--', 'no-such-command'], 127, /no-such-command/],
  [['run', '--limit', 'core=0', '--', 'no-such-command'], 127, /no-such-command/],
  [['run', '--limit', 'core=0', '--', './folder'], 126, /folder/],
  [['run', '--', './folder'], 126, /folder/],
  [['run', '--', ''], 127, /''/],
  [['stop'], 2, /NAME|--pidfile/],
  [['stop', '--nonsense'], 2, /--nonsense/],
  [['stop', '--signal', 'NONSENSE', 'web'], 2, /NONSENSE/],
  [['stop', '--signal', '0', 'web'], 2, /'0'/],
  [['stop', '--signal', '65', 'web'], 2, /'65'/],
  [['stop', '--timeout', 'soon', 'web'], 2, /--timeout 'soon'/],
  [['stop', '--timeout', '-1', 'web'], 2, /--timeout '-1'/],
  [['stop', 'web'], 1, /'web'/],
  [['stop', '../../etc'], 2, /'\.\.\/\.\.\/etc'/],
  [['stop', '--pidfile', 'not/there/x.pid'], 1, /not\/there\/x\.pid/],
  [['restart'], 2, /NAME|--pidfile/],
  [['restart', 'web'], 1, /'web'/],
  [['status'], 2, /NAME|--pidfile/],
  [['status', '--nonsense', 'web'], 2, /--nonsense/],
  [['list', 'web'], 2, /list/],
  [['logs'], 2, /NAME/],
  [['logs', 'a', 'b'], 2, /one NAME/],
  [['logs', 'web', '-n', 'x'], 2, /--lines 'x'/],
  [['logs', 'web', '-n', '-5'], 2, /--lines '-5'/],
  [['logs', 'web'], 1, /'web'/],
  [['signal'], 2, /signal/],
  [['signal', 'TERM'], 2, /NAME SIGNAL/],
  [['signal', 'web', 'NONSENSE'], 2, /NONSENSE/],
  [['signal', 'a', 'b', 'c'], 2, /signal/],
  [['signal', 'web', 'TERM'], 1, /'web'/],
  [['forget'], 2, /NAME/],
  [['forget', 'web'], 1, /'web'/],
  [['forget', '..'], 2, /'\.\.'/],
];

for (const [args, expected, words] of table) {
  test(`tsdaemon ${args.map(shown).join(' ')}: exit code ${expected} and one line`, async () => {
    await using world = await makeWorld();
    const before = prepare(world);
    const { code, stdout, stderr } = await world.tsdaemon(args);
    assert.deepEqual([code, stdout], [expected, ''], stderr);
    assert.match(stderr, /^tsdaemon: \P{Control}+\n$/u);
    assert.match(stderr, words);
    assertUnchanged(world, before);
  });
}

test('with --json the error is one object on stdout too, whatever the mistake', async () => {
  await using world = await makeWorld();
  const before = prepare(world);
  for (const args of [
    ['run', '--json', '--umask', '999', '--', 'sleep', '300'],
    ['run', '--json', '--nonsense', '--', 'sleep', '300'],
    ['stop', '--json', 'nobody'],
    ['signal', '--json', 'nobody', 'TERM'],
    ['status', '--json'],
  ]) {
    const { stdout, stderr } = await world.tsdaemon(args);
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
    assert.match(error.code, /^TSD_[A-Z_]+$/);
    assert.equal(stderr, `tsdaemon: ${error.message}\n`);
  }
  assertUnchanged(world, before);
});

test("a flag of ours behind the command is the command's, so that no mistake is seen in it", async () => {
  await using world = await makeWorld();
  const { code, stderr } = await world.tsdaemon(['run', 'true', '--nonsense']);
  assert.deepEqual([code, stderr], [0, '']);
});

test('a state directory that cannot be made is named', async () => {
  await using world = await makeWorld();
  const before = prepare(world);
  for (const place of ['/proc/tsdaemon', world.path('plain/x'), 'relative']) {
    const { code, stderr } = await world.tsdaemon(['run', '--', 'sleep', '300'], {
      env: { TSDAEMON_HOME: place },
      withinMs: 5000,
    });
    assert.equal(code, 125);
    assert.match(stderr, new RegExp(`^tsdaemon: cannot [^\n]*${place}[^\n]*\n$`));
  }
  assertUnchanged(world, before);
});

test('a name is no path: what lies outside of the state directory is not taken for a record', async () => {
  await using world = await makeWorld();
  await world.daemon(['--name', 'web', '--', 'true']);
  cpSync(join(world.state, 'daemons/web'), world.path('web'), { recursive: true });
  for (const verb of ['status', 'forget', 'restart', 'stop']) {
    const { code } = await world.tsdaemon([verb, '../../cwd/web']);
    assert.equal(code, 2, verb);
  }
  assert.deepEqual(readdirSync(world.path('web')), ['record.json']);
});

test('without the native module the one line says what is missing, and nothing is started', async () => {
  await using world = await makeWorld();
  const before = prepare(world);
  // A package as it is when npm was told to leave optional packages out.
  const { stderr: failed } = await world.sh(
    `mkdir "$HOME/p" && cd "$HOME/p" && cp -r "${packageRoot}/bin" "${packageRoot}/package.json" . &&
     mkdir dist && cp "${packageRoot}"/dist/*.cjs dist/`,
  );
  assert.equal(failed, '');
  const { code, stdout, stderr } = await world.run([
    `${world.home}/p/bin/tsdaemon.js`,
    'run',
    '--',
    'sleep',
    '300',
  ]);
  assert.deepEqual([code, stdout], [125, '']);
  assert.match(stderr, /^tsdaemon: [^\n]*ffi-rs[^\n]*\n$/);
  assertUnchanged(world, before);
});

test('help goes to stdout and is no error', async () => {
  await using world = await makeWorld();
  for (const args of [['--help'], ['-h'], ['help'], ['run', '--help'], ['help', 'stop'], ['--version']]) {
    const { code, stdout, stderr } = await world.tsdaemon(args);
    assert.deepEqual([code, stderr], [0, ''], args.join(' '));
    assert.notEqual(stdout, '');
  }
});

test('help of a verb lists every one of its flags', async () => {
  await using world = await makeWorld();
  const { stdout } = await world.tsdaemon(['run', '--help']);
  for (const flag of [
    '--pidfile',
    '--output',
    '--keep-fd',
    '--limit',
    '--dry-run',
    '--json',
    '--stop-timeout',
  ])
    assert.ok(stdout.includes(flag), flag);
});

/** Files to be mistaken for others. Returns what is there then. */
function prepare(world: World): string[] {
  mkdirSync(world.path('folder'));
  writeFileSync(world.path('plain'), 'A=1\nnot an assignment\n');
  chmodSync(world.path('plain'), 0o644);
  return whatIsThere(world);
}

function assertUnchanged(world: World, before: readonly string[]): void {
  assert.deepEqual(whatIsThere(world), before);
  assert.deepEqual(processesMentioning(world.folder), []);
}

/** All files but V8's code, which is kept to make the next start faster, and empty directories for records. */
function whatIsThere(world: World): string[] {
  const all = readdirSync(world.folder, { recursive: true, withFileTypes: true });
  return all
    .filter((entry) => entry.isFile() || entry.parentPath.startsWith(world.cwd))
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .filter((path) => !path.startsWith(`${world.state}/code-cache`) && !path.startsWith(`${world.home}/p/`))
    .sort();
}

/** A word as it stands in a title. */
function shown(word: string): string {
  if (word.length > 50) return `${word.slice(0, 10)}...`;
  return word === '' ? "''" : word.replaceAll(/\p{Control}/gu, '?');
}

test('without the native module every command that needs it says so in one line, and the others work', async () => {
  await using world = await makeWorld();
  const bare = world.path('bare');
  for (const part of ['bin', 'dist', 'package.json'])
    cpSync(join(packageRoot, part), join(bare, part), { recursive: true });
  const command = join(bare, 'bin/tsdaemon.js');
  for (const verb of [
    ['run', '--', 'sleep', '300'],
    ['nohup', 'true'],
  ]) {
    const { code, stderr } = await world.run([command, ...verb]);
    assert.equal(code, 125);
    assert.match(stderr, /^tsdaemon: cannot load the native module @yuuang\/ffi-rs-\S+ .*\n$/);
  }
  assert.equal((await world.run([command, 'status', 'web'])).code, 3);
});
