// Programs that daemonize themselves are followed: by their own pidfile, or by who is left, and from one main
// process to the next. The test stands in for the watchdog, and does what that does at each end of a process.
import assert from 'node:assert/strict';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import test, { before } from 'node:test';
import { findMain, followMain, type MainChoice, type TreeMember } from '../../src/core/main-process.js';
import { becomeSubreaper } from '../../src/os/children.js';
import { reap, spawn } from '../../src/os/invoke.js';
import { readPidfile } from '../../src/os/pidfile.js';
import { probeHttp } from '../../src/os/probes.js';
import { ProcessHandle } from '../../src/os/process-handle.js';
import { descendantsOf, readStat } from '../../src/os/processes.js';
import { statOf } from '../support/proc.js';
import { needsLinux } from '../support/tools.js';
import { until } from '../support/until.js';
import { configureApache, configureNginx, needsApache, needsNginx } from '../support/web-servers.js';
import { makeWorld, type World } from '../support/world.js';

const skip = needsLinux;
const LONG = 15_000;

before(() => {
  if (process.platform === 'linux') becomeSubreaper();
});

/** What the watchdog knows of a program that daemonized itself. */
class Keeper {
  readonly #world: World;
  readonly #pidfile: string | null;

  constructor(world: World, pidfile: string | null) {
    this.#world = world;
    this.#pidfile = pidfile === null ? null : world.path(pidfile);
  }

