import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type Judgement,
  judgeForeignPidfile,
  judgePlace,
  judgeProcess,
  type Sighting,
  type Viewpoint,
} from '../../../src/core/judge.js';
import type { HostIdentity, ProcessIdentity } from '../../../src/spec/daemon-record.js';

type Verdict = Judgement['is'];

const HOST: HostIdentity = { name: 'web-1', utsNamespace: 'uts:[1]' };
const HERE: Viewpoint = { bootId: 'boot-1', pidNamespace: 'pid:[1]', host: HOST };
const RECORDED: ProcessIdentity = { pid: 4711, startTime: 100, ...HERE };

const OTHER_NAME: HostIdentity = { name: 'web-2', utsNamespace: 'uts:[1]' };
const OTHER_UTS: HostIdentity = { name: 'web-1', utsNamespace: 'uts:[2]' };
const OTHER_HOST: HostIdentity = { name: 'web-2', utsNamespace: 'uts:[2]' };
/** What a machine without /proc, or a record made there, can tell. */
const NO_PROC = { bootId: null, pidNamespace: null, host: { name: 'web-1', utsNamespace: null } };

/** null: the pid means here what it meant there. */
const places: readonly (readonly [
  promise: string,
  recorded: Partial<ProcessIdentity>,
  here: Partial<Viewpoint>,
  expected: Verdict | null,
  reason?: RegExp,
])[] = [
  ['the same machine, since the same boot', {}, {}, null],
  ['the machine was restarted', {}, { bootId: 'boot-2' }, 'gone', /machine has been restarted/],
  [
    'restarted, and namespaces have other numbers now',
    {},
    { bootId: 'boot-2', pidNamespace: 'pid:[2]', host: OTHER_UTS },
    'gone',
    /machine has been restarted/,
  ],
  [
    'another boot and another name: another host',
    { host: OTHER_HOST },
    { bootId: 'boot-2' },
    'unknowable',
    /web-2/,
  ],
  ['the host was renamed while it ran', { host: OTHER_NAME }, {}, null],
  ['a container that was restarted', {}, { pidNamespace: 'pid:[2]', host: OTHER_UTS }, 'gone', /container/],
  ['a neighbour by unshare or in a pod', {}, { pidNamespace: 'pid:[2]' }, 'unknowable', /pid:\[1\]/],
  [
    'a neighbour container with a name of its own',
    {},
    { pidNamespace: 'pid:[2]', host: OTHER_HOST },
    'unknowable',
    /another pid namespace/,
  ],
  [
    'a neighbour that shares our UTS namespace',
    { host: OTHER_NAME },
    { pidNamespace: 'pid:[2]' },
    'unknowable',
  ],
  ['no boot id on either side, the same name', { ...NO_PROC }, { ...NO_PROC }, null],
  [
    'no boot id on either side, another name',
    { ...NO_PROC, host: OTHER_HOST },
    { ...NO_PROC },
    'unknowable',
    /web-2/,
  ],
  ['no boot id in the record, the same name', { bootId: null }, {}, null],
  ['no boot id in the record, another name', { bootId: null, host: OTHER_HOST }, {}, 'unknowable', /web-2/],
  ['no boot id here, the same name', {}, { bootId: null }, null],
  ['no pid namespace in the record', { pidNamespace: null }, {}, null],
  ['no pid namespace here', {}, { pidNamespace: null }, null],
];

for (const [promise, recorded, here, expected, reason = /./] of places)
  test(`place: ${promise}: ${expected ?? 'the pid can be looked up'}`, () => {
    const judgement = judgePlace({ ...RECORDED, ...recorded }, { ...HERE, ...here });
    assert.equal(judgement?.is ?? null, expected, judgement?.reason);
    if (judgement !== null) assert.match(judgement.reason, reason);
  });

test('place: no boot id here and another name: another host of a shared home, so nobody can tell', () => {
  const here: Viewpoint = { bootId: null, pidNamespace: null, host: { name: 'web-2', utsNamespace: null } };
  assert.equal(judgePlace(RECORDED, here)?.is, 'unknowable');
});

test('place: another pid namespace and an unread UTS namespace: never guessed to be gone', () => {
  const unread: HostIdentity = { name: 'web-1', utsNamespace: null };
  const here: Viewpoint = { ...HERE, pidNamespace: 'pid:[2]' };
  assert.equal(judgePlace({ ...RECORDED, host: unread }, here)?.is, 'unknowable');
  assert.equal(judgePlace(RECORDED, { ...here, host: unread })?.is, 'unknowable');
});

