// The first process of a container: it reaps whatever is left to it, and its end is the container's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { childrenOf } from '../support/proc.js';
import { TestSupervisor } from '../support/supervisors.js';
import { needs, needsRoot } from '../support/tools.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const skip = needsRoot || needs('unshare');
const asFirst = { via: ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'] };

/** A signal from outside, as an orchestrator sends it; PID 1 has another number here. */
function signalFirst(ours: TestSupervisor, signal: NodeJS.Signals): void {
  const [first] = childrenOf(ours.child.pid!);
  process.kill(first!, signal);
}

const count = (ours: TestSupervisor, line: RegExp): number =>
  ours.logLines().filter((each) => line.test(each)).length;

test('as PID 1 it reaps the orphans of its programs, which count for no program, and ends at a SIGTERM', {
  skip,
}, async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(
    `[program:forks]
command=/bin/sh -c "(sleep 0.2 & :); (sh -c 'sleep 0.2; exit 3' & :); exec sleep 1000"
startsecs=0
exit_on=exited
`,
  );
  await ours.start(asFirst);
  assert.equal(ours.pid, 1);
  const { pid } = await ours.reaches('forks', 'RUNNING');
  await until(
    () => {
      for (const code of [0, 3])
        assert.equal(count(ours, new RegExp(`^INFO reaped unknown pid PID \\(exit status ${code}\\)$`)), 1);
    },
    { withinMs: 10_000 },
  );
  assert.equal(await ours.pidOf('forks'), pid);
  signalFirst(ours, 'SIGTERM');
  assert.equal(await ours.ends(), 0);
  assert.equal(count(ours, /^WARN stopped: forks \(terminated by SIGTERM\)$/), 1);
});

test('as PID 1 it ends with the exit code of its essential program, when the others have stopped', {
  skip,
}, async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(`
[program:other]
command=sleep 1000
startsecs=0
[program:job]
command=/bin/sh -c "sleep 0.3; exit 7"
startsecs=0
autorestart=false
exit_on=exited
`);
  await ours.start(asFirst);
  assert.equal(await ours.ends(), 7);
  assert.equal(count(ours, /^WARN stopped: other /), 1);
});

test('as PID 1 it gives a program its stopwaitsecs, whatever signals come in between, and no longer', {
  skip,
}, async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  ours.configure(`
[program:stubborn]
command=/bin/sh -c "trap 'echo asked' TERM; echo up; while :; do sleep 0.05; done"
stdout_logfile=%(here)s/stubborn.log
startsecs=0
stopwaitsecs=2
`);
  await ours.start(asFirst);
  await until(() => assert.match(ours.read('stubborn.log'), /^up\n/), { withinMs: 5000 });
  const told = performance.now();
  for (const signal of ['SIGTERM', 'SIGTERM', 'SIGINT'] as const) {
    signalFirst(ours, signal);
    await until(() => assert.equal(count(ours, new RegExp(`received ${signal} `)) > 0, true), {
      withinMs: 1000,
    });
  }
  assert.equal(await ours.ends(), 0);
  const tookMs = performance.now() - told;
  assert.ok(tookMs >= 1900 && tookMs < 8000, `${tookMs} ms`);
  assert.equal(ours.read('stubborn.log'), 'up\nasked\n', 'it is asked once');
  assert.equal(count(ours, /^WARN killing 'stubborn' \(PID\) with SIGKILL$/), 1);
});
