// One log that several streams are written to, which are not all treated in the same way.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { callLibc } from '../../native-bindings/libc.js';
import { cString } from '../../native-bindings/structs.js';
import { TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld } from '../support/world.js';

const soon = { withinMs: 20_000 };

function script(ours: TestSupervisor, name: string, text: string): string {
  writeFileSync(ours.path(name), `#!/bin/sh\n${text}`);
  chmodSync(ours.path(name), 0o755);
  return ours.path(name);
}

test('no line is lost of a log that one stream is written to directly and another one through us', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const count = (word: string): string =>
    `awk 'BEGIN { for (i = 1; i <= 200000; i++) { print "${word}" i; if (i % 50 == 0) fflush() } }'`;
  const speaker = script(
    ours,
    'speaker',
    `${count('out')} &\n${count('err')} >&2 &\nwait\necho > done\nexec sleep 1000\n`,
  );
  ours.configure(`
[program:speaker]
command=${speaker}
directory=%(here)s
stdout_logfile=%(here)s/log
stdout_logfile_maxbytes=0
stdout_events_enabled=true
stderr_logfile=%(here)s/log
stderr_logfile_maxbytes=0
`);
  await ours.start();
  await until(() => assert.ok(ours.isLeft('done')), soon);
  await until(
    () => {
      const lines = new Set(ours.read('log').split('\n'));
      for (const word of ['out', 'err'])
        for (let index = 1; index <= 200_000; index += 1)
          if (!lines.has(`${word}${index}`)) assert.fail(`no ${word}${index}`);
    },
    { withinMs: 5000 },
  );
});

test('a log of two streams that pass through us goes on after it was cleared', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const speaker = script(
    ours,
    'speaker',
    'while read word; do echo "out $word"; echo "err $word" >&2; done\n',
  );
  ours.configure(`
[program:speaker]
command=${speaker}
stdout_logfile=%(here)s/log
stdout_events_enabled=true
stderr_logfile=%(here)s/log
stderr_events_enabled=true
`);
  await ours.start();
  await ours.reaches('speaker', 'RUNNING');
  await ours.call('supervisor.sendProcessStdin', 'speaker', 'first\n');
  await until(() => assert.match(ours.read('log'), /err first/), soon);
  await ours.call('supervisor.clearProcessLogs', 'speaker');
  assert.equal(ours.read('log'), '');
  await ours.call('supervisor.sendProcessStdin', 'speaker', 'second\n');
  await until(
    () => assert.deepEqual(ours.read('log').split('\n').sort(), ['', 'err second', 'out second']),
    soon,
  );
});

test('a log that is no file is left where it is when it is cleared', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  callLibc('mkfifo', cString(Buffer.from(ours.path('pipe'))), 0o600);
  const speaker = script(ours, 'speaker', 'while read word; do echo "$word"; done\n');
  ours.configure(`
[program:seen]
command=${speaker}
stdout_logfile=%(here)s/pipe
stdout_events_enabled=true
[program:direct]
command=${speaker}
stdout_logfile=%(here)s/pipe
`);
  await ours.start();
  for (const name of ['seen', 'direct']) {
    await ours.reaches(name, 'RUNNING');
    assert.equal(await ours.answer('clearProcessLogs', name), true);
    assert.ok(existsSync(ours.path('pipe')) && statSync(ours.path('pipe')).isFIFO(), name);
  }
});
