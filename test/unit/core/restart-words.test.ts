// Every restart rule of systemd and of Supervisor, expressed as spec values and run through the machine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ending } from '../../../src/core/restart-policy.js';
import { decide, type ServiceEvent, type ServiceState, stopped } from '../../../src/core/service-machine.js';
import {
  type RestartWords as SupervisorWords,
  startAndRestart,
} from '../../../src/formats/supervisord/restart.js';
import type { ServiceSpec } from '../../../src/spec/service-spec.js';
import type { Millis } from '../../../src/spec/time.js';
import { anyService, millis } from '../../support/any-service.js';
import { restartPolicy, type RestartWords as SystemdWords } from '../../support/systemd-restart.js';

/** What happens to a service, in order. `woke` means that it slept until its deadline. */
type Happening =
  | 'start'
  | 'stop'
  | 'ready'
  | 'stopping'
  | 'over-memory'
  | 'spawn-failed'
  | 'woke'
  | { readonly afterMs: number; readonly ending: Ending };

const exits = (code: number, afterMs = 0): Happening => ({ afterMs, ending: { how: 'exited', code } });
const dies = (signal: NodeJS.Signals, afterMs = 0): Happening => ({
  afterMs,
  ending: { how: 'killed', signal },
});

/** A service with a clock, which only its own deadlines and the happenings move. */
class Life {
  state: ServiceState = stopped;
  now = 0;
  starts = 0;
  readonly #spec: ServiceSpec;

  constructor(spec: ServiceSpec) {
    this.#spec = spec;
  }

  live(...happenings: readonly Happening[]): this {
    for (const happening of happenings) {
      const { state, effects } = decide(this.state, this.#eventOf(happening), this.#spec);
      this.state = state;
      this.starts += effects.filter(({ name }) => name === 'spawn').length;
    }
    return this;
  }

  /** How long it will wait for its next start; null if it will not start by itself. */
  get waitMs(): number | null {
    if (this.state.name === 'STARTING') return 0;
    return this.state.name === 'BACKOFF' ? this.state.wakeAt - this.now : null;
  }

  #eventOf(happening: Happening): ServiceEvent {
    if (typeof happening === 'object') {
      this.now += happening.afterMs;
      return { name: 'exited', at: millis(this.now), ending: happening.ending, random: 0 };
    }
    if (happening === 'woke') this.now = this.#deadline();
    const at = millis(this.now);
    if (happening === 'over-memory') return { name: 'unhealthy', at, cause: happening };
    if (happening === 'spawn-failed') return { name: happening, at, reason: 'no more processes', random: 0 };
    return { name: happening, at };
  }

  #deadline(): Millis {
    assert.ok('wakeAt' in this.state && this.state.wakeAt !== null, `${this.state.name} has no deadline`);
    return this.state.wakeAt;
  }
}

const unit: SystemdWords = {
  restart: 'no',
  restartDelayMs: 100,
  restartSteps: 0,
  restartMaxDelayMs: null,
  successExits: [],
  preventExits: [],
  forceExits: [],
  startLimitBurst: 5,
  startLimitIntervalMs: 10_000,
};

/** A unit of Type=notify, where a start can fail in every way there is. */
const ofUnit = (words: Partial<SystemdWords>): Life =>
  new Life({
    ...anyService({ start: { timeoutMs: 90_000 }, heartbeat: { everyMs: 30_000 } }),
    restart: restartPolicy({ ...unit, ...words }),
  });

