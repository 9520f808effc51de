// run(), stop(), status() and list() as an app uses them: results, errors, and what they leave alone.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import type { DaemonStatus, RunResult, StopResult } from '../../src/index.js';
import { installPackage } from '../support/apps.js';
import { packageRoot } from '../support/package-root.js';
import { argvOf, cwdOf, descriptorsOf, isAlive, signalsIn, statOf, whenStill } from '../support/proc.js';
import { needsLinux } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type RunOptions, type World } from '../support/world.js';

/** The same app twice: how it gets the library is the only difference. */
const headers = {
  'app.mjs': "import { list, run, status, stop } from 'tsdaemon';",
  'app.cjs': "const { list, run, status, stop } = require('tsdaemon');",
} as const;
type AppName = keyof typeof headers;
const both = Object.keys(headers) as AppName[];

for (const name of both) {
  test(`${name}: run, status, list and stop agree about one daemon`, async () => {
    await using world = await makeWorld();
    const answers = await evaluate<[RunResult, DaemonStatus, DaemonStatus[], StopResult, DaemonStatus]>(
      world,
      `const started = await run(['sleep', '300'], { name: 'web', pidfile: 'web.pid', output: 'web.log' });
       return [started, await status('web'), await list(), await stop('web'), await status({ pidfile: 'web.pid' })];`,
      { name },
    );
    const [started, running, all, stopped, after] = answers;
    const { pid } = started;
    const pidfile = world.path('web.pid');
    assert.deepEqual(started, { name: 'web', pid, pidfile, outputs: [world.path('web.log')] });
    assert.deepEqual([running.state, running.code, running.pid], ['running', 0, pid]);
    assert.deepEqual(running.command, ['sleep', '300']);
    assert.ok(running.uptimeMs !== null && running.uptimeMs < 20_000);
    assert.ok(running.memoryBytes !== null && running.memoryBytes > 0);
    assert.deepEqual(
      all.map((each) => [each.name, each.pid]),
      [['web', pid]],
    );
    assert.deepEqual(stopped, { name: 'web', pid, by: 'signal' });
    assert.deepEqual([after.state, after.code, after.pid], ['stopped', 3, null]);
    assert.equal(isAlive(pid), false);
    assert.equal(existsSync(pidfile), false);
  });
}

test('the daemon outlives the app, in a session of its own, and holds nothing of it', {
  skip: needsLinux,
}, async () => {
  await using world = await makeWorld();
  // The app's outputs are pipes to this test: evaluate() would not return if the daemon had inherited one.
  const { pid } = await evaluate<RunResult>(world, "return run(['sleep', '300'], { pidfile: 'web.pid' });");
  world.expectSurvivor(pid);
  await whenStill(pid);
  const { session, terminal } = statOf(pid)!;
  assert.notEqual(session, pid);
  assert.notEqual(session, statOf(process.pid)!.session);
  assert.equal(isAlive(session), false);
  assert.equal(terminal, 0);
  const out = world.path('nohup.out');
  assert.deepEqual(
    [...descriptorsOf(pid)],
    [
      [0, '/dev/null'],
      [1, out],
      [2, out],
    ],
  );
  assert.deepEqual(signalsIn(pid, 'SigIgn'), [1]);
});

test('the app stays what it was: session, terminal, directory, umask, signals and descriptors', {
  skip: needsLinux,
}, async () => {
  await using world = await makeWorld();
  const [before, after] = await evaluate<[unknown, unknown]>(
    world,
    `const { readdirSync, readFileSync } = await import('node:fs');
     const look = () => ({
       session: readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ').slice(2, 6),
       cwd: process.cwd(),
       umask: process.umask(),
       signals: /^Sig(?:Blk|Ign|Cgt):.*$/gm[Symbol.match](readFileSync('/proc/self/status', 'utf8')),
       descriptors: readdirSync('/proc/self/fd').length,
       threads: readdirSync('/proc/self/task').length,
       environment: { ...process.env },
     });
     await run(['true']);
     const before = look();
     await run(['sleep', '300'], { name: 'web', cwd: '/', umask: '077', nice: 5, env: { X: '1' } });
     await stop('web');
     await run(['no-such-command']).catch(() => undefined);
     return [before, look()];`,
  );
  assert.deepEqual(after, before);
});

test('no child is left to the app: neither running nor dead', { skip: needsLinux }, async () => {
  await using world = await makeWorld();
  const children = await evaluate<string>(
    world,
    `const { readFileSync } = await import('node:fs');
     await run(['sleep', '300'], { name: 'web' });
     await run(['no-such-command']).catch(() => undefined);
     const children = readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8');
     await stop('web');
     return children;`,
  );
  assert.equal(children, '');
});

