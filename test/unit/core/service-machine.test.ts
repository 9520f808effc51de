import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ending, Exit, Tally } from '../../../src/core/restart-policy.js';
import {
  adopted,
  type ClosedRun,
  type Decision,
  decide,
  type Effect,
  type ServiceEvent,
  type ServiceState,
  stopped,
  wakeAtOf,
} from '../../../src/core/service-machine.js';
import type { Report, ServiceSpec } from '../../../src/spec/service-spec.js';
import { anyService, millis } from '../../support/any-service.js';

type EventName = ServiceEvent['name'];
type EventOf<E extends EventName> = Extract<ServiceEvent, { readonly name: E }>;
type StateOf<S extends ServiceState['name']> = Extract<ServiceState, { readonly name: S }>;

// The service of the table: it waits 500 ms + 1 s for each failure, and is FATAL after the fourth in a row.
const web = anyService({ heartbeat: { everyMs: 30_000 }, restart: { fatalRetryAfterMs: 600_000 } });

const code = (number: number): Ending => ({ how: 'exited', code: number });
const killedBy = (signal: NodeJS.Signals): Ending => ({ how: 'killed', signal });
const crash: Exit = { kind: 'exit-code', ending: code(1) };
const finished: Exit = { kind: 'clean', ending: code(0) };

/** Started once by request at 0, and so many failures and restarts since. */
const tally = (failures: number): Tally => ({ failures, starts: failures + 1, windowOpenedAt: millis(0) });
/** Started by request at that time. */
const anew = (at: number): Tally => ({ failures: 0, starts: 1, windowOpenedAt: millis(at) });

const starting = (counted: Tally, wakeAt: number | null): StateOf<'STARTING'> => ({
  name: 'STARTING',
  tally: counted,
  wakeAt: wakeAt === null ? null : millis(wakeAt),
});
const running = (since: number, wakeAt: number | null, counted = tally(0)): StateOf<'RUNNING'> => ({
  name: 'RUNNING',
  tally: counted,
  since: millis(since),
  wakeAt: wakeAt === null ? null : millis(wakeAt),
});
const stopping = (next: 'rest' | 'start' | ClosedRun, wakeAt: number | null): StateOf<'STOPPING'> => ({
  name: 'STOPPING',
  next,
  wakeAt: wakeAt === null ? null : millis(wakeAt),
});
const backoff = (failures: number, exit: Exit, wakeAt: number): StateOf<'BACKOFF'> => ({
  name: 'BACKOFF',
  tally: { ...tally(failures), starts: failures + 1 },
  exit,
  wakeAt: millis(wakeAt),
});
const exited = (exit: Exit): StateOf<'EXITED'> => ({ name: 'EXITED', exit });
const fatal = (exit: Exit, wakeAt: number | null): StateOf<'FATAL'> => ({
  name: 'FATAL',
  exit,
  reason: 'failures in a row: 4',
  wakeAt: wakeAt === null ? null : millis(wakeAt),
});
const failed = (cause: ClosedRun['cause'], wasReady: boolean, failures = 1): ClosedRun => ({
  cause,
  wasReady,
  tally: { ...tally(failures), starts: 1 },
});

const on = {
  start: (at: number): ServiceEvent => ({ name: 'start', at: millis(at) }),
  stop: (at: number): ServiceEvent => ({ name: 'stop', at: millis(at) }),
  restart: (at: number): ServiceEvent => ({ name: 'restart', at: millis(at) }),
  changed: (at: number): ServiceEvent => ({ name: 'changed', at: millis(at) }),
  woke: (at: number): ServiceEvent => ({ name: 'woke', at: millis(at) }),
  ready: (at: number): ServiceEvent => ({ name: 'ready', at: millis(at) }),
  heartbeat: (at: number): ServiceEvent => ({ name: 'heartbeat', at: millis(at) }),
  extend: (at: number, byMs: number): ServiceEvent => ({ name: 'extend-timeout', at: millis(at), byMs }),
  unhealthy: (at: number, cause: EventOf<'unhealthy'>['cause'] = 'heartbeat-lost'): ServiceEvent => ({
    name: 'unhealthy',
    at: millis(at),
    cause,
  }),
  stopping: (at: number): ServiceEvent => ({ name: 'stopping', at: millis(at) }),
  mainExited: (at: number, ending: Ending): ServiceEvent => ({ name: 'main-exited', at: millis(at), ending }),
  exited: (at: number, ending: Ending, random = 0): ServiceEvent => ({
    name: 'exited',
    at: millis(at),
    ending,
    random,
  }),
  spawnFailed: (at: number): ServiceEvent => ({
    name: 'spawn-failed',
    at: millis(at),
    reason: 'no such file or directory (ENOENT)',
    random: 0,
  }),
};

