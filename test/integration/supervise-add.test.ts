// Programs without a file: added, changed and removed at run time, and kept whatever becomes of the supervisor.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld, type Outcome, type World } from '../support/world.js';

const HAS_FILE = '[program:filed]\ncommand=sleep 1000\nstartsecs=0\n';

const ctl = (
  world: World,
  ours: TestSupervisor,
  words: readonly string[],
  input?: unknown,
): Promise<Outcome> =>
  world.run(['tsdaemon', 'ctl', '-s', `unix://${ours.path('sock')}`, ...words], {
    input: input === undefined ? '' : JSON.stringify(input),
  });

const web = { name: 'web', command: ['sleep', '1000'], startsecs: 0, stopwaitsecs: 5 };

async function addWeb(world: World, ours: TestSupervisor, program: object = web): Promise<void> {
  const { code, stdout } = await ctl(world, ours, ['add', '--from-json', '-'], program);
  assert.deepEqual([code, stdout], [0, 'added\n']);
}

test('an added program runs, survives update, HUP and kill -9, is changed, and is gone when removed', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(HAS_FILE);
  await ours.start();
  await addWeb(world, ours);
  await ours.reaches('web', 'RUNNING');
  const first = await ours.pidOf('web');

  assert.equal((await ctl(world, ours, ['update'])).stdout, '');
  ours.child.kill('SIGHUP');
  await until(async () => assert.equal(ours.read('main.log').split('supervisord started').length, 3), {
    withinMs: 10_000,
  });
  await ours.answers();
  assert.equal(await ours.pidOf('web'), first);

  ours.child.kill('SIGKILL');
  await ours.ends();
  await ours.start();
  await ours.reaches('web', 'RUNNING');
  assert.equal(await ours.pidOf('web'), first);

  await addWeb(world, ours);
  assert.equal(await ours.pidOf('web'), first, 'the same again is no change');
  await addWeb(world, ours, { ...web, stopwaitsecs: 6 });
  await ours.reaches('web', 'RUNNING');
  assert.notEqual(await ours.pidOf('web'), first);

  const removed = await ctl(world, ours, ['remove', '--added', 'web', 'web']);
  assert.equal(removed.stdout, 'web: removed program\nERROR: no program was added as web\n');
  assert.equal(removed.code, 1);
  assert.deepEqual(
    (await ours.all()).map(({ name }) => name),
    ['filed'],
  );
  await ours.call('supervisor.reloadConfig');
  assert.deepEqual(await ours.call('supervisor.reloadConfig'), [[[], [], []]]);
});

test('an added program is there after a regular stop and start too', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(HAS_FILE);
  await ours.start();
  await addWeb(world, ours);
  await ours.stop();
  await ours.start();
  await ours.reaches('web', 'RUNNING');
});

test('what cannot be added is one clear fault, and nothing is changed or kept', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(HAS_FILE);
  await ours.start();
  for (const [program, message] of [
    [{ command: 'sleep 9' }, /not a name of a program: none/],
    [{ name: 'a b', command: 'sleep 9' }, /not a name of a program: "a b"/],
    [{ name: 'web' }, /program section program:web does not specify a command/],
    [{ ...web, autorestrat: true }, /unknown key autorestrat of web \(did you mean autorestart\?\)/],
    [{ ...web, startsecs: 'soon' }, /invalid literal for int\(\) with base 10: 'soon'/],
    [{ ...web, user: { name: 'me' } }, /cannot use user of web/],
    [{ ...web, depends_on: 'nobody' }, /names unknown program nobody/],
    [{ ...web, name: 'filed' }, /filed is in the configuration file/],
    [[web, web], /web is there twice/],
    ['web', /expected an object/],
  ] as const) {
    const { code, stdout } = await ctl(world, ours, ['add', '--from-json', '-'], program);
    assert.equal(code, 1, stdout);
    assert.match(stdout, /^ERROR: [^\n]*\n$/);
    assert.match(stdout, message);
  }
  const absent = await ctl(world, ours, ['add', '--from-json', 'absent.json']);
  assert.equal(absent.stdout, 'ERROR: cannot read absent.json: no such file or directory (ENOENT)\n');
  assert.deepEqual(
    (await ours.all()).map(({ name }) => name),
    ['filed'],
  );
  assert.deepEqual(await ours.call('supervisor.reloadConfig'), [[[], [], []]]);
});

test('words of a command given as a list reach the program as they are, and a file may hold several programs', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(HAS_FILE);
  await ours.start();
  const words = ["it's", '100%', 'a "b" ; c', '%(here)s', ''];
  writeFileSync(
    `${world.cwd}/two.json`,
    JSON.stringify([
      web,
      {
        name: 'prints',
        command: ['sh', '-c', 'printf "<%s>" "$@"; exec sleep 1000', 'sh', ...words],
        stdout_logfile: '%(here)s/printed',
      },
    ]),
  );
  const { stdout } = await ctl(world, ours, ['add', '--from-json', 'two.json']);
  assert.equal(stdout, 'added\n');
  await until(() => assert.equal(ours.read('printed'), words.map((word) => `<${word}>`).join('')), {
    withinMs: 10_000,
  });
  await ours.reaches('web', 'RUNNING');
});

test('a section that a file gets later counts more than the added program of its name', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(HAS_FILE);
  await ours.start();
  await addWeb(world, ours);
  ours.configure(`${HAS_FILE}[program:web]\ncommand=sleep 2000\nstartsecs=0\n`);
  await until(
    async () => {
      const { stdout } = await world.run(['tsdaemon', 'plan', '-c', ours.path('conf')]);
      assert.match(stdout, /restart web {2}.*command: .*sleep 2000/);
    },
    { withinMs: 10_000 },
  );
});
