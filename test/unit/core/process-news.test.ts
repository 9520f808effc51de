import assert from 'node:assert/strict';
import test from 'node:test';
import { type LastRun, newsOf, noLastRun } from '../../../src/core/process-news.js';
import { decide, type ServiceEvent, type ServiceState, stopped } from '../../../src/core/service-machine.js';
import { payloadOf } from '../../../src/formats/supervisord/event-text.js';
import { startAndRestart } from '../../../src/formats/supervisord/restart.js';
import type { ServiceSpec } from '../../../src/spec/service-spec.js';
import { anyService, millis } from '../../support/any-service.js';
import { makeRandom } from '../random.js';

const words = { autostart: true, startsecs: 1, startretries: 3, autorestart: true, exitcodes: [0] } as const;
const programOf = (changes: Partial<Parameters<typeof startAndRestart>[0]> = {}): ServiceSpec =>
  anyService(startAndRestart({ ...words, ...changes }));

type Happening =
  | 'start'
  | 'stop'
  | 'restart'
  | 'woke'
  | 'ready'
  | number
  | NodeJS.Signals
  | { readonly error: string };

/** A service that lives by the machine, with pids from 1 on. */
class Life {
  state: ServiceState = stopped;
  lastRun: LastRun = noLastRun;
  readonly events: string[] = [];
  readonly lines: string[] = [];
  readonly #spec: ServiceSpec;
  #now = 0;
  #pid = 0;
  #pids = 0;
  #dumpedCore = false;

  constructor(spec: ServiceSpec) {
    this.#spec = spec;
  }

  live(...happenings: readonly Happening[]): this {
    for (const happening of happenings) this.#take(this.#eventOf(happening));
    return this;
  }

  dumpsCore(): this {
    this.#dumpedCore = true;
    return this;
  }

