// supervisord as its init script starts it: in the background. What it is there, what it leaves, what a second one is told.
import assert from 'node:assert/strict';
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { command } from '../support/package-root.js';
import { descriptorsOf, isAlive, statOf, statusField } from '../support/proc.js';
import { makeBoth, needsSupervisord, type TestSupervisor } from '../support/supervisors.js';
import { needsLinux } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld, type Outcome, type World } from '../support/world.js';

const PROGRAM = `
[program:web]
command=/bin/sh -c "pwd; umask; exec sleep 1000"
stdout_logfile=%(here)s/web.log
stderr_logfile=NONE
[include]
files=more.conf
`;

/** By the name that both go by, so that messages can be compared. */
function launch(world: World, each: TestSupervisor, ...words: readonly string[]): Promise<Outcome> {
  const ours = `${world.folder}/supervisord`;
  const program = each.whose === 'ours' ? ours : '/usr/bin/supervisord';
  return world.run([program, '-c', each.path('conf'), ...words], { cwd: each.folder });
}

async function begin(world: World, each: TestSupervisor): Promise<void> {
  const { code, stdout, stderr } = await launch(world, each);
  assert.deepEqual([code, stdout, stderr], [0, '', ''], each.whose);
  await until(() => each.call('supervisor.getPID'), { withinMs: 10_000 });
  await each.reaches('web', 'RUNNING');
}

/** All that anybody else can see of it. */
function outsideOf(each: TestSupervisor): object {
  const { pid } = each;
  const { session, processGroup, terminal, parent } = statOf(pid)!;
  const descriptors = descriptorsOf(pid);
  return {
    pidfile: each.read('pid') === `${pid}\n`,
    session: session === processGroup && session !== statOf(process.pid)!.session,
    terminal,
    isOrphan: parent !== process.pid,
    umask: statusField(pid, 'Umask'),
    standard: [0, 1, 2].map((number) => descriptors.get(number)),
    ofProgram: each.read('web.log').replace(each.folder, 'HERE'),
    modes: ['pid', 'web.log', 'sock'].map((name) => (statSync(each.path(name)).mode & 0o777).toString(8)),
  };
}

for (const [title, keys] of [
  ['as its package has it', ''],
  ['with a directory and a umask', 'directory=%(here)s/inside\numask=027\n'],
] as const)
  test(`in the background it is what supervisord is there, ${title}`, {
    skip: needsLinux || needsSupervisord,
  }, async () => {
    await using world = await makeWorld();
    symlinkSync(command, `${world.folder}/supervisord`);
    // HEAD ends in the section [supervisord].
    const both = makeBoth(world, `${keys}${PROGRAM}`);
    for (const each of both) {
      mkdirSync(each.path('inside'));
      writeFileSync(each.path('more.conf'), '[program:more]\ncommand=sleep 1000\nautostart=false\n');
    }
    const [ours, theirs] = both;
    await Promise.all(both.map((each) => begin(world, each)));
    const pids = both.map((each) => each.pid);
    assert.deepEqual(outsideOf(ours), outsideOf(theirs));

    const [mine, other] = await Promise.all(both.map((each) => launch(world, each)));
    assert.deepEqual([mine!.code, mine!.stdout], [other!.code, other!.stdout]);
    assert.match(mine!.stderr, /^Error: .*already running as process \d+\nFor help, use .*supervisord -h\n$/);
    assert.deepEqual(
      both.map((each) => each.pid),
      pids,
      'the first one is not harmed',
    );

    for (const each of both) assert.equal(await each.call('supervisor.shutdown'), true);
    await until(() => assert.deepEqual(pids.filter(isAlive), []), { withinMs: 15_000 });
    for (const each of both) assert.deepEqual([each.isLeft('pid'), each.isLeft('sock')], [false, false]);
    // The second supervisord writes to the log of the first one before it gives up.
    assert.deepEqual(ours.logLines(), withoutRepeats(theirs.logLines()));
  });

function withoutRepeats(lines: readonly string[]): string[] {
  return lines.filter((line, index) => lines.indexOf(line) === index);
}
