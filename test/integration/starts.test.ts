// From wherever `run` is called, the same daemon comes out, and its caller is free at once.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { assertDetached } from '../support/detached.js';
import { command } from '../support/package-root.js';
import { processesMentioning } from '../support/proc.js';
import { needs, type Skip } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const run = 'tsdaemon run --pidfile pid -- sleep 300';

/** What is called, how, and what it needs. Every script must end, exit with 0, and leave the daemon's pid in `pid`. */
const starts: readonly (readonly [string, string, Skip?])[] = [
  ['a script', run],
  ['a script that ends in it', `exec ${run}`],
  ['a script as its last command', `: ; ${run}`],
  ['the head of a pipeline', `${run} | cat`],
  ['the middle of a pipeline', `yes | ${run} | cat`],
  ['the end of a pipeline', `echo | ${run}`],
  ['a command substitution', `test "$(${run})" = "$(cat pid)"`],
  ["a script's background", `${run} & wait $!`],
  ["a subshell's background that nobody waits for", `(${run} &); until [ -s pid ]; do sleep 0.01; done`],
  ['setsid -w, as leader of a session', `setsid -w ${run}`, needs('setsid')],
  ['setsid in a pipeline', `setsid -w ${run} | cat`, needs('setsid')],
  ['timeout, which makes a process group', `timeout 20 ${run}`, needs('timeout')],
  ['timeout in a pipeline', `timeout 20 ${run} | timeout 20 cat`, needs('timeout')],
  ['timeout --foreground', `timeout --foreground 20 ${run}`, needs('timeout')],
  ['nohup', `nohup ${run} 2>/dev/null`, needs('nohup')],
  ['nice and env', `nice -n 1 env A=1 ${run}`],
  ['xargs', 'echo 300 | xargs tsdaemon run --pidfile pid -- sleep'],
  ['find -exec', `find . -maxdepth 0 -exec ${run} \\;`],
  ['a shell with job control', `bash -c 'set -m; ${run}; :'`, needs('bash')],
  ['a pipeline of a shell with job control', `bash -c 'set -m; ${run} | cat'`, needs('bash')],
  [
    'a background job of a shell with job control',
    `bash -c 'set -m; ${run} & exec 2>/dev/null; wait $!'`,
    needs('bash'),
  ],
  ['the head of a pipeline of which nobody reads', `${run} | true`],
  ['a caller without stdin', `${run} <&-`],
  ['a caller without stdout', `${run} >&-`],
  ['a caller without stderr', `${run} 2>&-`],
  ['a caller without stdin and stdout', `${run} <&- >&-`],
  ['a caller without stdout and stderr', `${run} >&- 2>&-`],
  ['a caller without any of 0, 1 and 2', `${run} <&- >&- 2>&-`],
  ['a caller without 0, 1 and 2, as leader of a session', `setsid -w ${run} <&- >&- 2>&-`, needs('setsid')],
  ['a caller that ignores SIGCHLD', `trap '' CHLD; ${run}`],
  ['a leader of a session that ignores SIGCHLD', `trap '' CHLD; setsid -w ${run} | cat`, needs('setsid')],
  ['a caller that ignores every signal', `trap '' HUP INT QUIT PIPE TERM TSTP TTIN TTOU CHLD; ${run}`],
  ['a caller with 32 open files at most', `ulimit -n 32; ${run}`],
  [
    'a caller with 32 open files at most, in a pipeline',
    `ulimit -n 32; setsid -w ${run} | cat`,
    needs('setsid'),
  ],
  ['node itself', `node ${command} run --pidfile pid -- sleep 300`],
  ['node itself in a pipeline', `node ${command} run --pidfile pid -- sleep 300 | cat`],
  [
    'node itself as leader of a session',
    `setsid -w node ${command} run --pidfile pid -- sleep 300`,
    needs('setsid'),
  ],
  [
    'a path with blanks',
    `mkdir 'a b'; ln -s "$(command -v tsdaemon)" 'a b/t d'; 'a b/t d' run --pidfile pid -- sleep 300`,
  ],
  ['a relative path', `cd ../bin; ./tsdaemon run --pidfile ../cwd/pid -- sleep 300`],
  ['bash', `bash -c '${run}; :'`, needs('bash')],
  ['zsh', `zsh -fc '${run}; :'`, needs('zsh')],
  ['busybox sh', `busybox sh -c '${run}; :'`, needs('busybox')],
  [
    'python with shell=True',
    `python3 -c 'import subprocess; print(subprocess.check_output("${run}", shell=True))'`,
    needs('python3'),
  ],
  ['perl', `perl -e 'exit(system(qw(${run})) >> 8)'`, needs('perl')],
];

