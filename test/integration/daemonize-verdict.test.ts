// What the launcher of an app reports, and when: readiness, failure, patience.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { ask, installApp, startServer } from '../support/apps.js';
import { isAlive, statOf } from '../support/proc.js';
import { openPty } from '../support/pty.js';
import { needs } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const node = process.execPath;

test('with waitReady the launcher waits until the app says that it is ready', async () => {
  await using world = await makeWorld();
  const options = JSON.stringify({ pidfile: 'app.pid', stdout: 'app.log', waitReady: true });
  const launcher = world.start([node, installApp(world, 'server.mjs'), options, '--hold'], {
    stdio: 'ignore',
  });
  const exited = new Promise((resolve) => launcher.once('exit', resolve));
  const pid = Number(await ask(world, '/pid'));
  world.expectSurvivor(pid);
  // The app has served a request, so a launcher that did not wait would be gone.
  assert.ok(isAlive(launcher.pid!));
  await ask(world, '/ready');
  assert.equal(await exited, 0);
  assert.equal(await ask(world, '/pid'), String(pid));
});

test('without waitReady the launcher is done when the call has returned in the daemon', async () => {
  await using world = await makeWorld();
  const options = JSON.stringify({ pidfile: 'app.pid', stdout: 'app.log' });
  const outcome = await world.run([node, installApp(world, 'server.mjs'), options, '--hold']);
  assert.deepEqual(outcome, { code: 0, signal: null, stdout: '', stderr: '' });
  const pid = Number(world.read('app.pid'));
  world.expectSurvivor(pid);
  assert.equal(await ask(world, '/pid'), String(pid));
});

test('what the app printed before it was ready stands in its own files, once', async () => {
  await using world = await makeWorld();
  const options = JSON.stringify({
    pidfile: 'app.pid',
    stdout: 'app.log',
    stderr: 'errors.log',
    waitReady: true,
  });
  const launched = world.run([node, installApp(world, 'server.mjs'), options, '--hold']);
  const pid = Number(await ask(world, '/pid'));
  world.expectSurvivor(pid);
  await ask(world, '/print?text=starting');
  await ask(world, '/complain?text=slow%20disk');
  await ask(world, '/ready');
  await ask(world, '/complain?text=later');
  assert.deepEqual(await launched, { code: 0, signal: null, stdout: '', stderr: '' });
  assert.equal(world.read('app.log'), 'starting\n');
  assert.equal(world.read('errors.log'), 'slow disk\nlater\n');
});

for (const [how, code] of [
  ['throw', 1],
  ['exit', 3],
  ['kill', 137],
  // Ended well, and yet it is not there: no success.
  ['exit-0', 1],
] as const) {
  // From an ordinary start, and from one whose launcher leads its session, so that a copy of it has to do the work.
  for (const [start, via] of [
    ['', []],
    [' under setsid', ['setsid', '-w']],
  ] as const) {
    const title = `an app that dies before it is ready (${how})${start}: its words, exit code ${code}, nothing left`;
    test(title, { skip: via.length > 0 && needs('setsid') }, async () => {
      await using world = await makeWorld();
      const outcome = await world.run([node, installApp(world, 'fails.mjs'), how], { via });
      assert.match(outcome.stderr, /^about to fail$/m);
      if (how === 'throw') assert.match(outcome.stderr, /^Error: no database$/m);
      assert.match(outcome.stderr, /^fails: cannot daemonize: .* before it was ready$/m);
      assert.deepEqual([outcome.code, outcome.stdout], [code, '']);
      assertNothingLeft(world, 'fails.pid');
    });
  }
}

test('after a failed start the next one is free to go', async () => {
  await using world = await makeWorld();
  const script = installApp(world, 'fails.mjs');
  for (const how of ['throw', 'exit']) {
    const outcome = await world.run([node, script, how]);
    assert.match(outcome.stderr, /^about to fail$/m);
  }
  assert.equal((await world.tsdaemon(['status', '--pidfile', 'fails.pid'])).code, 3);
});