test('options reach the daemon; relative paths are the app’s', { skip: needsLinux }, async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('vars'), 'FROM_FILE=1\n');
  const { pid } = await evaluate<RunResult>(
    world,
    `return run(['sh', '-c', 'echo "$X $FROM_FILE $(umask)"; echo bad >&2; exec sleep 300', 'a b'], {
       cwd: '/', umask: 0o027, stdout: 'out', stderr: 'err', env: { X: '1' }, envFile: 'vars', clearEnv: true, hup: 'default',
     });`,
  );
  world.expectSurvivor(pid);
  await until(() => assert.match(String(argvOf(pid)[0]), /sleep/), { withinMs: 5000 });
  assert.deepEqual([world.read('out'), world.read('err')], ['1 1 0027\n', 'bad\n']);
  assert.equal(cwdOf(pid), '/');
  assert.deepEqual(signalsIn(pid, 'SigIgn'), []);
});

test('stop() resolves by { pidfile } too, and of what is gone already it is a success', async () => {
  await using world = await makeWorld();
  const [first, second] = await evaluate<StopResult[]>(
    world,
    `await run(['sleep', '300'], { pidfile: 'web.pid' });
     return [await stop({ pidfile: 'web.pid' }), await stop({ pidfile: 'web.pid' })];`,
  );
  assert.equal(first!.by, 'signal');
  assert.deepEqual(second, { name: 'web', pid: null, by: 'itself' });
});

test('stop() kills after the grace, and with kill: false it says so instead', async () => {
  await using world = await makeWorld();
  const [error, result] = await evaluate<[Told, StopResult]>(
    world,
    `await startDeaf();
     return [await told(stop('deaf', { timeoutMs: 50, kill: false })), await stop('deaf', { timeoutMs: 50 })];`,
  );
  assert.equal(error.code, 'TSD_STOP_TIMEOUT');
  assert.match(error.message, /cannot stop 'deaf': process \d+ still runs after 0\.05 s/);
  assert.equal(result.by, 'SIGKILL');
});

test('stop() never takes a daemon that lives for one that has ended, however often it is asked', async () => {
  await using world = await makeWorld();
  const [codes, last] = await evaluate<[string[], StopResult]>(
    world,
    `await startDeaf();
     const codes = [];
     for (let round = 0; round < 500; round += 1)
       codes.push((await told(stop('deaf', { timeoutMs: 0, kill: false }))).code);
     return [[...new Set(codes)], await stop('deaf', { timeoutMs: 0 })];`,
  );
  assert.deepEqual(codes, ['TSD_STOP_TIMEOUT']);
  assert.equal(last.by, 'SIGKILL');
});

for (const name of both) {
  test(`${name}: errors are typed, carry their facts, and nothing is left behind`, async () => {
    await using world = await makeWorld();
    writeFileSync(world.path('plain'), 'x', { mode: 0o644 });
    const errors = await evaluate<Record<string, Told>>(
      world,
      `const { pid } = await run(['sleep', '300'], { name: 'web', pidfile: 'web.pid' });
       const errors = {
         pid: { pid },
         running: await told(run(['sleep', '300'], { name: 'web' })),
         runningByPidfile: await told(run(['sleep', '300'], { pidfile: 'web.pid' })),
         absent: await told(run(['./no-such-command'], { pidfile: 'absent.pid', output: 'absent.log' })),
         refused: await told(run(['./plain'])),
         nothing: await told(run([])),
         option: await told(run(['true'], { umask: '999' })),
         streams: await told(run(['true'], { output: 'a', stderr: 'b' })),
         folder: await told(run(['true'], { cwd: 'no-such-folder' })),
         log: await told(run(['true'], { output: 'no-such-folder/log' })),
         unknown: await told(stop('nobody')),
         name: await told(run(['true'], { name: '../x' })),
       };
       await stop('web');
       return errors;`,
      { name },
    );
    const { pid } = errors.pid!;
    const facts = (key: string): unknown[] => {
      const { code, name: className } = errors[key]!;
      return [code, className];
    };
    assert.deepEqual(facts('running'), ['TSD_ALREADY_RUNNING', 'AlreadyRunningError']);
    assert.deepEqual([errors.running!.pid, errors.running!.message.includes(`${pid}`)], [pid, true]);
    assert.deepEqual(facts('runningByPidfile'), ['TSD_ALREADY_RUNNING', 'AlreadyRunningError']);
    assert.equal(errors.runningByPidfile!.path, world.path('web.pid'));
    assert.deepEqual(facts('absent'), ['TSD_SPAWN', 'SpawnError']);
    assert.deepEqual([errors.absent!.errnoName, errors.absent!.exitCode], ['ENOENT', 127]);
    assert.deepEqual(facts('refused'), ['TSD_SPAWN', 'SpawnError']);
    assert.deepEqual([errors.refused!.errnoName, errors.refused!.exitCode], ['EACCES', 126]);
    assert.deepEqual(facts('nothing'), ['TSD_USAGE', 'UsageError']);
    assert.deepEqual(facts('option'), ['TSD_USAGE', 'UsageError']);
    assert.deepEqual(facts('streams'), ['TSD_USAGE', 'UsageError']);
    assert.deepEqual(facts('folder'), ['TSD_SYSTEM', 'SystemError']);
    assert.equal(errors.folder!.errnoName, 'ENOENT');
    assert.deepEqual(facts('log'), ['TSD_SYSTEM', 'SystemError']);
    assert.equal(errors.log!.path, world.path('no-such-folder/log'));
    assert.deepEqual(facts('unknown'), ['TSD_NOT_FOUND', 'NotFoundError']);
    assert.deepEqual(facts('name'), ['TSD_USAGE', 'UsageError']);
    const isThere = ['absent.pid', 'absent.log'].filter((file) => existsSync(world.path(file)));
    assert.deepEqual(isThere, []);
  });
}

