// `tsdaemon nohup` promises to be nohup: here both run side by side, and every difference is a failure.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { command } from '../support/package-root.js';
import {
  descriptorsOf,
  environmentOf,
  limitOf,
  openFlags,
  signalsIn,
  statOf,
  statusField,
} from '../support/proc.js';
import { openTerminal, type Terminal } from '../support/terminal.js';
import { needs, needsGnuNohup, needsLinux } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type Outcome, type RunOptions, type StartOptions, type World } from '../support/world.js';

const tools = { nohup: ['nohup'], tsdaemon: [command, 'nohup'] } as const;
type Tool = keyof typeof tools;
const skip = needsLinux || needsGnuNohup;
const skipTerminal = skip || needs('script');

/** How a standard stream comes in: a terminal, a file, or closed. */
const kinds = ['terminal', 'file', 'closed'] as const;
type Kind = (typeof kinds)[number];
type Row = readonly [stdin: Kind, stdout: Kind, stderr: Kind];
const rows: readonly Row[] = kinds.flatMap((stdin) =>
  kinds.flatMap((stdout) => kinds.map((stderr): Row => [stdin, stdout, stderr])),
);

interface Trial {
  readonly row: Row;
  readonly command?: readonly string[];
  /** What stands before the tool. */
  readonly via?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Puts files where the tool will find them. */
  readonly prepare?: (folder: string) => void;
}

/** All that can be seen from outside, in words that do not depend on the tool that was tried. */
interface Observation {
  /** null: the command runs. */
  readonly exitCode: number | null;
  readonly onTerminal: string;
  readonly inErrorFile: string;
  readonly files: readonly string[];
  readonly process: Readonly<Record<string, unknown>> | null;
}

