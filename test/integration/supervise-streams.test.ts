// What a program writes through its supervisor: every line is in the log once, whatever happens to the supervisor.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TestSupervisor } from '../support/supervisors.js';
import { until } from '../support/until.js';
import { makeWorld, type World } from '../support/world.js';

const BEGIN = '<!--XSUPERVISOR:BEGIN-->';
const END = '<!--XSUPERVISOR:END-->';

/** How much more is to be in each log before the next blow. */
const GROWTH_BYTES = 300_000;

/** Counts at full speed, each number within what is to be taken out, until there is something to be read in `stop`. */
const counting = ({ before, after, message, every }: Kind): string =>
  [
    '#!/usr/bin/awk -f',
    'BEGIN {',
    '  for (i = 1; ; i++) {',
    `    if (i % ${every} == 0) printf "${message}"`,
    `    printf "${before}%d${after}\\n", i`,
    '    if (i % 10000 == 0) { if ((getline line < "stop") > 0) break; close("stop") }',
    '  }',
    '  print "end"',
    '  fflush()',
    '  while ((getline line < "idle") > 0) {}',
    '}',
  ].join('\n');

function program(ours: TestSupervisor, name: string, text: string): string {
  writeFileSync(ours.path(name), text);
  chmodSync(ours.path(name), 0o755);
  return ours.path(name);
}

/** The log with all its backups, the oldest first. */
function wholeLog(ours: TestSupervisor, name: string): string {
  const numbers = readdirSync(ours.folder)
    .filter((file) => file.startsWith(`${name}.log.`))
    .map((file) => Number(file.slice(`${name}.log.`.length)));
  const files = numbers.sort((a, b) => b - a).map((number) => `${name}.log.${number}`);
  return [...files, `${name}.log`].map((file) => ours.read(file)).join('');
}

/** The last lines may have made a backup of the log. */
const newest = (ours: TestSupervisor, name: string): string =>
  (ours.isLeft(`${name}.log.1`) ? ours.read(`${name}.log.1`) : '') + ours.read(`${name}.log`);

