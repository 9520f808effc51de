// What `tsdaemon check` tells of a supervisord.conf, and that supervise refuses what it calls an error.
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { makeWorld, type World } from '../support/world.js';

const check = (world: World, ...words: readonly string[]) => world.run(['tsdaemon', 'check', ...words]);

const mistaken = `[supervisord]
nodaemon=true
logfle=main.log
[program:web]
command=sleep 1000
autorestrat=true
cron=every day
[program:db]
command=sleep 1000
startsecs=soon
[programm:cache]
command=sleep 1000
`;

test('check names every mistake with its file, its line and what was probably meant', async () => {
  await using world = await makeWorld();
  writeFileSync(`${world.cwd}/supervisord.conf`, mistaken);
  const { code, stdout, stderr } = await check(world, '-c', 'supervisord.conf');
  assert.deepEqual(stdout.trim().split('\n'), [
    'supervisord.conf:3: warning: unknown key logfle in [supervisord] (did you mean logfile?)',
    'supervisord.conf:6: warning: unknown key autorestrat in [program:web] (did you mean autorestart?)',
    "supervisord.conf:7: error: not a valid cron expression: 'every day': CronPattern: invalid configuration " +
      "format ('every day'), exactly five, six, or seven space separated parts are required. in section " +
      "'program:web' (file: 'supervisord.conf')",
    "supervisord.conf:10: error: invalid literal for int() with base 10: 'soon' in section 'program:db' " +
      "(file: 'supervisord.conf')",
    'supervisord.conf:11: warning: unknown section [programm:cache] (did you mean [program:cache]?)',
  ]);
  assert.equal(stderr, '');
  assert.equal(code, 2);
});

test('check --json is one object with every diagnostic, and the file is searched for without -c', async () => {
  await using world = await makeWorld();
  writeFileSync(`${world.cwd}/supervisord.conf`, mistaken);
  const { code, stdout } = await check(world, '--json');
  const answer = JSON.parse(stdout) as {
    file: string;
    errors: number;
    warnings: number;
    diagnostics: { line: number; severity: string; suggestion?: string }[];
  };
  assert.deepEqual([answer.file, answer.errors, answer.warnings], ['supervisord.conf', 2, 3]);
  assert.deepEqual(
    answer.diagnostics.map(({ line, severity, suggestion = null }) => [line, severity, suggestion]),
    [
      [3, 'warning', 'logfile'],
      [6, 'warning', 'autorestart'],
      [7, 'error', null],
      [10, 'error', null],
      [11, 'warning', '[program:cache]'],
    ],
  );
  assert.equal(code, 2);
});

test('a good file is passed in silence, with nothing started and nothing written', async () => {
  await using world = await makeWorld();
  writeFileSync(
    `${world.cwd}/good.conf`,
    '[supervisord]\n[program:web]\ncommand=touch started\ncron=0 3 * * *\nstdout_logfile=%(here)s/web.log\n',
  );
  const { code, stdout, stderr } = await check(world, '-c', 'good.conf');
  assert.deepEqual([code, stdout, stderr], [0, '', '']);
  assert.deepEqual(readdirSync(world.cwd), ['good.conf']);
});

test('a file that is not there is a mistake like another', async () => {
  await using world = await makeWorld();
  const absent = await check(world, '-c', 'absent.conf');
  assert.equal(absent.code, 2);
  assert.equal(absent.stdout, 'absent.conf:1: error: could not find config file absent.conf\n');
});

test('supervise refuses a schedule that cannot be read, in the words of check', async () => {
  await using world = await makeWorld();
  writeFileSync(
    `${world.cwd}/cron.conf`,
    '[supervisord]\nnodaemon=true\n[program:web]\ncommand=sleep 9\ncron=nope\n',
  );
  const { code, stderr } = await world.run(['tsdaemon', 'supervise', '-c', 'cron.conf']);
  assert.equal(code, 2);
  assert.match(stderr, /^Error: not a valid cron expression: 'nope': /);
});