test('every cell of the Restart= table of systemd holds', () => {
  const words = [
    'no',
    'always',
    'on-success',
    'on-failure',
    'on-abnormal',
    'on-abort',
    'on-watchdog',
  ] as const;
  const matrix: readonly [string, string, ...Happening[]][] = [
    // no, always, on-success, on-failure, on-abnormal, on-abort, on-watchdog
    ['. x x . . . .', 'exit code 0', 'ready', exits(0)],
    ['. x x . . . .', 'exit code in SuccessExitStatus=', 'ready', exits(42)],
    ['. x x . . . .', 'signal in SuccessExitStatus=', 'ready', dies('SIGUSR1')],
    ['. x x . . . .', 'SIGHUP', 'ready', dies('SIGHUP')],
    ['. x x . . . .', 'SIGINT', 'ready', dies('SIGINT')],
    ['. x x . . . .', 'SIGTERM from outside', 'ready', dies('SIGTERM')],
    ['. x x . . . .', 'SIGPIPE', 'ready', dies('SIGPIPE')],
    ['. x . x . . .', 'exit code 1', 'ready', exits(1)],
    ['. x . x . . .', 'exit code 143, which is no SIGTERM', 'ready', exits(143)],
    ['. x . x . . .', 'exit code 203, a failed set-up', exits(203)],
    ['. x . x . . .', 'exit code 1 before it was ready', exits(1)],
    ['. x . x x x .', 'SIGKILL', 'ready', dies('SIGKILL')],
    ['. x . x x x .', 'SIGSEGV', 'ready', dies('SIGSEGV')],
    ['. x . x x x .', 'SIGSEGV before it was ready', dies('SIGSEGV')],
    ['. x . x x . .', 'start timeout', 'woke', dies('SIGTERM')],
    ['. x . x x . .', 'start timeout, though it then exits with 0', 'woke', exits(0)],
    ['. x . x x . .', 'stop timeout after STOPPING=1', 'ready', 'stopping', 'woke', dies('SIGKILL')],
    ['. x . x x . x', 'watchdog', 'ready', 'woke', dies('SIGABRT')],
    ['. x . x x . x', 'watchdog, though it then exits with 0', 'ready', 'woke', exits(0)],
    ['. x . x x . x', 'watchdog, and killed in the end', 'ready', 'woke', 'woke', dies('SIGKILL')],
    ['. x . x x . .', 'protocol: exit code 0 before READY=1', exits(0)],
    ['. x . x x . .', 'resources: no process could be made', 'spawn-failed'],
    ['. x . x x . .', 'oom-kill', 'ready', 'over-memory', dies('SIGKILL')],
    ['. x x . . . .', 'STOPPING=1 and exit code 0', 'ready', 'stopping', exits(0)],
    ['. . . . . . .', 'stop on request, exit code 0', 'ready', 'stop', exits(0)],
    ['. . . . . . .', 'stop on request, exit code 1', 'ready', 'stop', exits(1)],
    ['. . . . . . .', 'stop on request, killed in the end', 'ready', 'stop', 'woke', dies('SIGKILL')],
  ];
  for (const [expected, cause, ...happenings] of matrix) {
    const actual = words.map((restart) => {
      const life = ofUnit({ restart, successExits: [42, 'SIGUSR1'] }).live('start', ...happenings);
      assert.equal(
        life.state.name,
        life.waitMs === 100 ? 'BACKOFF' : cause.startsWith('stop on') ? 'STOPPED' : 'EXITED',
      );
      return life.waitMs === null ? '.' : 'x';
    });
    assert.equal(actual.join(' '), expected, cause);
  }
});

test('RestartPreventExitStatus= beats RestartForceExitStatus=, which beats Restart=', () => {
  const matrix: readonly [boolean, Partial<SystemdWords>, Happening][] = [
    [false, { restart: 'always', preventExits: [3] }, exits(3)],
    [true, { restart: 'always', preventExits: [3] }, exits(4)],
    [false, { restart: 'always', preventExits: ['SIGUSR1'] }, dies('SIGUSR1')],
    // Numbers are exit codes only, never signals.
    [true, { restart: 'always', preventExits: [9, 137] }, dies('SIGKILL')],
    [true, { restart: 'no', forceExits: [3] }, exits(3)],
    [true, { restart: 'no', forceExits: [0] }, exits(0)],
    [true, { restart: 'on-failure', forceExits: ['SIGTERM'] }, dies('SIGTERM')],
    [false, { restart: 'always', preventExits: [3], forceExits: [3] }, exits(3)],
  ];
  for (const [comesBack, words, ending] of matrix) {
    const life = ofUnit(words).live('start', 'ready', ending);
    assert.equal(life.waitMs !== null, comesBack, JSON.stringify([words, ending]));
  }
  // They look at how the main process ended, even where the cause is another.
  const hung = ofUnit({ restart: 'always', preventExits: ['SIGABRT'] }).live(
    'start',
    'ready',
    'woke',
    dies('SIGABRT'),
  );
  assert.equal(hung.state.name, 'EXITED');
  const asked = ofUnit({ restart: 'no', forceExits: [0] }).live('start', 'ready', 'stop', exits(0));
  assert.equal(asked.state.name, 'STOPPED');
});