test('status() of what was never started is an answer, not an error', async () => {
  await using world = await makeWorld();
  const answers = await evaluate<DaemonStatus[]>(
    world,
    "return [await status('nobody'), await status({ pidfile: 'no.pid' }), ...(await list())];",
  );
  assert.deepEqual(
    answers.map(({ state, code }) => [state, code]),
    [
      ['stopped', 3],
      ['stopped', 3],
    ],
  );
});

test('an app that runs other children gets them, not the library', async () => {
  await using world = await makeWorld();
  const codes = await evaluate<number[]>(
    world,
    `const { spawn } = await import('node:child_process');
     const child = (code) => new Promise((resolve) => spawn('sh', ['-c', 'exit ' + code]).once('exit', resolve));
     const all = await Promise.all([child(3), run(['sleep', '300'], { name: 'a' }), child(4), run(['sleep', '300'], { name: 'b' }), child(5)]);
     await Promise.all([stop('a'), stop('b')]);
     return all.filter((value) => typeof value === 'number');`,
  );
  assert.deepEqual(codes, [3, 4, 5]);
});

test('many daemons at once', async () => {
  await using world = await makeWorld();
  const [running, left] = await evaluate<[number, number]>(
    world,
    `const names = Array.from({ length: 8 }, (_, index) => 'n' + index);
     await Promise.all(names.map((name) => run(['sleep', '300'], { name, output: name + '.log' })));
     const running = (await list()).filter(({ state }) => state === 'running').length;
     await Promise.all(names.map((name) => stop(name)));
     return [running, (await list()).filter(({ state }) => state === 'running').length];`,
  );
  assert.deepEqual([running, left], [8, 0]);
});

test('the event loop goes on while a daemon is started and stopped', async () => {
  await using world = await makeWorld();
  const turns = await evaluate<number>(
    world,
    `let turns = 0;
     const timer = setInterval(() => { turns += 1; }, 1);
     await startDeaf();
     await stop('deaf', { timeoutMs: 100 });
     clearInterval(timer);
     return turns;`,
  );
  assert.ok(turns > 20, `${turns} turns`);
});

test('process.exit() during a pending stop() ends the app at once', async () => {
  await using world = await makeWorld();
  const outcome = await runApp(
    world,
    `console.log((await startDeaf()).pid);
     void stop('deaf', { timeoutMs: 600_000 });
     setImmediate(() => process.exit(5));`,
    { withinMs: 10_000 },
  );
  const pid = Number(outcome.stdout);
  world.expectSurvivor(pid);
  assert.deepEqual([outcome.code, outcome.stderr], [5, '']);
  assert.ok(isAlive(pid));
});

test('an app with nothing else to do ends after run(), and waits for a pending stop()', async () => {
  await using world = await makeWorld();
  const outcome = await runApp(
    world,
    "void run(['sleep', '300'], { name: 'web' }).then(() => stop('web')).then(({ by }) => console.log(by));",
  );
  assert.deepEqual(outcome, { code: 0, signal: null, stdout: 'signal\n', stderr: '' });
});