describe('nohup with a terminal', { skip: skipTerminal }, () => {
  let world: World;
  let terminal: Terminal;

  before(async () => {
    world = await makeWorld();
    terminal = await openTerminal(world);
  });

  after(async () => {
    await terminal[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  for (const row of rows) {
    test(`0 ${row[0]}, 1 ${row[1]}, 2 ${row[2]}: same notice, descriptors, files and exit code`, async () => {
      const { tsdaemon } = await sameOf(world, terminal, { row });
      const said = tsdaemon.onTerminal + tsdaemon.inErrorFile;
      assert.equal(said !== '', row.includes('terminal') && row[2] !== 'closed', said);
    });
  }

  test('nohup.out that cannot be opened here is made in HOME, and named in full', async () => {
    const { tsdaemon } = await sameOf(world, terminal, {
      row: ['terminal', 'terminal', 'terminal'],
      prepare: blockNohupOut,
    });
    assert.match(tsdaemon.onTerminal, /home\/nohup\.out'\n$/);
  });

  for (const [title, home] of [
    ['is unset', () => undefined],
    ['is empty', () => ''],
    ['cannot be written either', (folder: string) => join(folder, 'no-such-home')],
    ['is spelled oddly', (folder: string) => `${folder}/./home//`],
    ['is relative', () => 'home'],
    ['has a $ in it', (folder: string) => `${folder}/$&`],
  ] as const) {
    test(`nohup.out cannot be opened here and HOME ${title}: same diagnostics`, async () => {
      const row: Row = ['file', 'terminal', 'terminal'];
      const prepare = (folder: string): void => {
        blockNohupOut(folder);
        mkdirSync(join(folder, '$&'));
      };
      await sameOf(world, terminal, { row, prepare }, home);
    });
  }

  test('both output files fail with POSIXLY_CORRECT: 127', async () => {
    const { tsdaemon } = await sameOf(
      world,
      terminal,
      { row: ['file', 'terminal', 'terminal'], prepare: blockNohupOut, env: { POSIXLY_CORRECT: '1' } },
      () => undefined,
    );
    assert.equal(tsdaemon.exitCode, 127);
  });

  test('nohup.out is 0600 and the command keeps the umask, even one that takes all', async () => {
    const via = ['sh', '-c', 'umask 777; exec "$@"', 'sh'];
    const { tsdaemon } = await sameOf(world, terminal, { row: ['terminal', 'terminal', 'terminal'], via });
    assert.deepEqual(tsdaemon.files, ['nohup.out 600']);
    assert.equal(tsdaemon.process?.umask, '0777');
  });

  test('an old nohup.out keeps its mode and its content; a link is followed', async () => {
    const prepare = (folder: string): void => {
      writeFileSync(join(folder, 'old'), 'old\n');
      chmodSync(join(folder, 'old'), 0o640);
      symlinkSync('old', join(folder, 'nohup.out'));
    };
    const trial = { row: ['file', 'terminal', 'terminal'], prepare } as const;
    const { tsdaemon } = await sameOf(world, terminal, trial);
    assert.deepEqual(tsdaemon.files, ['nohup.out 640 old', 'old 640 old']);
  });

  test('a command that cannot be run is reported on the terminal, not in nohup.out', async () => {
    const row: Row = ['terminal', 'terminal', 'terminal'];
    const { tsdaemon } = await sameOf(world, terminal, { row, command: ['no-such-command'] });
    assert.equal(tsdaemon.exitCode, 127);
    assert.match(tsdaemon.onTerminal, /failed to run command 'no-such-command'/);
    assert.deepEqual(tsdaemon.files, ['nohup.out 600']);
  });

  test('a notice that cannot be written is a failure', {
    skip: !existsSync('/dev/full') && 'needs /dev/full',
  }, async () => {
    const via = ['sh', '-c', 'exec "$@" 2>/dev/full', 'sh'];
    const { tsdaemon } = await sameOf(world, terminal, { row: ['file', 'terminal', 'file'], via });
    assert.equal(tsdaemon.exitCode, 125);
  });
});

describe('nohup without a terminal', { skip }, () => {
  test('the exit code and the output are those of the command', async () => {
    await using world = await makeWorld();
    const outcome = await same(world, ['sh', '-c', 'cat; echo out; echo err >&2; exit 7'], { input: 'in\n' });
    assert.deepEqual(outcome, { code: 7, signal: null, stdout: 'in\nout\n', stderr: 'err\n' });
  });

  test('the end by a signal is that of the command', async () => {
    await using world = await makeWorld();
    const outcome = await same(world, ['sh', '-c', 'kill -TERM $$']);
    assert.equal(outcome.signal, 'SIGTERM');
  });

  for (const posix of [false, true]) {
    const env = posix ? { POSIXLY_CORRECT: '' } : {};
    const suffix = posix ? ' with POSIXLY_CORRECT' : '';

    for (const words of [
      [],
      ['--'],
      ['-x'],
      ['-ab', 'true'],
      ['--no-such', 'true'],
      ['--no-such=1'],
      ['---'],
    ]) {
      test(`nohup ${words.join(' ')}${suffix}: same complaint`, async () => {
        await using world = await makeWorld();
        const outcome = await same(world, words, { env });
        assert.equal(outcome.code, posix ? 127 : 125);
      });
    }

    for (const [title, code, words] of [
      ['is not found', 127, ['no-such-command']],
      ['is empty', 127, ['']],
      ['is a dash', 127, ['-']],
      ['has no such directory', 127, ['./no/such/command']],
      ['has a quote in its name', 127, ["no-such 'command'"]],
      ['has a newline in its name', 127, ['no\nsuch']],
      ['is not executable', 126, ['./plain']],
      ['is a directory', 126, ['./folder']],
      ['lies below a file', 126, ['./plain/x']],
      ['has an interpreter that is not there', 127, ['./lost']],
    ] as const) {
      test(`a command that ${title}${suffix}: ${code} and the same words`, async () => {
        await using world = await makeWorld();
        writeFileSync(world.path('plain'), 'exit 0\n', { mode: 0o644 });
        writeFileSync(world.path('lost'), '#!/no/such/interpreter\n', { mode: 0o755 });
        mkdirSync(world.path('folder'));
        const outcome = await same(world, words, { env });
        assert.equal(outcome.code, code);
        assert.match(outcome.stderr, /^nohup: failed to run command /);
      });
    }
  }

  test('a command found in PATH but not executable there is 126; a later one that is, is run', async () => {
    await using world = await makeWorld();
    for (const folder of ['first', 'second']) mkdirSync(world.path(folder));
    writeFileSync(world.path('first/tool'), '#!/bin/sh\n', { mode: 0o644 });
    const PATH = `${world.path('first')}:${world.path('second')}:${world.env.PATH}`;
    assert.equal((await same(world, ['tool'], { env: { PATH } })).code, 126);
    writeFileSync(world.path('second/tool'), '#!/bin/sh\necho second\n', { mode: 0o755 });
    assert.equal((await same(world, ['tool'], { env: { PATH } })).stdout, 'second\n');
  });

  test('an executable text file without #! is run by the shell, with its name and arguments', async () => {
    await using world = await makeWorld();
    writeFileSync(world.path('script'), 'echo "$0|$1|$#"\n', { mode: 0o755 });
    const outcome = await same(world, ['./script', 'a b', '']);
    assert.equal(outcome.stdout, './script|a b|2\n');
  });

  test('options behind the command are the command’s', async () => {
    await using world = await makeWorld();
    assert.equal((await same(world, ['echo', '--help', '--', '-x'])).stdout, '--help -- -x\n');
    assert.equal((await same(world, ['--', 'echo', '--', '-x'])).stdout, '-- -x\n');
  });

  test('the environment arrives byte for byte, odd names included', async () => {
    await using world = await makeWorld();
    const odd = [
      'BASH_FUNC_f%%=() { :; }',
      'a.b=1',
      '1x=2',
      'a b=3',
      'nl=x\ny',
      'e=',
      '_=underscore',
      'PWD=/else',
      'IFS=:',
    ];
    const own = [
      'NODE_OPTIONS=--no-warnings',
      'NODE_EXTRA_CA_CERTS=/no/such',
      'TSDAEMON_CALLER=mine',
      'OLDPWD=/',
      'SHLVL=7',
    ];
    const via = ['env', '-i', ...odd, ...own, `PATH=${world.env.PATH}`];
    const outcome = await same(world, ['cat', '/proc/self/environ'], { via });
    assert.deepEqual(outcome.stdout.split('\0').slice(0, odd.length), odd);
  });

  test('bytes that are not UTF-8 arrive in arguments and environment', async () => {
    await using world = await makeWorld();
    const script =
      'x=$(printf "\\377\\376"); export x; exec "$@" od -An -tx1 /proc/self/environ "/dev/null" "$x"';
    const outcome = await same(world, [], { via: ['sh', '-c', script, 'sh'] });
    // od names the file it did not find by its bytes, and shows the variable's.
    assert.match(outcome.stdout.replaceAll(/\s+/g, ' '), /78 3d ff fe 00/);
    assert.equal(outcome.code, 1);
  });

  test('the process becomes the command: same pid, parent, session and process group', async () => {
    await using world = await makeWorld();
    for (const tool of Object.values(tools)) {
      const child = world.start([...tool, 'sleep', '300'], { stdio: 'ignore' });
      assert.equal(await exitUnlessRunning(child), null);
      const { parent, session, processGroup } = statOf(child.pid!)!;
      const ours = statOf(process.pid)!;
      assert.deepEqual([parent, session, processGroup], [process.pid, ours.session, ours.processGroup]);
      await end(child);
    }
  });

  test('no process of ours is left beside the command', async () => {
    await using world = await makeWorld();
    const child = world.start([command, 'nohup', 'sleep', '300'], { stdio: 'ignore' });
    assert.equal(await exitUnlessRunning(child), null);
    assert.equal(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'), '');
    await end(child);
  });

  test('descriptors above 2 are kept, low and high ones, and no other is added', async () => {
    await using world = await makeWorld();
    writeFileSync(world.path('kept'), '');
    const kept = openSync(world.path('kept'), 'r');
    const numbers = [3, 5, 7, 8, 9, 10, 11, 16, 17, 25, 100];
    const stdio = Array.from({ length: 101 }, (_, number) =>
      numbers.includes(number) ? kept : ('ignore' as const),
    );
    const descriptors = await seen(world, { stdio }, (pid) => [...descriptorsOf(pid).keys()]);
    closeSync(kept);
    // Compared with nohup first: the test run itself may have inherited more, which both pass on.
    assert.deepEqual(descriptors.tsdaemon, descriptors.nohup);
    assert.deepEqual(
      numbers.filter((number) => !descriptors.tsdaemon.includes(number)),
      [],
    );
  });

  test('a pipe that is kept stays as it was: nothing makes it non-blocking', async () => {
    await using world = await makeWorld();
    await world.run(['mkfifo', 'pipe']);
    const pipe = openSync(world.path('pipe'), 'r+');
    const flags = await seen(world, { stdio: [pipe, pipe, pipe] }, (pid) =>
      [0, 1, 2].map((fd) => openFlags(pid, fd)),
    );
    closeSync(pipe);
    assert.deepEqual(flags.tsdaemon, flags.nohup);
  });

  test('signals that were ignored or blocked stay so, and only SIGHUP joins them', async () => {
    await using world = await makeWorld();
    const via = ['env', '--ignore-signal=INT,QUIT,USR2', '--block-signal=USR1,TERM'];
    const signals = await seen(world, { via, stdio: 'ignore' }, (pid) => ({
      ignored: signalsIn(pid, 'SigIgn'),
      blocked: signalsIn(pid, 'SigBlk'),
      caught: signalsIn(pid, 'SigCgt'),
    }));
    assert.deepEqual(signals.tsdaemon, { ignored: [1, 2, 3, 12], blocked: [10, 15], caught: [] });
    assert.deepEqual(signals.tsdaemon, signals.nohup);
  });

  test('limits, priority, umask and working directory are the caller’s', async () => {
    await using world = await makeWorld();
    const script = 'ulimit -Sn 200; ulimit -Sc 0; umask 027; exec nice -n 3 "$@"';
    const facts = await seen(world, { via: ['sh', '-c', script, 'sh'], stdio: 'ignore' }, (pid) => ({
      limits: readFileSync(`/proc/${pid}/limits`, 'utf8'),
      nice: statOf(pid)?.nice,
      umask: statusField(pid, 'Umask'),
      oom: readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'),
    }));
    assert.equal(facts.tsdaemon.nice, statOf(process.pid)!.nice + 3);
    assert.deepEqual(facts.tsdaemon, facts.nohup);
  });

  test('a soft limit of 20 open files is enough, and is kept', async () => {
    await using world = await makeWorld();
    const via = ['sh', '-c', 'ulimit -Sn 20; exec "$@"', 'sh'];
    const limits = await seen(world, { via, stdio: 'ignore' }, (pid) => limitOf(pid, 'Max open files'));
    assert.equal(limits.tsdaemon.soft, 20);
    assert.deepEqual(limits.tsdaemon, limits.nohup);
  });

  test('a working directory that was removed does not keep the command from running', async () => {
    await using world = await makeWorld();
    const via = ['sh', '-c', 'mkdir gone; cd gone; rmdir ../gone; exec "$@"', 'sh'];
    const { code, stdout } = await world.tsdaemon(['nohup', 'echo', 'here'], { via });
    // Some shells remark on such a directory on stderr before the first line of any script.
    assert.deepEqual([code, stdout], [0, 'here\n']);
  });

  test('--help and --version end with 0 and say whose they are', async () => {
    await using world = await makeWorld();
    for (const option of ['--help', '--version']) {
      const outcome = await world.tsdaemon(['nohup', option]);
      assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
      assert.match(outcome.stdout, /tsdaemon/);
    }
  });
});

/** Runs both tools, asserts that they did the same, and returns what that was. */
async function same(world: World, words: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const env = { LC_ALL: 'C', ...options.env };
  const theirs = await world.run([...tools.nohup, ...words], { ...options, env, withinMs: 10_000 });
  const ours = await world.run([...tools.tsdaemon, ...words], { ...options, env, withinMs: 10_000 });
  assert.deepEqual(ours, theirs);
  return ours;
}

/** Starts `sleep` with both tools and returns what each of the two processes shows. */
async function seen<T>(
  world: World,
  options: StartOptions,
  look: (pid: number) => T,
): Promise<Record<Tool, T>> {
  const one = async (tool: Tool): Promise<T> => {
    const child = world.start([...tools[tool], 'sleep', '300'], options);
    try {
      assert.equal(await exitUnlessRunning(child), null);
      // At rest: while it is being loaded, the loader has a descriptor of its own.
      await until(() => assert.equal(statOf(child.pid!)?.state, 'S'), { withinMs: 5000 });
      return look(child.pid!);
    } finally {
      await end(child);
    }
  };
  return { nohup: await one('nohup'), tsdaemon: await one('tsdaemon') };
}

async function sameOf(
  world: World,
  terminal: Terminal,
  trial: Trial,
  home: (folder: string) => string | undefined = (folder) => join(folder, 'home'),
): Promise<Record<Tool, Observation>> {
  const nohup = await observe(world, terminal, 'nohup', trial, home);
  const tsdaemon = await observe(world, terminal, 'tsdaemon', trial, home);
  assert.deepEqual(tsdaemon, nohup);
  return { nohup, tsdaemon };
}

async function observe(
  world: World,
  terminal: Terminal,
  tool: Tool,
  { row, command = ['sleep', '300'], via = [], env = {}, prepare }: Trial,
  home: (folder: string) => string | undefined,
): Promise<Observation> {
  const folder = mkdtempSync(world.path(`${tool}-`));
  mkdirSync(join(folder, 'home'));
  prepare?.(folder);
  const files = [
    openSync('/dev/zero', 'r'),
    openSync(`${folder}.out`, 'a'),
    openSync(`${folder}.err`, 'a'),
  ] as const;
  const stdio = row.map((kind, fd) => (kind === 'terminal' ? terminal.descriptor : files[fd]!));
  const child = world.start([...tools[tool], ...command], {
    cwd: folder,
    env: { LC_ALL: 'C', ...env, HOME: home(folder) },
    stdio,
    via: [...closing(row), ...via],
  });
  for (const file of files) closeSync(file);
  const neutral = (text: string): string => text.replaceAll(folder, 'FOLDER');
  try {
    const exitCode = await exitUnlessRunning(child);
    return {
      exitCode,
      onTerminal: neutral(await terminal.written()),
      inErrorFile: neutral(readFileSync(`${folder}.err`, 'utf8')),
      files: filesIn(folder),
      process: exitCode === null ? factsOf(child.pid!, neutral) : null,
    };
  } finally {
    await end(child);
  }
}

/** The words before the tool that close what the row wants closed: child_process cannot. */
function closing(row: Row): string[] {
  const closed = row.flatMap((kind, descriptor) => (kind === 'closed' ? [`${descriptor}>&-`] : []));
  return closed.length === 0 ? [] : ['sh', '-c', `exec "$@" ${closed.join(' ')}`, 'sh'];
}

function factsOf(pid: number, neutral: (text: string) => string): Record<string, unknown> {
  return {
    descriptors: [...descriptorsOf(pid)].map(
      ([descriptor, target]) => `${descriptor} ${neutral(target)} ${openFlags(pid, descriptor).toString(8)}`,
    ),
    ignored: signalsIn(pid, 'SigIgn'),
    blocked: signalsIn(pid, 'SigBlk'),
    umask: statusField(pid, 'Umask'),
    openFiles: limitOf(pid, 'Max open files'),
    environment: environmentOf(pid).map((entry) => neutral(entry.toString('latin1'))),
  };
}

/** Name, mode and content of everything in a folder. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => {
      const file = join(folder, name);
      return `${name} ${(statSync(file).mode & 0o7777).toString(8)} ${readFileSync(file, 'utf8')}`.trim();
    })
    .sort();
}

/** Nobody, not even root, can open a directory for writing. */
function blockNohupOut(folder: string): void {
  mkdirSync(join(folder, 'nohup.out'));
}

/** Resolves with null when the tool has become `sleep`, with its exit code when it gave up. */
function exitUnlessRunning(child: ChildProcess): Promise<number | null> {
  return until(
    () => {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      assert.equal(programOf(child.pid!), 'sleep');
      // The environment of a program that is just being exec'ed is not there yet.
      assert.notEqual(environmentOf(child.pid!).length, 0);
      return null;
    },
    { withinMs: 5000 },
  );
}

function programOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
