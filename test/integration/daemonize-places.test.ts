// Where daemonize() does not detach: because it should not, or because it cannot.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ask, installApp, startServer } from '../support/apps.js';
import { isAlive, statOf } from '../support/proc.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const node = process.execPath;

for (const [title, detach, env] of [
  ['detach never', 'never', {}],
  ['detach auto under systemd', 'auto', { INVOCATION_ID: 'aa' }],
  ['detach auto where readiness is reported to NOTIFY_SOCKET', 'auto', { NOTIFY_SOCKET: '/no/such' }],
  ['detach auto under Supervisor', 'auto', { SUPERVISOR_ENABLED: '1' }],
  ['detach auto under pm2', 'auto', { pm_id: '0' }],
] as const) {
  test(`${title}: the app stays in front, with its pidfile and its own output`, async () => {
    await using world = await makeWorld();
    const options = JSON.stringify({ detach, pidfile: 'app.pid', stdout: 'app.log', name: 'web' });
    const child = world.start([node, installApp(world, 'server.mjs'), options], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    assert.equal(await ask(world, '/pid'), String(child.pid));
    assert.equal(world.read('app.pid'), `${child.pid}\n`);
    const { session, processGroup } = statOf(child.pid!)!;
    const ours = statOf(process.pid)!;
    assert.deepEqual([session, processGroup], [ours.session, ours.processGroup]);
    await ask(world, '/print?text=in%20front');
    await ask(world, '/reopen');
    await ask(world, '/ready');
    assert.equal((await world.tsdaemon(['status', '--pidfile', 'app.pid'])).code, 0);
    const exited = new Promise((resolve) => child.once('close', resolve));
    await ask(world, '/close');
    assert.equal(await exited, 0);
    assert.equal(output, 'in front\n');
    assert.equal(existsSync(world.path('app.pid')), false);
    assert.equal(existsSync(world.path('app.log')), false);
  });
}

test('an app in front refuses to start beside one that has its pidfile', async () => {
  await using world = await makeWorld();
  const pid = await startServer(world);
  const options = JSON.stringify({ detach: 'never', pidfile: 'app.pid' });
  const second = await world.run([node, world.path('server.mjs'), options]);
  assert.notEqual(second.code, 0);
  assert.match(second.stderr, new RegExp(`already running as process ${pid}\\b`));
  assert.equal(world.read('app.pid'), `${pid}\n`);
});

test('a daemon refuses to start beside an app in front that has its pidfile', async () => {
  await using world = await makeWorld();
  const options = { pidfile: 'app.pid', stdout: 'app.log' };
  const script = installApp(world, 'server.mjs');
  const first = world.start([node, script, JSON.stringify({ ...options, detach: 'never' })], {
    stdio: 'ignore',
  });
  assert.equal(await ask(world, '/pid'), String(first.pid));
  const second = await world.run([node, script, JSON.stringify(options)]);
  assert.notEqual(second.code, 0);
  assert.match(second.stderr, new RegExp(`already running as process ${first.pid}\\b`));
  await ask(world, '/close');
  await until(() => assert.equal(isAlive(first.pid!), false), { withinMs: 5000 });
});

test('detach auto with no supervisor about detaches', async () => {
  await using world = await makeWorld();
  const pid = await startServer(world, { detach: 'auto' });
  assert.notEqual(statOf(pid)!.session, statOf(process.pid)!.session);
});

const inline = "require('tsdaemon').daemonize({ pidfile: 'refused.pid' })";
const inlineModule = "import { daemonize } from 'tsdaemon'; daemonize({ pidfile: 'refused.pid' })";

for (const [place, argv, input] of [
  ['a worker thread', ['in-worker.mjs'], ''],
  ['a cluster worker', ['in-cluster.mjs'], ''],
  ['node -e', ['-e', inline], ''],
  ['node --eval=', [`--eval=${inline}`], ''],
  ['node -p', ['-p', inline], ''],
  ['node -pe with arguments', ['-pe', inline, 'x', 'y'], ''],
  ['node -e with a module', ['--input-type=module', '-e', inlineModule], ''],
  ['a script from stdin', [], inline],
  ['a script from stdin, with a dash', ['-', 'argument'], inline],
  ['a module from stdin', ['--input-type=module', '-'], inlineModule],
  ['the REPL', ['-i'], `${inline}\n`],
] as const) {
  test(`in ${place} it says clearly that it cannot, and starts nothing`, async () => {
    await using world = await makeWorld();
    for (const app of ['in-worker.mjs', 'in-cluster.mjs']) installApp(world, app);
    const outcome = await world.run([node, ...argv], { input });
    const said = outcome.stdout + outcome.stderr;
    assert.match(said, /UsageError.*cannot daemonize .*: call it from the entry point of a program file/);
    assert.match(said, /TSD_USAGE/);
    // The REPL goes on after an error, as it should.
    if (place !== 'the REPL') assert.equal(outcome.code, 1);
    assertNothingStarted(world);
  });
}

function assertNothingStarted(world: World): void {
  const state = existsSync(world.state) ? readdirSync(join(world.state, 'daemons')) : [];
  assert.deepEqual(state, []);
  const left = ['refused.pid', 'nohup.out'].filter((name) => existsSync(world.path(name)));
  assert.deepEqual(left, []);
}