const spawn: Effect = { name: 'spawn' };
const term: Effect = { name: 'signal', signal: 'SIGTERM', reach: 'group' };
const termToAll: Effect = { name: 'signal', signal: 'SIGTERM', reach: 'tree' };
const abort: Effect = { name: 'signal', signal: 'SIGABRT', reach: 'group' };
const kill: Effect = { name: 'signal', signal: 'SIGKILL', reach: 'tree' };
const notSpawned: Exit = {
  kind: 'spawn-failed',
  ending: { how: 'not-spawned', reason: 'no such file or directory (ENOENT)' },
};

// The states that the rows begin with.
const isStarting = starting(tally(0), 5000);
const isRunning = running(1000, 31_000);
const isWaiting = backoff(1, crash, 1500);
const toRest = stopping('rest', 12_000);
const toStart = stopping('start', 12_000);
const toSettle = stopping(failed('timeout', false), 12_000);
const isExited = exited(finished);
const isFatal = fatal(crash, 600_000);

type RowOfTest = readonly [ServiceState, ServiceEvent, ServiceState, ...Effect[]];

const rows: readonly RowOfTest[] = [
  [stopped, on.start(9), starting(anew(9), 5009), spawn],
  [stopped, on.stop(9), stopped],
  [stopped, on.restart(9), starting(anew(9), 5009), spawn],
  [stopped, on.changed(9), stopped],
  [stopped, on.woke(9), stopped],

  [isStarting, on.start(9), isStarting],
  [isStarting, on.stop(9), stopping('rest', 10_009), term],
  [isStarting, on.restart(9), stopping('start', 10_009), term],
  [isStarting, on.changed(9), stopping('start', 10_009), term],
  [isStarting, on.woke(5000), stopping(failed('timeout', false), 15_000), term],
  [isStarting, on.woke(4999), isStarting],
  [isStarting, on.ready(9), running(9, 30_009)],
  [isStarting, on.heartbeat(9), isStarting],
  [isStarting, on.extend(9, 6000), starting(tally(0), 6009)],
  [isStarting, on.extend(9, 4991), isStarting],
  [isStarting, on.unhealthy(9), stopping(failed('heartbeat-lost', false), 2009), abort],
  [isStarting, on.unhealthy(9, 'over-memory'), stopping(failed('over-memory', false), 10_009), term],
  [isStarting, on.stopping(9), stopping(failed(null, false), 10_009)],
  [isStarting, on.mainExited(9, code(1)), stopping(failed('exit-code', false), 10_009), termToAll],
  [isStarting, on.exited(9, code(1)), backoff(1, crash, 1509)],
  [isStarting, on.exited(9, code(0)), exited(finished)],
  [isStarting, on.spawnFailed(9), backoff(1, notSpawned, 1509)],
  [starting(tally(3), 5000), on.exited(9, code(1)), fatal(crash, 600_009)],
  [starting(tally(3), 5000), on.spawnFailed(9), fatal(notSpawned, 600_009)],

  [isRunning, on.start(2000), isRunning],
  [isRunning, on.stop(2000), stopping('rest', 12_000), term],
  [isRunning, on.restart(2000), stopping('start', 12_000), term],
  [isRunning, on.changed(2000), stopping('start', 12_000), term],
  [isRunning, on.woke(31_000), stopping(failed('heartbeat-lost', true), 33_000), abort],
  [isRunning, on.woke(30_999), isRunning],
  [isRunning, on.ready(2000), isRunning],
  [isRunning, on.heartbeat(2000), running(1000, 32_000)],
  [isRunning, on.extend(2000, 60_000), running(1000, 62_000)],
  [isRunning, on.extend(2000, 6000), isRunning],
  [isRunning, on.unhealthy(2000), stopping(failed('heartbeat-lost', true), 4000), abort],
  [isRunning, on.unhealthy(2000, 'over-memory'), stopping(failed('over-memory', true), 12_000), term],
  [isRunning, on.stopping(2000), stopping(failed(null, true), 12_000)],
  [isRunning, on.mainExited(2000, code(1)), stopping(failed('exit-code', true), 12_000), termToAll],
  [isRunning, on.mainExited(2000, code(0)), stopping(failed(null, true), 12_000), termToAll],
  [isRunning, on.exited(2000, code(1)), backoff(1, crash, 3500)],
  [isRunning, on.exited(2000, code(0)), exited(finished)],
  [
    isRunning,
    on.exited(61_000, code(1)),
    { ...backoff(0, crash, 61_500), tally: { ...tally(0), starts: 2 } },
  ],
  [isRunning, on.spawnFailed(2000), backoff(1, notSpawned, 3500)],

  [isWaiting, on.start(9), starting(anew(9), 5009), spawn],
  [isWaiting, on.stop(9), stopped],
  [isWaiting, on.restart(9), starting(anew(9), 5009), spawn],
  [isWaiting, on.changed(9), starting(anew(9), 5009), spawn],
  [isWaiting, on.woke(1500), starting(tally(1), 6500), spawn],
  [isWaiting, on.woke(1499), isWaiting],

  [toRest, on.start(3000), toStart],
  [toRest, on.stop(3000), toRest],
  [toRest, on.restart(3000), toStart],
  [toRest, on.changed(3000), toRest],
  [toRest, on.woke(12_000), stopping('rest', 13_000), kill],
  [toRest, on.woke(11_999), toRest],
  [toRest, on.ready(3000), toRest],
  [toRest, on.heartbeat(3000), toRest],
  [toRest, on.extend(3000, 20_000), stopping('rest', 23_000)],
  [toRest, on.extend(3000, 2000), toRest],
  [toRest, on.unhealthy(3000), toRest],
  [toRest, on.stopping(3000), toRest],
  [toRest, on.mainExited(3000, code(1)), stopping('rest', 13_000), termToAll],
  [toRest, on.exited(3000, code(1)), stopped],
  [toRest, on.spawnFailed(3000), stopped],

  [toStart, on.start(3000), toStart],
  [toStart, on.stop(3000), toRest],
  [toStart, on.restart(3000), toStart],
  [toStart, on.changed(3000), toStart],
  [toStart, on.woke(12_000), stopping('start', 13_000), kill],
  [toStart, on.mainExited(3000, code(1)), stopping('start', 13_000), termToAll],
  [toStart, on.exited(3000, code(1)), starting(anew(3000), 8000), spawn],
  [toStart, on.spawnFailed(3000), starting(anew(3000), 8000), spawn],

  [toSettle, on.start(3000), toStart],
  [toSettle, on.stop(3000), toRest],
  [toSettle, on.restart(3000), toStart],
  [toSettle, on.changed(3000), toStart],
  [toSettle, on.woke(12_000), stopping(failed('timeout', false), 13_000), kill],
  [stopping(failed(null, true), 12_000), on.woke(12_000), stopping(failed('timeout', true), 13_000), kill],
  [toSettle, on.mainExited(3000, code(1)), stopping(failed('timeout', false), 13_000), termToAll],
  [
    stopping(failed(null, true), 12_000),
    on.mainExited(3000, code(1)),
    stopping(failed('exit-code', true), 13_000),
    termToAll,
  ],
  [
    toSettle,
    on.exited(3000, killedBy('SIGTERM')),
    backoff(1, { kind: 'timeout', ending: killedBy('SIGTERM') }, 4500),
  ],
  [stopping(failed(null, true), 12_000), on.exited(3000, code(0)), exited(finished)],
  [
    stopping(failed('timeout', false, 4), 12_000),
    on.exited(3000, code(1)),
    { ...fatal({ ...crash, kind: 'timeout' }, 603_000) },
  ],
  [toSettle, on.spawnFailed(3000), backoff(1, { ...notSpawned, kind: 'timeout' }, 4500)],

  [isExited, on.start(9), starting(anew(9), 5009), spawn],
  [isExited, on.stop(9), stopped],
  [isExited, on.restart(9), starting(anew(9), 5009), spawn],
  [isExited, on.changed(9), starting(anew(9), 5009), spawn],
  [isExited, on.woke(9), isExited],

  [isFatal, on.start(9), starting(anew(9), 5009), spawn],
  [isFatal, on.stop(9), stopped],
  [isFatal, on.restart(9), starting(anew(9), 5009), spawn],
  [isFatal, on.changed(9), starting(anew(9), 5009), spawn],
  [isFatal, on.woke(600_000), starting(anew(600_000), 605_000), spawn],
  [isFatal, on.woke(599_999), isFatal],
  [fatal(crash, null), on.woke(1e9), fatal(crash, null)],

  // News of a process where there is none has been overtaken.
  ...[stopped, isWaiting, isExited, isFatal].flatMap((state): RowOfTest[] =>
    [
      on.ready(9),
      on.heartbeat(9),
      on.extend(9, 1e9),
      on.unhealthy(9),
      on.stopping(9),
      on.mainExited(9, code(1)),
      on.exited(9, code(1)),
      on.spawnFailed(9),
    ].map((event) => [state, event, state]),
  ),
];