test('the library works in a worker thread', async () => {
  await using world = await makeWorld();
  const result = await evaluate<StopResult>(
    world,
    `const { Worker } = await import('node:worker_threads');
     const source = "import { run, stop } from 'tsdaemon'; import { parentPort } from 'node:worker_threads';"
       + "await run(['sleep', '300'], { name: 'web' }); parentPort.postMessage(await stop('web'));";
     const { writeFileSync } = await import('node:fs');
     writeFileSync('worker.mjs', source);
     return new Promise((resolve, reject) => new Worker('./worker.mjs').once('message', resolve).once('error', reject));`,
  );
  assert.equal(result.by, 'signal');
});

test('a worker thread that is terminated while its stop() is pending does not keep the app from ending', async () => {
  await using world = await makeWorld();
  const outcome = await runApp(
    world,
    `const { writeFileSync } = await import('node:fs');
     const { Worker } = await import('node:worker_threads');
     console.log((await startDeaf()).pid);
     const source = "import { stop } from 'tsdaemon'; import { parentPort } from 'node:worker_threads';"
       + "void stop('deaf', { timeoutMs: 600_000 }); setImmediate(() => parentPort.postMessage('pending'));";
     writeFileSync('worker.mjs', source);
     const worker = new Worker('./worker.mjs');
     await new Promise((resolve) => worker.once('message', resolve));
     await worker.terminate();`,
    { withinMs: 10_000 },
  );
  world.expectSurvivor(Number(outcome.stdout));
  assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
});

test('what the command line started the library finds, and the other way round', async () => {
  await using world = await makeWorld();
  const pid = await world.daemon(['--name', 'web', '--', 'sleep', '300']);
  const [found, other] = await evaluate<[DaemonStatus, RunResult]>(
    world,
    "return [await status('web'), await run(['sleep', '300'], { name: 'other' })];",
  );
  world.expectSurvivor(other.pid);
  assert.equal(found.pid, pid);
  assert.equal((await world.tsdaemon(['stop', 'other'])).stdout, `other: stopped process ${other.pid}\n`);
});

test('the package exports what its types say, and nothing else', async () => {
  await using world = await makeWorld();
  const { exports } = JSON.parse(readFileSync(`${packageRoot}/package.json`, 'utf8')) as { exports: object };
  assert.deepEqual(Object.keys(exports), ['.', './package.json']);
  const names = await evaluate<string[]>(world, "return Object.keys(await import('tsdaemon')).sort();");
  assert.deepEqual(
    names.filter((name) => !name.endsWith('Error')),
    ['daemonize', 'list', 'run', 'status', 'stop'],
  );
});

/** An error as it looks when JSON has taken it home. */
interface Told {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly pid?: number;
  readonly path?: string | null;
  readonly errnoName?: string;
  readonly exitCode?: number;
}

interface AppOptions extends RunOptions {
  readonly name?: AppName;
}

/** Runs statements as an app that prints what they return; resolves with that. */
async function evaluate<T>(world: World, statements: string, options: AppOptions = {}): Promise<T> {
  const body = `main().then((value) => console.log(JSON.stringify(value)));
    async function main() {\n${statements}\n}`;
  const outcome = await runApp(world, body, options);
  assert.deepEqual([outcome.code, outcome.stderr], [0, '']);
  return JSON.parse(outcome.stdout) as T;
}

function runApp(
  world: World,
  body: string,
  { name = 'app.mjs', ...options }: AppOptions = {},
): ReturnType<World['run']> {
  installPackage(world, 'tsdaemon', packageRoot);
  const told = `async function told(promise) {
    const error = await promise.then(() => new Error('was no error'), (reason) => reason);
    const { name, code, message, pid, path, errnoName, exitCode } = error;
    return { name, code, message, pid, path, errnoName, exitCode };
  }`;
  const startDeaf = `async function startDeaf() {
    const { existsSync } = await import('node:fs');
    const started = await run(['sh', '-c', 'trap "" TERM; touch deaf; exec sleep 300'], { name: 'deaf' });
    while (!existsSync('deaf')) await new Promise((resolve) => setImmediate(resolve));
    return started;
  }`;
  writeFileSync(world.path(name), `${headers[name]}\n${told}\n${startDeaf}\n${body}\n`);
  return world.run([process.execPath, world.path(name)], options);
}
