// Root runs no configuration that somebody else could have written.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { command } from '../support/package-root.js';
import { TestSupervisor } from '../support/supervisors.js';
import { needsRoot as skip } from '../support/tools.js';
import { makeWorld, type World } from '../support/world.js';

const NOBODY = 65_534;

/** A configuration with an included file, in a directory of its own that is root's alone. */
function configure(world: World, name: string): { folder: string; main: string; included: string } {
  const folder = world.path(name);
  mkdirSync(join(folder, 'conf.d'), { recursive: true });
  const [main, included] = [join(folder, 'main.conf'), join(folder, 'conf.d', 'x.conf')];
  writeFileSync(main, '[supervisord]\n[include]\nfiles=conf.d/*.conf\n', { mode: 0o644 });
  writeFileSync(included, '[program:x]\ncommand=true\n', { mode: 0o644 });
  return { folder, main, included };
}

type Files = ReturnType<typeof configure>;

const rows: readonly [what: string, spoil: (files: Files) => void, said: RegExp][] = [
  ['everybody', ({ main }) => chmodSync(main, 0o666), /main\.conf as root: everybody can write to it/],
  ['a group', ({ main }) => [chownSync(main, 0, NOBODY), chmodSync(main, 0o664)], /group 65534 can write/],
  ['its owner', ({ main }) => chownSync(main, NOBODY, 0), /main\.conf as root: user 65534 can write to it/],
  ['a directory', ({ folder }) => chmodSync(folder, 0o777), /everybody can put another file in its place/],
  ['an included file', ({ included }) => chmodSync(included, 0o666), /x\.conf as root: everybody can write/],
  [
    'what a link leads to',
    ({ folder, main, included }) => {
      chownSync(included, NOBODY, NOBODY);
      symlinkSync(included, join(folder, 'conf.d', 'y.conf'));
      writeFileSync(main, '[supervisord]\n[include]\nfiles=conf.d/y.conf\n');
    },
    /y\.conf as root: user 65534 can write to it/,
  ],
];

test('root is refused a file that others can write to, unless it says that it trusts it', {
  skip,
}, async () => {
  await using world = await makeWorld();
  for (const [what, spoil, said] of rows) {
    const files = configure(world, what.replaceAll(' ', '-'));
    spoil(files);
    for (const verb of ['supervise', 'check']) {
      const { code, stdout, stderr } = await world.run([command, verb, '-c', files.main]);
      assert.equal(code, 2, `${what}: ${verb}: ${stdout}${stderr}`);
      assert.match(stdout + stderr, said, what);
    }
    const env = { TSDAEMON_TRUST_CONFIG: '1' };
    const trusted = await world.run([command, 'check', '-c', files.main], { env });
    assert.equal(trusted.code, 0, `${what}: ${trusted.stdout}`);
  }
});

test('a file of root’s own is run, also by way of a group of root’s and in a directory as /tmp is', {
  skip,
}, async () => {
  await using world = await makeWorld();
  const { folder, main } = configure(world, 'fine');
  chmodSync(main, 0o664);
  chmodSync(folder, 0o1777);
  const { code, stdout } = await world.run([command, 'check', '-c', main]);
  assert.equal(code, 0, stdout);
});

test('a reload of a file that others can write to by now is refused, and everything goes on', {
  skip,
}, async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure('[program:steady]\ncommand=sleep 1000\n');
  await ours.start();
  const { pid } = await ours.reaches('steady', 'RUNNING');
  chmodSync(ours.path('conf'), 0o666);
  const refused = (await ours.answer('reloadConfig')) as { fault?: number; text?: string };
  assert.match(refused.text ?? '', /everybody can write to it/);
  assert.equal(await ours.pidOf('steady'), pid);
});