for (const [state, event, expected, ...effects] of rows) {
  const after = expected === state ? 'stays' : `becomes ${expected.name}`;
  test(`${describe(state)} ${after} on ${event.name} at ${event.at}`, () => {
    const decision = decide(state, event, web);
    assert.deepEqual(decision, { state: expected, effects });
    // So that a runtime can tell by identity that nothing is to be published.
    if (expected === state) assert.equal(decision.state, state);
  });
}

function describe(state: ServiceState): string {
  if (state.name !== 'STOPPING') return state.name;
  return `STOPPING (${typeof state.next === 'string' ? state.next : (state.next.cause ?? 'by itself')})`;
}

test('the rows above cover every cell of the table', () => {
  // A new state or event does not compile until it is named here, and then fails until it has its rows.
  const states: Record<ServiceState['name'], true> = {
    STOPPED: true,
    STARTING: true,
    RUNNING: true,
    BACKOFF: true,
    STOPPING: true,
    EXITED: true,
    FATAL: true,
  };
  const events: Record<EventName, true> = {
    start: true,
    stop: true,
    restart: true,
    changed: true,
    woke: true,
    ready: true,
    heartbeat: true,
    'extend-timeout': true,
    unhealthy: true,
    stopping: true,
    'main-exited': true,
    exited: true,
    'spawn-failed': true,
  };
  const covered = new Set(rows.map(([state, event]) => `${state.name} ${event.name}`));
  const cells = Object.keys(states).flatMap((state) =>
    Object.keys(events).map((event) => `${state} ${event}`),
  );
  assert.deepEqual(
    cells.filter((cell) => !covered.has(cell)),
    [],
  );
});