const seen = (startTime: number | null, isDead = false): Sighting => ({ kind: 'process', startTime, isDead });

const processes: readonly (readonly [
  promise: string,
  recordedStart: number | null,
  seen: Sighting,
  expected: Verdict,
  reason: RegExp,
])[] = [
  ['nothing has the pid', 100, { kind: 'absent' }, 'gone', /4711 has ended$/],
  ['nothing has the pid, no start time recorded', null, { kind: 'absent' }, 'gone', /4711 has ended$/],
  ['it has the start time that was recorded', 100, seen(100), 'alive', /4711 has the start time/],
  ['the pid was given to a later process', 100, seen(101), 'gone', /given to another process/],
  ['an earlier start time is a stranger too', 100, seen(99), 'gone', /given to another process/],
  ['it waits to be reaped', 100, seen(100, true), 'gone', /waits to be reaped/],
  ['the stranger waits to be reaped', 100, seen(101, true), 'gone', /4711 has ended/],
  ['its data may not be read', 100, { kind: 'hidden' }, 'unknowable', /cannot be read/],
  ['its start time was not recorded', null, seen(100), 'unknowable', /start time/],
  ['its start time cannot be read', 100, seen(null), 'unknowable', /start time/],
  ['no start time there or here is not equality', null, seen(null), 'unknowable', /start time/],
  ['boot itself is a time', 0, seen(0), 'alive', /start time/],
];

for (const [promise, startTime, sighting, expected, reason] of processes)
  test(`process: ${promise}: ${expected}`, () => {
    const judgement = judgeProcess({ ...RECORDED, startTime }, sighting);
    assert.equal(judgement.is, expected, judgement.reason);
    assert.match(judgement.reason, reason);
  });

test('process: a pid that waits to be reaped runs nothing, whoever it was: gone', () => {
  assert.equal(judgeProcess({ ...RECORDED, startTime: null }, seen(100, true)).is, 'gone');
  assert.equal(judgeProcess(RECORDED, seen(null, true)).is, 'gone');
});

const WRITTEN_AT = 1_000_000;
const OWN_PID = 1;

const foreignPidfiles: readonly (readonly [
  promise: string,
  pid: number,
  trusted: boolean,
  seen: Sighting,
  startedAt: number | null,
  expected: Verdict,
  reason: RegExp,
])[] = [
  ['our own pid', OWN_PID, true, seen(100), WRITTEN_AT - 1, 'gone', /this command itself/],
  ['nothing has the pid', 4711, true, { kind: 'absent' }, null, 'gone', /4711 has ended$/],
  [
    'nothing has the pid of a file anybody may write',
    4711,
    false,
    { kind: 'absent' },
    null,
    'gone',
    /ended$/,
  ],
  ['it waits to be reaped', 4711, true, seen(100, true), WRITTEN_AT - 1, 'gone', /waits to be reaped/],
  [
    'it waits to be reaped, start unreadable',
    4711,
    true,
    seen(null, true),
    null,
    'gone',
    /waits to be reaped/,
  ],
  ['its data may not be read', 4711, true, { kind: 'hidden' }, null, 'unknowable', /cannot be read/],
  ['its start cannot be told', 4711, true, seen(null), null, 'unknowable', /cannot be read/],
  [
    'it started before the file was written',
    4711,
    true,
    seen(100),
    WRITTEN_AT - 1,
    'alive',
    /before the pidfile/,
  ],
  ['written at once, the clock being coarse', 4711, true, seen(100), WRITTEN_AT + 1999, 'alive', /before/],
  ['at the edge of what the clock can tell', 4711, true, seen(100), WRITTEN_AT + 2000, 'alive', /before/],
  ['it started after the file was written', 4711, true, seen(100), WRITTEN_AT + 2001, 'gone', /stranger/],
  ['later than a file anybody may write', 4711, false, seen(100), WRITTEN_AT + 2001, 'gone', /stranger/],
  [
    'a file anybody may write names an old process',
    4711,
    false,
    seen(100),
    0,
    'unknowable',
    /changed by other/,
  ],
];

for (const [promise, pid, trusted, sighting, startedAt, expected, reason] of foreignPidfiles)
  test(`foreign pidfile: ${promise}: ${expected}`, () => {
    const judgement = judgeForeignPidfile(
      { kind: 'pid', pid, writtenAt: WRITTEN_AT, trusted },
      sighting,
      startedAt,
      OWN_PID,
    );
    assert.equal(judgement.is, expected, judgement.reason);
    assert.match(judgement.reason, reason);
  });