  /** Starts the program, and asks until it is clear which process it is, or that it is none. */
  async start(argv: readonly [string, ...string[]]): Promise<MainChoice> {
    const nowhere = openSync('/dev/null', 'r+');
    const env = Object.entries(this.#world.env).map(([name, value]) => `${name}=${value}`);
    const streams = new Map([0, 1, 2].map((stream) => [stream, nowhere]));
    const cwd = process.cwd();
    process.chdir(this.#world.cwd);
    const launched = spawn({ candidates: [argv[0]], argv, env }, streams, 'default', true);
    process.chdir(cwd);
    closeSync(nowhere);
    const isClean = await endOf(launched);
    return this.settled(() => findMain({ pid: launched, isClean }, this.#facts()));
  }

  /** Waits for the end of the main process and tells who follows. */
  async follow({ pid }: TreeMember): Promise<MainChoice> {
    const isClean = await endOf(pid);
    return followMain({ pid, isClean }, this.#facts());
  }

  settled(look: () => MainChoice): Promise<MainChoice> {
    return until(
      () => {
        const choice = look();
        assert.notEqual(choice.is, 'awaited', JSON.stringify(choice));
        return choice;
      },
      { withinMs: LONG },
    );
  }

  #facts() {
    const pidfile = this.#pidfile === null ? null : readPidfile(this.#pidfile);
    return { watchdog: process.pid, members: this.members(), pidfile };
  }

  members(): TreeMember[] {
    const members = descendantsOf(process.pid).flatMap((pid) => readStat(pid) ?? []);
    for (const { pid } of members) this.#world.track(pid);
    return members;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await until(
      () => {
        for (const { pid } of this.members()) process.kill(pid, 'SIGKILL');
        assert.deepEqual(this.members(), []);
      },
      { withinMs: LONG },
    );
  }
}

/** Whether a child of ours ended cleanly. */
async function endOf(pid: number): Promise<boolean> {
  using handle = ProcessHandle.open(pid, null);
  assert.equal((await handle?.ended(LONG)) ?? true, true, `process ${pid} does not end`);
  const end = reap(pid, false);
  assert.notEqual(end, null, `process ${pid} was not our child`);
  return end!.code === 0;
}

function mainOf(choice: MainChoice): TreeMember {
  assert.equal(choice.is, 'main', JSON.stringify(choice));
  return choice.is === 'main' ? choice.member : assert.fail();
}

test('a program that forks twice and leaves its session is found as the only one left', {
  skip,
}, async () => {
  await using world = await makeWorld();
  await using keeper = new Keeper(world, null);
  const main = mainOf(await keeper.start(['/bin/sh', '-c', 'setsid sh -c "sleep 1000 & exit 0"; exit 0']));
  assert.equal(main.parent, process.pid);
  assert.equal(keeper.members().length, 1);
  process.kill(main.pid, 'SIGKILL');
  assert.equal((await keeper.follow(main)).is, 'gone');
});

test('a program that goes on to fork after its launcher has ended is followed to the last one', {
  skip,
}, async () => {
  await using world = await makeWorld();
  await using keeper = new Keeper(world, null);
  const script = 'sh -c "while ! test -e go; do sleep 0.01; done; sleep 1000 & exit 0" & exit 0';
  const first = mainOf(await keeper.start(['/bin/sh', '-c', script]));
  writeFileSync(world.path('go'), '');
  const choice = await keeper.follow(first);
  const last = mainOf(choice);
  assert.notEqual(last.pid, first.pid);
  assert.equal(last.parent, process.pid);
});

test('a program that left two processes is unclear, until one of them has ended', { skip }, async () => {
  await using world = await makeWorld();
  await using keeper = new Keeper(world, null);
  assert.equal((await keeper.start(['/bin/sh', '-c', 'sleep 1001 & sleep 1002 & exit 0'])).is, 'unclear');
  const [first, second] = keeper.members();
  process.kill(first!.pid, 'SIGKILL');
  await endOf(first!.pid);
  const launched = { pid: -1, isClean: true };
  const facts = { watchdog: process.pid, members: keeper.members(), pidfile: null };
  assert.equal(mainOf(findMain(launched, facts)).pid, second!.pid);
});

test('a pidfile that comes late is waited for, and one of the last run is not believed', {
  skip,
}, async () => {
  await using world = await makeWorld();
  await using keeper = new Keeper(world, 'own.pid');
  writeFileSync(world.path('own.pid'), `${process.ppid}\n`);
  // Two processes are left, so that only the pidfile can tell.
  const script = 'sleep 1001 & (sleep 0.2; exec sh -c "echo \\$\\$ > own.pid; exec sleep 1002") & exit 0';
  const main = mainOf(await keeper.start(['/bin/sh', '-c', script]));
  assert.equal(String(main.pid), world.read('own.pid').trim());
});

test('a program that fails, or leaves nobody, is gone', { skip }, async () => {
  await using world = await makeWorld();
  await using keeper = new Keeper(world, 'own.pid');
  assert.equal((await keeper.start(['/bin/sh', '-c', 'exit 1'])).is, 'gone');
  assert.equal((await keeper.start(['/bin/sh', '-c', 'exit 0'])).is, 'gone');
});

async function assertServes(port: number): Promise<void> {
  await until(
    async () => assert.deepEqual(await probeHttp(`http://127.0.0.1:${port}/`, 1000), { isReady: true }),
    {
      withinMs: LONG,
    },
  );
}

const pidIn = (world: World, file: string): number => Number(world.read(file));

test('nginx is followed into the background, by USR2 and QUIT to its successor, and to its end', {
  skip: needsNginx,
}, async () => {
  await using world = await makeWorld();
  await using keeper = new Keeper(world, 'nginx.pid');
  const { argv, port } = await configureNginx(world);
  const first = mainOf(await keeper.start(argv));
  assert.equal(first.pid, pidIn(world, 'nginx.pid'));
  assert.equal(first.parent, process.pid, 'it is not our child');
  await assertServes(port);
  await until(() => assert.equal(keeper.members().length, 3), { withinMs: LONG });

  // A new configuration changes the workers, not the main process.
  const workers = keeper.members().filter(({ pid }) => pid !== first.pid);
  process.kill(first.pid, 'SIGHUP');
  await until(
    () => {
      const pids = keeper.members().map(({ pid }) => pid);
      assert.equal(pids.length, 3);
      assert.ok(workers.every(({ pid }) => !pids.includes(pid)));
    },
    { withinMs: LONG },
  );
  assert.equal(pidIn(world, 'nginx.pid'), first.pid);

  // The new binary starts beside the old one, as its child.
  process.kill(first.pid, 'SIGUSR2');
  const secondPid = await until(
    () => {
      assert.equal(pidIn(world, 'nginx.pid.oldbin'), first.pid);
      const pid = pidIn(world, 'nginx.pid');
      assert.notEqual(pid, first.pid);
      assert.equal(statOf(pid)?.parent, first.pid);
      assert.equal(keeper.members().length, 6);
      return pid;
    },
    { withinMs: LONG },
  );
  assert.ok(keeper.members().some(({ pid }) => pid === first.pid));
  process.kill(first.pid, 'SIGQUIT');
  const second = mainOf(await keeper.follow(first));
  assert.equal(second.pid, secondPid);
  assert.equal(statOf(second.pid)?.parent, process.pid, 'it was not adopted');
  await assertServes(port);

  process.kill(second.pid, 'SIGTERM');
  assert.equal((await keeper.follow(second)).is, 'gone');
  await until(() => assert.deepEqual(keeper.members(), []), { withinMs: LONG });
});

test('an nginx whose master is killed is gone, though its workers serve on', {
  skip: needsNginx,
}, async () => {
  await using world = await makeWorld();
  await using keeper = new Keeper(world, 'nginx.pid');
  const { argv, port } = await configureNginx(world);
  const main = mainOf(await keeper.start(argv));
  await until(() => assert.equal(keeper.members().length, 3), { withinMs: LONG });
  process.kill(main.pid, 'SIGKILL');
  assert.equal((await keeper.follow(main)).is, 'gone');
  await assertServes(port);
  assert.equal(keeper.members().length, 2, 'its workers are left over');
});

test('an nginx that cannot have its port is gone before it was there', { skip: needsNginx }, async () => {
  await using world = await makeWorld();
  await using keeper = new Keeper(world, 'nginx.pid');
  const { argv, port } = await configureNginx(world);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const choice = await keeper.start(argv);
  await new Promise((resolve) => server.close(resolve));
  assert.equal(choice.is, 'gone');
  assert.match(world.read('error.log'), /Address already in use/);
});

test('Apache is followed into the background, through a graceful restart, and to its end', {
  skip: needsApache,
}, async () => {
  await using world = await makeWorld();
  await using keeper = new Keeper(world, 'httpd.pid');
  const { argv } = await configureApache(world);
  const main = mainOf(await keeper.start(argv));
  assert.equal(main.pid, pidIn(world, 'httpd.pid'));
  assert.equal(main.parent, process.pid);
  await until(() => assert.ok(keeper.members().length > 1), { withinMs: LONG });
  const before = keeper.members().filter(({ pid }) => pid !== main.pid);
  process.kill(main.pid, 'SIGUSR1');
  await until(
    () => {
      const pids = keeper.members().map(({ pid }) => pid);
      assert.ok(pids.length > 1 && before.every(({ pid }) => !pids.includes(pid)));
    },
    { withinMs: LONG },
  );
  assert.equal(pidIn(world, 'httpd.pid'), main.pid);
  process.kill(main.pid, 'SIGTERM');
  assert.equal((await keeper.follow(main)).is, 'gone');
  await until(() => assert.deepEqual(keeper.members(), []), { withinMs: LONG });
});
