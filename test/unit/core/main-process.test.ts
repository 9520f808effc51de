import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type DaemonizedFacts,
  type Ended,
  findMain,
  followMain,
  type MainChoice,
  refusalOfMain,
  type TreeMember,
} from '../../../src/core/main-process.js';
import type { PidfileContent } from '../../../src/spec/daemon-record.js';

const WATCHDOG = 10;
const LAUNCHED = 20;

const member = (pid: number, parent: number): TreeMember => ({ pid, parent, startTime: pid * 100 });
const named = (pid: number): PidfileContent => ({ kind: 'pid', pid, writtenAt: 0, trusted: true });
const ABSENT: PidfileContent = { kind: 'absent' };
const EMPTY: PidfileContent = { kind: 'empty' };
const LINK: PidfileContent = { kind: 'unusable', reason: 'is a symbolic link' };

/** A master with two workers, orphaned to the watchdog. */
const SERVER = [member(30, WATCHDOG), member(31, 30), member(32, 30)];
/** While nginx upgrades itself, the new master is a child of the old one. */
const UPGRADING = [...SERVER, member(40, 30), member(41, 40)];
const WORKERS_ONLY = [member(31, WATCHDOG), member(32, WATCHDOG)];

const CLEAN: Ended = { pid: LAUNCHED, isClean: true };
const FAILED: Ended = { pid: LAUNCHED, isClean: false };

type Expected = MainChoice['is'] | number;
type Row = readonly [
  promise: string,
  ended: Ended,
  members: readonly TreeMember[],
  pidfile: PidfileContent | null,
  expected: Expected,
  reason?: RegExp,
];

function check(choose: (ended: Ended, facts: DaemonizedFacts) => MainChoice, row: Row): void {
  const [promise, ended, members, pidfile, expected, reason] = row;
  test(promise, () => {
    const choice = choose(ended, { watchdog: WATCHDOG, members, pidfile });
    assert.equal(choice.is === 'main' ? choice.member.pid : choice.is, expected, JSON.stringify(choice));
    if (choice.is === 'main') {
      assert.equal(choice.member.startTime, choice.member.pid * 100);
      assert.equal(choice.by, pidfile === null ? 'last-one' : 'pidfile');
    } else assert.match(choice.reason, reason ?? /^never$/);
  });
}

const starts: readonly Row[] = [
  ['the pidfile says which it is', CLEAN, SERVER, named(30), 30],
  ['the pidfile may name one that is not on top', CLEAN, SERVER, named(31), 31],
  ['a pidfile that is not there yet is awaited', CLEAN, SERVER, ABSENT, 'awaited', /pidfile is not there/],
  ['a pidfile that is being written is awaited', CLEAN, SERVER, EMPTY, 'awaited', /pidfile is empty/],
  ['a pidfile that is a link is not believed', CLEAN, SERVER, LINK, 'awaited', /pidfile is a symbolic link/],
  [
    'a pid from the last run is awaited to change',
    CLEAN,
    SERVER,
    named(777),
    'awaited',
    /777 is not a living/,
  ],
  [
    'the pid of the launcher is awaited to change',
    CLEAN,
    SERVER,
    named(LAUNCHED),
    'awaited',
    /20, which has ended/,
  ],
  ['the watchdog is never the main process', CLEAN, SERVER, named(WATCHDOG), 'awaited', /10 is its watchdog/],
  [
    'nobody is left to write the pidfile',
    CLEAN,
    [],
    ABSENT,
    'gone',
    /no process is left, and its pidfile is not there/,
  ],
  ['all are gone, whatever the pidfile says', CLEAN, [], named(30), 'gone', /no process is left/],
  ['a launcher that failed has started nothing', FAILED, SERVER, named(30), 'gone', /process 20 failed/],
  ['without a pidfile the only orphan is it', CLEAN, SERVER, null, 30],
  [
    'without a pidfile two orphans are unclear',
    CLEAN,
    WORKERS_ONLY,
    null,
    'unclear',
    /could be its main process: 31, 32/,
  ],
  ['of two orphans the survivor is it', CLEAN, [member(32, WATCHDOG)], null, 32],
  ['without a pidfile nobody left is the end', CLEAN, [], null, 'gone', /no process is left/],
  [
    'for an adopter, whose child it is not, the one on top is it',
    CLEAN,
    [member(30, 1), member(31, 30)],
    null,
    30,
  ],
];

for (const row of starts) check(findMain, row);

const MASTER_ENDED: Ended = { pid: 30, isClean: true };
const MASTER_CRASHED: Ended = { pid: 30, isClean: false };
/** After QUIT to the old master: the new one has been orphaned. */
const UPGRADED = [member(40, WATCHDOG), member(41, 40)];

const handOvers: readonly Row[] = [
  ['the pidfile names who took over', MASTER_ENDED, UPGRADED, named(40), 40],
  ['a crash after the hand-over changes nothing', MASTER_CRASHED, UPGRADED, named(40), 40],
  [
    'a pidfile that names the dead one names nobody',
    MASTER_ENDED,
    WORKERS_ONLY,
    named(30),
    'gone',
    /30 has ended, and its pidfile names/,
  ],
  [
    'a pidfile that was removed names nobody',
    MASTER_ENDED,
    UPGRADED,
    ABSENT,
    'gone',
    /30 has ended, and its pidfile is not there/,
  ],
  ['a pidfile that names a stranger names nobody', MASTER_ENDED, UPGRADED, named(777), 'gone', /777/],
  [
    'workers of a crashed master are not the program',
    MASTER_CRASHED,
    [member(31, WATCHDOG)],
    null,
    'gone',
    /30 has ended/,
  ],
  ['the last link of a chain of forks is it', { pid: 30, isClean: true }, [member(50, WATCHDOG)], null, 50],
  ['many survivors without a pidfile are nobody', MASTER_ENDED, WORKERS_ONLY, null, 'gone', /30 has ended/],
  ['no survivor is the end', MASTER_ENDED, [], null, 'gone', /30 has ended/],
  [
    'no survivor is the end, whatever the pidfile says',
    MASTER_ENDED,
    [],
    named(40),
    'gone',
    /40 is not a living/,
  ],
];

for (const row of handOvers) check(followMain, row);

test('while old and new master both live, the pidfile decides only once the old one has ended', () => {
  const facts = { watchdog: WATCHDOG, members: UPGRADING, pidfile: named(40) };
  assert.equal(refusalOfMain(40, facts), null);
  assert.equal(refusalOfMain(30, facts), null);
});

test('a main pid that somebody claims must be a living process of the program', () => {
  const facts = { watchdog: WATCHDOG, members: SERVER };
  for (const pid of [30, 31, 32]) assert.equal(refusalOfMain(pid, facts), null);
  assert.match(refusalOfMain(WATCHDOG, facts) ?? '', /watchdog/);
  for (const pid of [0, 1, -1, 777]) assert.match(refusalOfMain(pid, facts) ?? '', /is not a/);
});
