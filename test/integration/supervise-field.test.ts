// Real servers under sections from the field, run by ours and driven by Debian's supervisorctl.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { type Account, type Server, servers } from '../support/field.js';
import { command } from '../support/package-root.js';
import { realSupervisorctl } from '../support/supervisord.js';
import { TestSupervisor } from '../support/supervisors.js';
import { needs, needsLinux, type Skip } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const isRoot = process.getuid?.() === 0;
const nobody: Account = { user: 'nobody', group: idOf('-gn') };
const [uid, gid] = [Number(idOf('-u')), Number(idOf('-g'))] as const;
const skip: Skip =
  needsLinux || needs(realSupervisorctl) || (nobody.group === '' && 'needs a user named nobody');

function idOf(flag: string): string {
  return spawnSync('id', [flag, 'nobody'], { encoding: 'utf8' }).stdout.trim();
}

/** What an ordinary user may not read, he cannot run; the package is in the folder of root on some machines. */
function needsPackageForAll(via: readonly string[]): Skip {
  const [file, ...args] = [...via, process.execPath, command, '--version'];
  return spawnSync(file!, args).status !== 0 && 'needs a package that user nobody can run';
}

const ordinary = ['setpriv', '--reuid', 'nobody', '--regid', nobody.group, '--clear-groups'];

const asWhom: readonly (readonly [who: string, Skip, Account | null, via: readonly string[]])[] = [
  ['root', !isRoot && 'needs root', nobody, []],
  isRoot
    ? ['an ordinary user', needs('setpriv') || needsPackageForAll(ordinary), null, ordinary]
    : ['an ordinary user', false, null, []],
];

/** What it says once it says something sensible: a server that has just been started may not serve yet. */
async function answers(server: Server, folder: string): Promise<void> {
  await until(async () => assert.match(await server.ask(folder), server.answer), { withinMs: 10_000 });
}

/** As supervisorctl spells them. */
async function names(ours: TestSupervisor): Promise<string[]> {
  return (await ours.all()).map(({ group, name }) => (group === name ? `${name}` : `${group}:${name}`));
}

for (const [who, skipWho, account, via] of asWhom)
  test(`servers of the field run unchanged as ${who}, and are driven by supervisorctl`, {
    skip: skip || skipWho,
  }, async (context) => {
    await using world = await makeWorld();
    await using ours = new TestSupervisor(world, 'ours');
    const folder = ours.path('field');
    mkdirSync(folder);
    for (const path of [world.folder, folder]) chmodSync(path, 0o755);
    if (isRoot) for (const path of [folder, world.home]) chownSync(path, uid, gid);
    // Root runs no configuration that lies where another user could exchange it.
    if (who !== 'root' && isRoot) chownSync(ours.folder, uid, gid);
    const present = servers.filter((each) => each.skip === false);
    const sections = present.map((each) => each.section(folder, account));
    const client = '[supervisorctl]\nserverurl=unix://%(here)s/sock\n';
    const configure = (): void => ours.configure(client + sections.join(''));
    const ctl = async (...words: readonly string[]): Promise<string> => {
      const { stdout, stderr } = await world.run([realSupervisorctl, '-c', ours.path('conf'), ...words]);
      assert.equal(stderr, '');
      return stdout;
    };
    const pids = async (): Promise<Record<string, number>> =>
      Object.fromEntries(
        (await ours.all()).map(({ group, name, pid }) => [`${group}:${name}`, pid as number]),
      );
    configure();
    // To a file, as a service manager's may be: what Node makes for a child are sockets, which no program can open anew.
    const toFile = ['/bin/sh', '-c', 'exec "$@" >>output 2>&1', 'sh'];
    await ours.start({ via: [...via, ...toFile], env: { TSDAEMON_HOME: ours.path('state') } });

    for (const server of servers)
      await context.test(
        `${server.name}: answers, also after a reload and a restart`,
        {
          skip: server.skip,
        },
        async () => {
          for (const name of server.processes) await ours.reaches(name, 'RUNNING');
          await answers(server, folder);
          if (server.reloadSignal !== null) {
            const before = await pids();
            const [name] = server.processes;
            assert.equal(await ctl('signal', server.reloadSignal, name!), `${name}: signalled\n`);
            await answers(server, folder);
            assert.deepEqual(await pids(), before);
          }
          for (const name of server.processes) {
            const before = await ours.pidOf(name);
            assert.equal(await ctl('restart', name), `${name}: stopped\n${name}: started\n`);
            assert.notEqual(await ours.pidOf(name), before);
          }
          await answers(server, folder);
        },
      );

    await context.test('a reload restarts the program whose section has changed, and no other', async () => {
      const before = await pids();
      sections.push('[program:more]\ncommand=sleep 1000\nstartsecs=0\n');
      configure();
      assert.equal(await ctl('reload'), 'Restarted supervisord\n');
      await ours.reaches('more', 'RUNNING');
      const { 'more:more': more, ...after } = await pids();
      assert.ok(more !== undefined && more > 0);
      assert.deepEqual(after, before);
      for (const server of present) await answers(server, folder);
    });

    await context.test('all of them end in good order, and leave nothing behind', async () => {
      const stopped = (await ctl('stop', 'all')).trimEnd().split('\n').sort();
      assert.deepEqual(stopped, (await names(ours)).map((name) => `${name}: stopped`).sort());
      for (const info of await ours.all()) assert.equal(info.statename, 'STOPPED', JSON.stringify(info));
      assert.equal(await ctl('shutdown'), 'Shut down\n');
      assert.equal(await ours.ends(), 0);
      for (const which of needs('python3') ? [] : ['0', '1'])
        assert.match(ours.read(`field/worker${which}.log`), /has finished its task\n$/);
    });
  });