test('StartLimitBurst= starts within StartLimitIntervalSec= are allowed, and one more is not', () => {
  const life = ofUnit({ restart: 'always' }).live('start');
  for (let start = 1; start < 5; start += 1) life.live('ready', exits(1), 'woke');
  assert.equal(life.starts, 5);
  life.live('ready', exits(1));
  assert.deepEqual(life.state, {
    name: 'FATAL',
    exit: { kind: 'exit-code', ending: { how: 'exited', code: 1 } },
    reason: 'starts within 10 s: 5',
    wakeAt: null,
  });
});

test('with RestartSec= of interval / burst a crash loop goes on for ever, as with systemd', () => {
  const life = ofUnit({ restart: 'always', restartDelayMs: 2000 }).live('start');
  for (let start = 1; start < 100; start += 1) life.live('ready', exits(1, 1), 'woke');
  assert.equal(life.starts, 100);
});

test('StartLimitIntervalSec=0 and StartLimitBurst=0 are no limit', () => {
  for (const words of [{ startLimitIntervalMs: 0 }, { startLimitBurst: 0 }]) {
    const life = ofUnit({ restart: 'always', restartDelayMs: 0, ...words }).live('start');
    for (let start = 1; start < 100; start += 1) life.live('ready', exits(1));
    assert.equal(life.starts, 100);
  }
});

test('RestartSteps= and RestartMaxDelaySec= make the waits of systemd, which only a start by hand resets', () => {
  const words: Partial<SystemdWords> = {
    restart: 'always',
    restartDelayMs: 1000,
    restartSteps: 4,
    restartMaxDelayMs: 16_000,
    startLimitIntervalMs: 0,
  };
  const waitsOf = (life: Life, afterMs: number): (number | null)[] =>
    [1, 2, 3, 4, 5, 6, 7].map(() => {
      const wait = life.live('ready', exits(1, afterMs)).waitMs;
      life.live('woke');
      return wait;
    });
  const life = ofUnit(words).live('start');
  assert.deepEqual(waitsOf(life, 20_000), [1000, 2000, 4000, 8000, 16_000, 16_000, 16_000]);
  life.live('stop', exits(0), 'start');
  assert.deepEqual(waitsOf(life, 0), [1000, 2000, 4000, 8000, 16_000, 16_000, 16_000]);
  // Either word alone does nothing, nor do both where there is nothing to grow, or where to.
  const flat = (changes: Partial<SystemdWords>): (number | null)[] =>
    waitsOf(ofUnit({ ...words, ...changes }).live('start'), 0);
  assert.deepEqual(flat({ restartSteps: 0 }), Array(7).fill(1000));
  assert.deepEqual(flat({ restartMaxDelayMs: null }), Array(7).fill(1000));
  assert.deepEqual(flat({ restartMaxDelayMs: 500 }), Array(7).fill(1000));
});

test('RestartSec=0 restarts at once, and grows to nothing', () => {
  const life = ofUnit({ restart: 'always', restartDelayMs: 0, restartSteps: 4, restartMaxDelayMs: 16_000 });
  assert.equal(life.live('start', 'ready', exits(1)).waitMs, 0);
  assert.equal(life.live('ready', exits(1)).waitMs, 0);
});

const section: SupervisorWords = {
  autostart: true,
  startsecs: 1,
  startretries: 3,
  autorestart: 'unexpected',
  exitcodes: [0],
};

const ofProgram = (words: Partial<SupervisorWords>): Life =>
  new Life({ ...anyService(), ...startAndRestart({ ...section, ...words }) });