for (const [start, via] of [
  ['', []],
  [' under setsid', ['setsid', '-w']],
] as const) {
  test(`an app that is not ready in time${start} is stopped, and its words are shown`, async () => {
    await using world = await makeWorld();
    const outcome = await world.run([node, installApp(world, 'never-ready.mjs')], { via });
    assert.deepEqual([outcome.code, outcome.stdout], [125, '']);
    assert.match(outcome.stderr, /^still connecting\nnever: .* not ready within 0\.3 s and was stopped\n$/);
    assert.equal(isAlive(Number(world.read('daemon'))), false);
    assertNothingLeft(world, 'never.pid');
  });
}

test('an app that leads its session appends to a log in which something stands already', async () => {
  await using world = await makeWorld();
  writeFileSync(world.path('app.log'), 'old\n');
  await startServer(world, {}, { via: ['setsid', '-w'] });
  await ask(world, '/print?text=new');
  await ask(world, '/complain?text=error');
  assert.equal(world.read('app.log'), 'old\nnew\nerror\n');
});

test('one that ignores SIGTERM as well is killed', async () => {
  await using world = await makeWorld();
  const outcome = await world.run([node, installApp(world, 'never-ready.mjs'), 'stubborn']);
  assert.equal(outcome.code, 125);
  assert.equal(isAlive(Number(world.read('daemon'))), false);
  assertNothingLeft(world, 'never.pid');
});

test('a launcher that is killed while it waits does not take the daemon with it', async () => {
  await using world = await makeWorld();
  const options = JSON.stringify({ pidfile: 'app.pid', stdout: 'app.log', waitReady: true });
  const launcher = world.start([node, installApp(world, 'server.mjs'), options, '--hold'], {
    stdio: 'ignore',
  });
  const pid = Number(await ask(world, '/pid'));
  world.expectSurvivor(pid);
  launcher.kill('SIGKILL');
  await until(() => assert.equal(isAlive(launcher.pid!), false), { withinMs: 5000 });
  await ask(world, '/ready');
  assert.equal(await ask(world, '/pid'), String(pid));
});

test('from an interactive pipeline, whose group setsid cannot leave, the app detaches too', {
  skip: needs('script', 'bash'),
}, async () => {
  await using world = await makeWorld();
  const options = JSON.stringify({ pidfile: 'app.pid', waitReady: true });
  const script = installApp(world, 'server.mjs');
  const pty = openPty(world, 'exec bash --norc -i');
  pty.type(`"${node}" '${script}' '${options}' | cat; echo "code \${PIPESTATUS[0]}"\n`);
  await pty.shows(/code 0\r/);
  const pid = Number(world.read('app.pid'));
  world.expectSurvivor(pid);
  assert.equal(statOf(pid)!.terminal, 0);
  await pty.hangUp();
  assert.equal(await ask(world, '/pid'), String(pid));
});

test('options that cannot be right are refused before anything is started', async () => {
  await using world = await makeWorld();
  const script = installApp(world, 'server.mjs');
  for (const [options, message] of [
    [{ umask: '999' }, /cannot use .*umask '999'/],
    [{ name: '../x' }, /cannot use name '\.\.\/x'/],
    [{ detach: 'sometimes' }, /cannot use detach 'sometimes'/],
    [{ user: 'no-such-user-here' }, /cannot run as user 'no-such-user-here'/],
    [{ cwd: 'no-such-folder' }, /no-such-folder/],
    [{ stdout: 'no-such-folder/log' }, /no-such-folder\/log/],
    [{ pidfile: 'no-such-folder/pid' }, /no-such-folder/],
  ] as const) {
    const outcome = await world.run([node, script, JSON.stringify(options)]);
    assert.match(outcome.stderr, message);
    assert.notEqual(outcome.code, 0);
  }
  assert.equal(existsSync(world.path('after')), false);
  assertNothingLeft(world, 'app.pid');
});

/** Processes are the world's to find. */
function assertNothingLeft(world: World, pidfile: string): void {
  const left = [pidfile, 'nohup.out'].filter((name) => existsSync(world.path(name)));
  assert.deepEqual(left, []);
  assert.equal(existsSync(join(world.home, 'nohup.out')), false);
}