for (const [from, script, skip = false] of starts) {
  test(`started from ${from} it is a daemon like any other`, { skip }, async () => {
    await using world = await makeWorld();
    const { code, stderr } = await world.sh(script);
    const pid = Number(world.read('pid'));
    world.expectSurvivor(pid);
    assert.deepEqual([code, stderr], [0, '']);
    await until(() => assert.deepEqual(processesMentioning(world.folder), [pid]), { withinMs: 2000 });
    assertDetached(pid);
    const status = await world.tsdaemon(['status', '--pidfile', 'pid']);
    assert.equal(status.code, 0, status.stdout);
  });
}

test('started with every signal blocked it is a daemon like any other', async (context) => {
  await using world = await makeWorld();
  if ((await world.sh('env --block-signal true')).code !== 0)
    return context.skip('this env cannot block signals');
  for (const prefix of ['env --block-signal', 'setsid -w env --block-signal']) {
    const { code, stderr } = await world.sh(`${prefix} ${run}`);
    const pid = Number(world.read('pid'));
    assert.deepEqual([code, stderr], [0, '']);
    assertDetached(pid);
    assert.equal((await world.tsdaemon(['stop', '--pidfile', 'pid'])).code, 0);
  }
});

test('started in a directory that has been removed it is a daemon like any other', async () => {
  await using world = await makeWorld();
  const { code, stdout, stderr } = await world.sh(`mkdir d; cd d; rmdir ../d; tsdaemon run -- sleep 300`);
  world.expectSurvivor(Number(stdout));
  assert.deepEqual([code, ours(stderr)], [0, '']);
  assertDetached(Number(stdout));
});

test('in a directory that has been removed a relative path is refused by its name', async () => {
  await using world = await makeWorld();
  const { code, stderr } = await world.sh(
    `mkdir d; cd d; rmdir ../d; tsdaemon run --pidfile x.pid -- sleep 300`,
  );
  assert.equal(code, 125);
  assert.match(ours(stderr), /^tsdaemon: .*x\.pid.*working directory.*\n$/);
});

test('as a child of PID 1 of a container it is a daemon like any other', {
  skip: needs('unshare'),
}, async (context) => {
  await using world = await makeWorld();
  const container = ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--mount-proc'];
  if ((await world.run([...container, 'true'])).code !== 0)
    return context.skip('no namespaces may be made here');
  // The shell is PID 1: when it ends the kernel ends the daemon too, so all is asked from inside.
  const script = `pid=$(tsdaemon run --name web -- sleep 300) && cut -d' ' -f4-7 /proc/$pid/stat &&
    tsdaemon status web && tsdaemon stop web; echo $?`;
  const { stdout, stderr } = await world.run([...container, 'sh', '-c', script]);
  assert.equal(stderr, '');
  assert.match(stdout, /^1 (\d+) \1 0\nweb: running.*\nweb: stopped.*\n0\n$/);
});

test('when no file can be written, nothing is started and nothing is left', async () => {
  await using world = await makeWorld();
  // What a full disk is to everybody, a file size limit of 0 is to one process.
  const { code, stdout, stderr } = await world.sh(`ulimit -f 0; ${run}`);
  assert.deepEqual([code, stdout], [125, '']);
  assert.match(stderr, /^tsdaemon: cannot write .*EFBIG.*\n$/);
  assert.deepEqual(readdirSync(world.cwd), []);
  assert.deepEqual(readdirSync(join(world.state, 'daemons')), []);
});

test('on a full disk nothing is started and nothing is left', { skip: needs('unshare') }, async (context) => {
  await using world = await makeWorld();
  const mounts = ['unshare', '--user', '--map-root-user', '--mount'];
  const full =
    'mount -t tmpfs -o size=64k none . && cd "$PWD" && { dd if=/dev/zero of=ballast bs=4k 2>/dev/null; true; }';
  if ((await world.run([...mounts, 'sh', '-c', full])).code !== 0)
    return context.skip('no file system may be mounted here');
  const { code, stdout, stderr } = await world.run([
    ...mounts,
    'sh',
    '-c',
    `${full}; ${run}; code=$?; ls >&2; exit $code`,
  ]);
  assert.deepEqual([code, stdout], [125, '']);
  assert.match(stderr, /^tsdaemon: cannot write .*\(ENOSPC\)\nballast\n$/);
});

/** Some shells complain themselves, whatever they are to run, when their working directory is gone. */
const ours = (stderr: string): string => stderr.replace(/^.*getcwd.*\n/, '');
