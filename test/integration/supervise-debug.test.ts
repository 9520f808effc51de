// What loglevel=debug and trace add to the main log, line by line as supervisord has it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../support/package-root.js';
import { needsSupervisor, python } from '../support/supervisor-oracle.js';
import { makeBoth, needsSupervisord, startAll, type TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const programs = `
[program:plain]
command=sleep 1000
startsecs=0
[program:family]
command=sleep 1000
stopasgroup=true
stopsignal=INT
startsecs=0
[program:deaf]
command=/bin/sh -c "trap '' TERM; echo deaf; exec sleep 1000"
stdout_logfile=%(here)s/deaf.log
stopwaitsecs=1
killasgroup=true
startsecs=0
[eventlistener:listens]
command=${python} ${join(packageRoot, 'test/fixtures/listener.py')} %(here)s/events
events=PROCESS_STATE_STOPPED
`;

/**
 * Not compared: what is about the inside of supervisord, its access log, the ends of calls, which it tells as soon as it
 * begins to wait, and SIGCHLD, which it may hear of after the end that it stands for.
 */
const compared =
  /^(?:DEBG|TRAC XML-RPC) (?!fd \d+ closed|'\w+' std(?:out|err) output:|.*(?:getPID|getProcessInfo|successfully|SIGCHLD))|^WARN killing/;

async function live(supervisor: TestSupervisor): Promise<readonly string[]> {
  const withinMs = 15_000;
  await until(() => assert.match(supervisor.read('deaf.log'), /deaf/), { withinMs });
  await supervisor.reaches('listens', 'RUNNING');
  const begun = supervisor.logLines().length;
  const log = (): string[] => supervisor.logLines().slice(begun);
  for (const [method, ...params] of [
    ['signalProcess', 'plain', 'CONT'],
    ['signalProcess', 'plain', '0'],
    ['stopProcess', 'plain'],
    ['stopProcess', 'family'],
    ['stopProcess', 'deaf'],
    ['stopProcess', 'none'],
  ] as const) {
    await supervisor.answer(method, ...params);
    // What follows from one call is over before the next.
    const stops = log().filter((line) => / stopped: /.test(line)).length;
    await until(() => assert.equal(log().filter((line) => line.endsWith('-> READY')).length, stops), {
      withinMs,
    });
  }
  return log().filter((line) => compared.test(line));
}

test('loglevel=trace tells of signals, ends, listeners and calls what supervisord tells', {
  skip: needsSupervisor || needsSupervisord,
}, async () => {
  await using world = await makeWorld();
  const [ours, theirs] = makeBoth(world, `loglevel=trace\n${programs}`);
  await using _ = ours;
  await using __ = theirs;
  await startAll([ours, theirs]);
  const [found, expected] = await Promise.all([ours, theirs].map(live));
  assert.deepEqual(found, expected);
  const log = ours.read('main.log');
  assert.match(log, /TRAC XML-RPC method supervisor\.signalProcess\(\) returned successfully/);
  assert.match(log, /DEBG received SIGCHLD indicating a child quit/);
  assert.match(log, /DEBG 'listens' stdout output:\nb'READY\\n'/);
});