  #eventOf(happening: Happening): ServiceEvent {
    if (happening === 'woke' && 'wakeAt' in this.state) this.#now = this.state.wakeAt ?? this.#now;
    const at = millis(this.#now);
    if (typeof happening === 'object')
      return { name: 'spawn-failed', at, reason: happening.error, random: 0 };
    if (typeof happening === 'number')
      return { name: 'exited', at, ending: { how: 'exited', code: happening }, random: 0 };
    if (happening.startsWith('SIG'))
      return {
        name: 'exited',
        at,
        ending: { how: 'killed', signal: happening as NodeJS.Signals, dumpedCore: this.#dumpedCore },
        random: 0,
      };
    return { name: happening as 'start', at };
  }

  #take(event: ServiceEvent): void {
    const before = this.state;
    const { state, effects } = decide(before, event, this.#spec);
    const news = newsOf(
      before,
      state,
      {
        event,
        spec: this.#spec,
        name: 'x',
        group: 'g',
        pid: this.#pid,
      },
      this.lastRun,
    );
    this.state = state;
    this.lastRun = news.lastRun;
    if (event.name === 'exited' || event.name === 'spawn-failed') this.#pid = 0;
    if (effects.some(({ name }) => name === 'spawn')) {
      this.#pids += 1;
      this.#pid = this.#pids;
    }
    this.lines.push(...news.lines.map(({ level, text }) => `${level} ${text}`));
    this.events.push(
      ...news.events.map((each) => {
        const payload = Buffer.from(payloadOf(each)).toString();
        return `${each.type.slice('PROCESS_STATE_'.length)} ${payload.slice('processname:x groupname:g from_state:'.length)}`;
      }),
    );
  }
}

const lifeOf = (changes?: Parameters<typeof programOf>[0]): Life => new Life(programOf(changes));

test('a program that stays up is STARTING, then RUNNING', () => {
  const { events, lines } = lifeOf().live('start', 'woke');
  assert.deepEqual(events, ['STARTING STOPPED tries:0', 'RUNNING STARTING pid:1']);
  assert.deepEqual(lines, [
    'INFO success: x entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)',
  ]);
});

test('a program that ends too soon is tried again, and FATAL after its retries, through BACKOFF', () => {
  const life = lifeOf({ startretries: 1 }).live('start', 0, 'woke', 1);
  assert.deepEqual(life.events, [
    'STARTING STOPPED tries:0',
    'BACKOFF STARTING tries:1',
    'STARTING BACKOFF tries:1',
    'BACKOFF STARTING tries:2',
    'FATAL BACKOFF',
  ]);
  assert.deepEqual(life.lines, [
    'WARN exited: x (exit status 0; not expected)',
    'WARN exited: x (exit status 1; not expected)',
    'INFO gave up: x entered FATAL state, too many start retries too quickly',
  ]);
  assert.deepEqual(life.lastRun, {
    exitStatus: 0,
    spawnError: 'Exited too quickly (process log may have details)',
  });
});

test('a program that could not be spawned says why', () => {
  const life = lifeOf({ startretries: 0 }).live('start', { error: "can't find command 'y'" });
  assert.deepEqual(life.events.slice(1), ['BACKOFF STARTING tries:1', 'FATAL BACKOFF']);
  assert.equal(life.lines[0], "INFO spawnerr: can't find command 'y'");
  assert.deepEqual(life.lastRun, { exitStatus: 0, spawnError: "can't find command 'y'" });
});

test('a program that comes back at once is EXITED before it is STARTING', () => {
  const life = lifeOf().live('start', 'woke', 0);
  assert.deepEqual(life.events.slice(2), ['EXITED RUNNING expected:1 pid:1', 'STARTING EXITED tries:0']);
  assert.equal(life.lines.at(-1), 'INFO exited: x (exit status 0; expected)');
  assert.deepEqual(life.lastRun, noLastRun);
});

test('an exit is expected if its code is in exitcodes, and death by a signal never is', () => {
  const ending = (happening: Happening): [string, string, LastRun] => {
    const life = lifeOf({ autorestart: false, exitcodes: [0, 2] }).live('start', 'woke', happening);
    return [life.events.at(-1)!, life.lines.at(-1)!, life.lastRun];
  };
  assert.deepEqual(ending(2), [
    'EXITED RUNNING expected:1 pid:1',
    'INFO exited: x (exit status 2; expected)',
    { exitStatus: 2, spawnError: '' },
  ]);
  assert.deepEqual(ending(1), [
    'EXITED RUNNING expected:0 pid:1',
    'WARN exited: x (exit status 1; not expected)',
    { exitStatus: 1, spawnError: 'Bad exit code 1' },
  ]);
  assert.deepEqual(ending('SIGKILL'), [
    'EXITED RUNNING expected:0 pid:1',
    'WARN exited: x (terminated by SIGKILL; not expected)',
    { exitStatus: -1, spawnError: 'Bad exit code -1' },
  ]);
});

test('a core dump is told', () => {
  const life = lifeOf({ autorestart: false }).dumpsCore().live('start', 'woke', 'SIGSEGV');
  assert.equal(life.lines.at(-1), 'WARN exited: x (terminated by SIGSEGV (core dumped); not expected)');
});

test('with startsecs=0 a program is RUNNING when it was executed, and an exit at once is no failed start', () => {
  const life = lifeOf({ startsecs: 0, autorestart: false }).live('start', 'ready', 0);
  assert.deepEqual(life.events.slice(1), ['RUNNING STARTING pid:1', 'EXITED RUNNING expected:1 pid:1']);
  assert.equal(
    life.lines[0],
    'INFO success: x entered RUNNING state, process has stayed up for > than 0 seconds (startsecs)',
  );
});

test('a program that reports its readiness is not said to have stayed up', () => {
  const life = new Life(anyService({ start: { readiness: 'report' } })).live('start', 'ready');
  assert.equal(life.lines[0], 'INFO success: x entered RUNNING state, process has reported that it is ready');
});

test('a stop tells the pid that is to end, and keeps the exit status of the stop', () => {
  const life = lifeOf().live('start', 'woke', 'stop', 'SIGTERM');
  assert.deepEqual(life.events.slice(2), ['STOPPING RUNNING pid:1', 'STOPPED STOPPING pid:1']);
  assert.equal(life.lines.at(-1), 'WARN stopped: x (terminated by SIGTERM)');
  assert.deepEqual(life.lastRun, { exitStatus: -1, spawnError: '' });
  assert.equal(lifeOf().live('start', 'stop', 0).lines.at(-1), 'INFO stopped: x (exit status 0)');
});

test('a program that does not stop is killed, which is said each time', () => {
  const life = lifeOf().live('start', 'woke', 'stop', 'woke', 'woke', 'SIGKILL');
  assert.deepEqual(life.lines.slice(1), [
    "WARN killing 'x' (1) with SIGKILL",
    "WARN killing 'x' (1) with SIGKILL",
    'WARN stopped: x (terminated by SIGKILL)',
  ]);
  assert.equal(life.events.length, 4);
});

test('a restart on request is STOPPING, STOPPED, STARTING', () => {
  const { events } = lifeOf().live('start', 'woke', 'restart', 0);
  assert.deepEqual(events.slice(2), [
    'STOPPING RUNNING pid:1',
    'STOPPED STOPPING pid:1',
    'STARTING STOPPED tries:0',
  ]);
});

test('a stop between two tries has no process to name, and keeps the reason', () => {
  const life = lifeOf().live('start', 1, 'stop');
  assert.equal(life.events.at(-1), 'STOPPED BACKOFF pid:0');
  assert.equal(life.lastRun.spawnError, 'Exited too quickly (process log may have details)');
  assert.deepEqual(life.live('start').lastRun, noLastRun);
});

test('whatever happens, each event begins where the one before it ended, and the last one names the state', () => {
  const random = makeRandom(5);
  const specs = [
    programOf(),
    programOf({ startsecs: 0, startretries: 0 }),
    programOf({ autorestart: 'unexpected' }),
    anyService(),
    anyService({ restart: { delayMs: 0, backoffMs: 0, retries: null } }),
    anyService({ heartbeat: { everyMs: 10 }, restart: { withinMs: 1000, retries: 1 } }),
  ];
  const happenings: Happening[] = [
    'start',
    'stop',
    'restart',
    'woke',
    'ready',
    0,
    1,
    'SIGKILL',
    { error: 'no memory' },
  ];
  for (const spec of specs) {
    const life = new Life(spec);
    for (let round = 0; round < 500; round += 1) life.live(random.pick(happenings));
    let state = 'STOPPED';
    for (const event of life.events) {
      const [to, from] = event.split(' ') as [string, string];
      assert.equal(from, state);
      state = to;
    }
    assert.equal(state, life.state.name);
    assert.ok(life.events.length > 50);
  }
});
