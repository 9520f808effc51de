// A terminal that goes away, for real: shells on a pty whose master side is closed.
import assert from 'node:assert/strict';
import test from 'node:test';
import { isAlive, processesMentioning, statOf } from '../support/proc.js';
import { openPty } from '../support/pty.js';
import { openTheatre } from '../support/puppets.js';
import { needs } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const shells = [
  ['bash', '--norc -i'],
  ['dash', '-i'],
  ['zsh', '-f -i'],
  ['ksh', '-i'],
  ['mksh', '-i'],
  ['fish', '--no-config -i'],
  ['tcsh', '-f -i'],
  ['busybox', 'sh -i'],
] as const;

/** As people type it; %s is the command. */
const lines = ['%s', '%s &', '%s | cat', 'sh -c "%s"', 'sh -c "%s; true" &'];

for (const [shell, flags] of shells) {
  test(`daemons started in an interactive ${shell} do not notice that its terminal hangs up`, {
    skip: needs('script', shell),
  }, async () => {
    await using world = await makeWorld();
    await using theatre = await openTheatre(world);
    const pty = openPty(world, `exec ${shell} ${flags}`);
    const pids: number[] = [];
    for (const line of lines) {
      pty.type(`${line.replace('%s', `tsdaemon run --hup default -- ${theatre.argv().join(' ')}`)}\r`);
      const daemon = await theatre.next();
      world.expectSurvivor(daemon.pid);
      await daemon.tell({
        do: 'catch',
        signals: ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTSTP', 'SIGCONT', 'SIGTERM'],
      });
      pids.push(daemon.pid);
      assert.equal(statOf(daemon.pid)!.terminal, 0);
    }
    // ^C and ^Z: for the foreground process group, in which nothing of us is left.
    pty.type('\x03\x1a');
    await pty.hangUp();
    await until(() => assert.deepEqual(processesMentioning(world.folder).sort(), pids.sort()), {
      withinMs: 5000,
    });
    for (const puppet of theatre.puppets) {
      await puppet.tell({ do: 'print', to: 'stdout', text: 'still here\n' });
      assert.deepEqual(puppet.signals, []);
    }
  });
}

test('without tsdaemon the same puppet dies with its terminal: the hangup is real', {
  skip: needs('script', 'bash'),
}, async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const pty = openPty(world, 'exec bash --norc -i');
  pty.type(`${theatre.argv().join(' ')} &\r`);
  const puppet = await theatre.next();
  await pty.hangUp();
  await puppet.ended;
  await until(() => assert.equal(isAlive(puppet.pid), false), { withinMs: 5000 });
});

test('a daemon whose output is the terminal lives on when the terminal hangs up', {
  skip: needs('script', 'bash'),
}, async () => {
  await using world = await makeWorld();
  await using theatre = await openTheatre(world);
  const pty = openPty(world, 'exec bash --norc -i');
  pty.type(`tsdaemon run --output /dev/tty -- ${theatre.argv().join(' ')}\r`);
  const refused = pty.shows(/tsdaemon: cannot open output \/dev\/tty/);
  await refused;
  pty.type(`tsdaemon run --output $(tty) -- ${theatre.argv().join(' ')}\r`);
  const daemon = await theatre.next();
  world.expectSurvivor(daemon.pid);
  assert.equal(statOf(daemon.pid)!.terminal, 0);
  await daemon.tell({ do: 'print', to: 'stderr', text: 'hello terminal\n' });
  await pty.shows(/hello terminal/);
  await pty.hangUp();
  assert.ok(isAlive(daemon.pid));
});