function logBytes(ours: TestSupervisor, name: string): number {
  const files = readdirSync(ours.folder).filter((file) => file.startsWith(`${name}.log`));
  return files.reduce(
    (sum, file) => sum + (statSync(ours.path(file), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

/** Every number once, in order, and then the end. */
function assertComplete(name: string, text: string): void {
  const lines = text.split('\n');
  const wrong = lines.findIndex((line, index) => line !== String(index + 1));
  assert.deepEqual(lines.slice(wrong), ['end', ''], `${name}: after ${lines[wrong - 1]}`);
  assert.ok(wrong > 10_000, `${name}: ${wrong} lines`);
}

/** What each program writes around its numbers, and the keys that take it out again. */
interface Kind {
  readonly before: string;
  readonly after: string;
  /** Now and then there is one, before a number. */
  readonly message: string;
  readonly every: number;
  readonly keys: string;
}

const message = `${BEGIN}a message${END}`;
const color = '\\033[1;31m';
const plain = '\\033[0m';

const configurations: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  'strip_ansi=false': {
    heard: { before: '', after: '', message: '', every: 1, keys: 'stdout_events_enabled=true' },
    captured: { before: '', after: '', message, every: 30_000, keys: 'stdout_capture_maxbytes=1KB' },
  },
  'strip_ansi=true': {
    colored: { before: color, after: plain, message: '', every: 1, keys: '' },
    both: { before: color, after: plain, message, every: 100, keys: 'stdout_capture_maxbytes=5' },
  },
};

const blows: Readonly<Record<string, (ours: TestSupervisor, world: World) => Promise<void>>> = {
  'kill -9': async (ours) => {
    ours.child.kill('SIGKILL');
    await ours.ends();
    await ours.start();
  },
  upgrade: async (ours, world) => {
    assert.equal((await world.run(['tsdaemon', 'upgrade', 'supervisor'])).code, 0);
    await ours.answers();
  },
};

for (const [blow, strike] of Object.entries(blows))
  for (const [main, kinds] of Object.entries(configurations)) {
    const names = Object.keys(kinds);
    test(`${blow} under full speed, ${main}: every line of ${names.join(' and ')} is in the log once`, async () => {
      await using world = await makeWorld();
      await using ours = new TestSupervisor(world, 'ours');
      assert.equal(spawnSync('mkfifo', [ours.path('idle')]).status, 0);
      const sections = Object.entries(kinds).map(([name, kind]) => {
        const command = program(ours, name, counting(kind));
        const log = `stdout_logfile=%(here)s/${name}.log\nstdout_logfile_maxbytes=1MB\nstdout_logfile_backups=10000`;
        return `[program:${name}]\ncommand=${command}\ndirectory=%(here)s\n${log}\n${kind.keys}\n`;
      });
      ours.configure(`${main}\n${sections.join('')}`);
      await ours.start();
      for (let count = 0; count < 6; count += 1) {
        const before = names.map((name) => logBytes(ours, name));
        await until(
          () => {
            for (const [index, name] of names.entries())
              assert.ok(logBytes(ours, name) > before[index]! + GROWTH_BYTES, name);
          },
          { withinMs: 20_000 },
        );
        await strike(ours, world);
      }
      writeFileSync(ours.path('stop'), 'stop\n');
      for (const name of names) {
        await until(() => assert.match(newest(ours, name), /end\n$/), { withinMs: 20_000 });
        assertComplete(name, wholeLog(ours, name));
      }
    });
  }

test('what could have been the beginning of something is in the log when the run ends', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const texts = {
    short: 'hi',
    token: `text ${BEGIN.slice(0, 20)}`,
    open: `text ${BEGIN}and no end`,
    escape: 'text \x1b',
  };
  const sections = Object.entries(texts).map(([name, text]) => {
    writeFileSync(ours.path(`${name}.text`), text);
    const keys = 'autorestart=false\nstartsecs=0\nstdout_capture_maxbytes=1KB';
    return `[program:${name}]\ncommand=cat ${ours.path(`${name}.text`)}\nstdout_logfile=%(here)s/${name}.log\n${keys}\n`;
  });
  ours.configure(`strip_ansi=true\n${sections.join('')}`);
  await ours.start();
  for (const [name, text] of Object.entries(texts)) {
    await ours.reaches(name, 'EXITED');
    assert.equal(ours.read(`${name}.log`), text.replace(BEGIN, ''), name);
  }
});

/** Accepts every event, and writes each payload down on a line of its own. */
const listener = (file: string): string =>
  [
    '#!/bin/sh',
    "while printf 'READY\\n' && read -r header; do",
    `  dd bs=1 count="\${header##*len:}" >> ${file} 2> /dev/null`,
    `  echo >> ${file}`,
    "  printf 'RESULT 2\\nOK'",
    'done',
  ].join('\n');

test('listeners hear what went to the log past everybody, before they hear of the end, and the text within marks', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const command = program(ours, 'listens', listener(ours.path('events')));
  writeFileSync(ours.path('plain.text'), 'last words');
  writeFileSync(ours.path('marks.text'), `before${BEGIN}within${END}`);
  const section = (name: string): string =>
    `[program:${name}]\ncommand=cat ${ours.path(`${name}.text`)}\nautostart=false\nautorestart=false\nstartsecs=0\n` +
    `stdout_logfile=%(here)s/${name}.log\nstdout_events_enabled=true\n`;
  ours.configure(
    `[eventlistener:listens]\ncommand=${command}\nevents=PROCESS_LOG,PROCESS_STATE_EXITED\nstartsecs=0\n` +
      `${section('plain')}${section('marks')}stdout_capture_maxbytes=1KB\n`,
  );
  await ours.start();
  await ours.reaches('listens', 'RUNNING');
  const events = (): string[] =>
    existsSync(ours.path('events'))
      ? ours.read('events').match(/^(last words|before|within|.* expected:.*)$/gm)!
      : [];
  for (const [name, said] of [
    ['plain', ['last words']],
    ['marks', ['before', 'within']],
  ] as const) {
    const before = events().length;
    await ours.call('supervisor.startProcess', name);
    await until(() => assert.equal(events().length, before + said.length + 1), { withinMs: 5000 });
    assert.deepEqual(events().slice(before, -1), said);
    assert.match(events().at(-1)!, new RegExp(`processname:${name} .*expected:1`));
  }
  assert.equal(ours.read('plain.log'), 'last words');
  assert.equal(ours.read('marks.log'), 'before');
});

test('the streams of a program are removed with its group, and all at a regular end', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const section = (name: string): string =>
    `[program:${name}]\ncommand=cat\nstdout_logfile=%(here)s/${name}.log\nstdout_events_enabled=true\nstderr_capture_maxbytes=1KB\n`;
  const files = (): string[] =>
    readdirSync(join(world.state, 'supervisors'))
      .flatMap((folder) => readdirSync(join(world.state, 'supervisors', folder)))
      .filter((name) => /\.(std(in|out|err))(\.spool.*)?$/.test(name))
      .sort();
  ours.configure(`${section('stays')}${section('goes')}`);
  await ours.start();
  for (const name of ['stays', 'goes']) await ours.reaches(name, 'RUNNING');
  const [goes, stays] = ['goes', 'stays'].map((name) =>
    ['stderr', 'stderr.spool', 'stderr.spool-0', 'stderr.spool-1', 'stdin', 'stdout'].map(
      (stream) => `${name}:${name}.${stream}`,
    ),
  );
  assert.deepEqual(files(), [...goes!, ...stays!]);
  // A supervisor that is killed leaves them to the next one.
  await blows['kill -9']!(ours, world);
  for (const name of ['stays', 'goes']) await ours.reaches(name, 'RUNNING');
  assert.deepEqual(files(), [...goes!, ...stays!]);
  await ours.call('supervisor.stopProcess', 'goes');
  await ours.call('supervisor.removeProcessGroup', 'goes');
  assert.deepEqual(files(), stays);
  await ours.stop();
  assert.deepEqual(files(), []);
});