test('a state that is written down and read again is the same state, so that another watchdog can go on with it', () => {
  for (const [state, , after] of rows) {
    assert.deepEqual(JSON.parse(JSON.stringify(state)), state);
    assert.deepEqual(JSON.parse(JSON.stringify(after)), after);
  }
});

/** Lets a service live through events, and tells where it ends and everything that was done. */
function live(spec: ServiceSpec, events: readonly ServiceEvent[], from: ServiceState = stopped): Decision {
  return events.reduce<Decision>(
    ({ state, effects }, event) => {
      const decision = decide(state, event, spec);
      return { state: decision.state, effects: [...effects, ...decision.effects] };
    },
    { state: from, effects: [] },
  );
}

test('what is ready by being executed waits for ready, and without a timeout for ever', () => {
  const spec = anyService({ start: { readiness: 'exec', timeoutMs: null } });
  const started = live(spec, [on.start(0), on.woke(1e9)]);
  assert.deepEqual(started.state, starting(anew(0), null));
  assert.deepEqual(live(spec, [on.ready(3)], started.state).state, running(3, null));
});

test('what is ready by staying up is ready when it has, cannot ask for more time, and needs no other sign', () => {
  const spec = anyService({ start: { readiness: 'stay-up', stayUpMs: 1000, timeoutMs: 10 } });
  const started = live(spec, [on.start(0), on.extend(5, 60_000), on.woke(999)]);
  assert.deepEqual(started.state, starting(anew(0), 1000));
  assert.deepEqual(live(spec, [on.woke(1001)], started.state), { state: running(1001, null), effects: [] });
});