test('every way out of STARTING and RUNNING leads where Supervisor leads it', () => {
  const words = [false, 'unexpected', true] as const;
  const matrix: readonly [readonly string[], string, ...Happening[]][] = [
    // autorestart = false, unexpected, true
    [['BACKOFF', 'BACKOFF', 'BACKOFF'], 'exit code 0 before startsecs', exits(0, 999)],
    [['BACKOFF', 'BACKOFF', 'BACKOFF'], 'exit code 1 before startsecs', exits(1, 999)],
    [['BACKOFF', 'BACKOFF', 'BACKOFF'], 'a signal before startsecs', dies('SIGSEGV', 999)],
    [['BACKOFF', 'BACKOFF', 'BACKOFF'], 'a command that cannot be run', 'spawn-failed'],
    [['EXITED', 'EXITED', 'STARTING'], 'an exit code in exitcodes', 'woke', exits(0)],
    [['EXITED', 'EXITED', 'STARTING'], 'another exit code in exitcodes', 'woke', exits(2)],
    [['EXITED', 'STARTING', 'STARTING'], 'an exit code that is not in exitcodes', 'woke', exits(1)],
    [['EXITED', 'STARTING', 'STARTING'], 'a signal, even SIGTERM', 'woke', dies('SIGTERM')],
    [['STOPPED', 'STOPPED', 'STOPPED'], 'a stop', 'woke', 'stop', exits(1)],
    [['STOPPED', 'STOPPED', 'STOPPED'], 'a stop before startsecs', 'stop', exits(1)],
    [['STOPPED', 'STOPPED', 'STOPPED'], 'a stop that needs SIGKILL', 'woke', 'stop', 'woke', dies('SIGKILL')],
    [['STOPPED', 'STOPPED', 'STOPPED'], 'a stop in BACKOFF', exits(1), 'stop'],
  ];
  for (const [expected, way, ...happenings] of matrix) {
    const actual = words.map((autorestart) => {
      return ofProgram({ autorestart, exitcodes: [0, 2] }).live('start', ...happenings).state.name;
    });
    assert.deepEqual(actual, expected, way);
  }
});

test('an exit code that is not listed is unexpected, 0 as well', () => {
  assert.equal(ofProgram({ exitcodes: [2] }).live('start', 'woke', exits(0)).state.name, 'STARTING');
  assert.equal(ofProgram({ exitcodes: [] }).live('start', 'woke', exits(0)).state.name, 'STARTING');
  assert.equal(ofProgram({ exitcodes: [2] }).live('start', 'woke', exits(2)).state.name, 'EXITED');
});

test('startretries are that many starts more, after 1, 2, 3 ... seconds, and then FATAL without a wait', () => {
  for (const startretries of [0, 1, 3, 10]) {
    const life = ofProgram({ startretries, autorestart: false }).live('start');
    for (let retry = 1; retry <= startretries; retry += 1) {
      assert.equal(life.live(exits(0, 500)).waitMs, retry * 1000);
      life.live('woke');
    }
    life.live(exits(0, 500));
    assert.deepEqual(life.state, {
      name: 'FATAL',
      exit: { kind: 'clean', ending: { how: 'exited', code: 0 } },
      reason: `failures in a row: ${startretries + 1}`,
      wakeAt: null,
    });
    assert.equal(life.starts, startretries + 1);
  }
});

test('what was RUNNING has used up no retry, and comes back without a wait, any number of times', () => {
  const life = ofProgram({ startretries: 1 }).live('start', exits(1), 'woke', 'woke');
  assert.equal(life.state.name, 'RUNNING');
  for (let crash = 0; crash < 100; crash += 1) {
    assert.equal(life.live(exits(1)).waitMs, 0);
    life.live('woke');
    assert.equal(life.state.name, 'RUNNING');
  }
  assert.equal(life.starts, 102);
  assert.equal(life.live(exits(1), exits(1)).waitMs, 1000);
});

test('a stop in BACKOFF resets the count, which Supervisor forgets to do', () => {
  const life = ofProgram({}).live('start', exits(1), 'woke', exits(1));
  assert.equal(life.waitMs, 2000);
  assert.equal(life.live('stop', 'start', exits(1)).waitMs, 1000);
});

test('with startsecs=0 it is RUNNING as soon as it was executed, and never fails to start by exiting', () => {
  const life = ofProgram({ startsecs: 0 }).live('start', 'ready');
  assert.equal(life.state.name, 'RUNNING');
  assert.equal(life.live(exits(0)).state.name, 'EXITED');
  assert.equal(ofProgram({ startsecs: 0 }).live('start', 'spawn-failed').waitMs, 1000);
});

test('autostart is the only word of the start group that the machine leaves to others', () => {
  const { start } = startAndRestart({ ...section, autostart: false, startsecs: 5 });
  assert.deepEqual(start, { auto: false, readiness: 'stay-up', stayUpMs: 5000, timeoutMs: null });
});