test('what waits for nothing has no deadline', () => {
  for (const state of [stopped, isExited, fatal(crash, null), running(0, null)])
    assert.equal(wakeAtOf(state), null);
});

test('without a heartbeat a running service has no deadline, and none is made by a stray message', () => {
  const spec = anyService();
  const { state } = live(spec, [on.start(0), on.ready(1), on.heartbeat(2), on.extend(3, 1000), on.woke(1e9)]);
  assert.deepEqual(state, running(1, null, anew(0)));
  assert.equal(wakeAtOf(state), null);
});

test('an interval that the program asks for counts from its next heartbeat on', () => {
  // WATCHDOG_USEC= from the program: the runtime passes a spec with the new interval from then on.
  const { state } = live(anyService(), [on.start(0), on.ready(1)]);
  const hurried = decide(state, on.heartbeat(100), anyService({ heartbeat: { everyMs: 50 } }));
  assert.equal(wakeAtOf(hurried.state), 150);
});

test('a heartbeat that the program no longer promises has no deadline from then on', () => {
  const { state } = live(web, [on.start(0), on.ready(1)]);
  const relieved = decide(state, on.heartbeat(100), anyService({ heartbeat: null }));
  assert.equal(wakeAtOf(relieved.state), null);
});

test('a program that hangs gets the abort signal, then SIGKILL, and comes back as heartbeat-lost', () => {
  const { state, effects } = live(web, [
    on.start(0),
    on.ready(10),
    on.heartbeat(20_000),
    on.woke(50_000),
    on.woke(52_000),
    on.exited(52_001, killedBy('SIGKILL')),
  ]);
  assert.deepEqual(effects, [spawn, abort, kill]);
  const exit: Exit = { kind: 'heartbeat-lost', ending: killedBy('SIGKILL') };
  assert.deepEqual(state, backoff(1, exit, 53_501));
});

test('SIGKILL is repeated every second for as long as something is left', () => {
  const { state, effects } = live(web, [
    on.start(0),
    on.stop(10),
    on.woke(10_010),
    on.woke(11_009),
    on.woke(11_010),
    on.woke(12_010),
  ]);
  assert.deepEqual(effects, [spawn, term, kill, kill, kill]);
  assert.deepEqual(state, stopping('rest', 13_010));
});

test('without a grace limit SIGKILL is never sent', () => {
  const spec = anyService({ stop: { graceMs: null } });
  const { state, effects } = live(spec, [on.start(0), on.stop(10), on.woke(1e12)]);
  assert.deepEqual(effects, [spawn, term]);
  assert.equal(wakeAtOf(state), null);
});

test('the signal, whom it reaches and whom SIGKILL reaches are those of the spec', () => {
  const spec = anyService({ stop: { signal: 'SIGQUIT', graceMs: 0, reach: 'process', killReach: 'group' } });
  const { effects } = live(spec, [on.start(0), on.stop(10), on.woke(10)]);
  assert.deepEqual(effects, [
    spawn,
    { name: 'signal', signal: 'SIGQUIT', reach: 'process' },
    { name: 'signal', signal: 'SIGKILL', reach: 'group' },
  ]);
});

test('what a crashed program left behind is stopped before it comes back, and the crash stays the reason', () => {
  const { state, effects } = live(web, [
    on.start(0),
    on.ready(10),
    on.mainExited(1000, killedBy('SIGSEGV')),
    on.woke(11_000),
    on.exited(11_001, killedBy('SIGSEGV')),
  ]);
  assert.deepEqual(effects, [spawn, termToAll, kill]);
  assert.deepEqual(state, backoff(1, { kind: 'signal', ending: killedBy('SIGSEGV') }, 12_501));
});

test('the last wish counts, and it is kept until the process has ended', () => {
  const asked = [on.start(0), on.ready(1)];
  const end = on.exited(100, killedBy('SIGTERM'));
  const rest = live(web, [...asked, on.restart(2), on.stop(3), end]);
  assert.deepEqual(rest, { state: stopped, effects: [spawn, term] });
  const again = live(web, [...asked, on.stop(2), on.start(3), on.stop(4), on.restart(5), end]);
  assert.deepEqual(again, { state: starting(anew(100), 5100), effects: [spawn, term, spawn] });
});

test('a stop during a wait for the next start ends the wait, and the next start begins to count anew', () => {
  const waiting = live(web, [on.start(0), on.exited(1, code(1)), on.woke(1501), on.exited(1502, code(1))]);
  assert.equal(wakeAtOf(waiting.state), 1502 + 2500);
  const again = live(
    web,
    [on.stop(1600), on.woke(9000), on.start(9000), on.exited(9001, code(1))],
    waiting.state,
  );
  assert.deepEqual(again.effects, [spawn]);
  assert.equal(wakeAtOf(again.state), 9001 + 1500);
});

test('a schedule never starts a second process beside the first', () => {
  const job = anyService({ restart: { on: [], onFailedStart: [] }, start: { readiness: 'exec' } });
  const { state, effects } = live(job, [
    on.start(0),
    on.ready(1),
    on.start(60_000),
    on.start(120_000),
    on.exited(130_000, code(0)),
    on.start(180_000),
  ]);
  assert.deepEqual(effects, [spawn, spawn]);
  assert.equal(state.name, 'STARTING');
});

test('after FATAL has had its time the service is tried again with a clean slate', () => {
  const spec = anyService({ restart: { retries: 0, fatalRetryAfterMs: 60_000 } });
  const { state, effects } = live(spec, [on.start(0), on.exited(1, code(1)), on.woke(60_001)]);
  assert.deepEqual(effects, [spawn, spawn]);
  assert.deepEqual(state, starting(anew(60_001), 65_001));
});

test('FATAL comes at once, without the wait for a start that would be refused', () => {
  const spec = anyService({ restart: { retries: 0 } });
  const { state } = live(spec, [on.start(0), on.exited(1, code(1))]);
  assert.deepEqual(state, { name: 'FATAL', exit: crash, reason: 'failures in a row: 1', wakeAt: null });
});

test('where there is no wait an exit leads straight to the next start', () => {
  const spec = anyService({ restart: { delayMs: 0, backoffMs: 0, retries: null } });
  const { state, effects } = live(spec, [on.start(0), on.ready(1), on.exited(2, code(1))]);
  assert.deepEqual(effects, [spawn, spawn]);
  assert.deepEqual(state, starting(tally(1), 5002));
});

test('the random number of the exit shortens the wait', () => {
  const spec = anyService({ restart: { jitter: 0.5 } });
  const { state } = live(spec, [on.start(0), on.exited(0, code(1), 0.5)]);
  assert.equal(wakeAtOf(state), 1500 * 0.75);
});

test('a process that somebody else started is taken over as it runs, and restarted like any other', () => {
  const state = adopted(millis(1000), web, true);
  assert.deepEqual(state, running(1000, 31_000, anew(1000)));
  const lost = decide(state, on.exited(2000, { how: 'unseen' }), web);
  assert.deepEqual(lost.state.name, 'BACKOFF');
});

test('one that was not ready yet is waited for again where that can still be found out', () => {
  const name = (spec: ServiceSpec): string => adopted(millis(1000), spec, false).name;
  const reporting = (report: Report): ServiceSpec => {
    const spec = anyService({ start: { readiness: 'report' } });
    return { ...spec, watch: { ...spec.watch, report } };
  };
  const patient = anyService({ start: { readiness: 'stay-up', stayUpMs: 3000 } });
  assert.equal(wakeAtOf(adopted(millis(1000), patient, false)), 4000);
  assert.equal(name(patient), 'STARTING');
  assert.equal(name(reporting({ kind: 'tcp', host: '127.0.0.1', port: 1 })), 'STARTING');
  for (const said of [
    { kind: 'notify' },
    { kind: 'fd', descriptor: 3 },
    { kind: 'log', pattern: 'up' },
  ] as const)
    assert.equal(name(reporting(said)), 'RUNNING', said.kind);
  assert.equal(name(anyService({ start: { readiness: 'exec' } })), 'RUNNING');
});
