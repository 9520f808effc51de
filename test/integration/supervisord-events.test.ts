// Events, the listener protocol and the output streams, held against the classes of the real supervisord.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { Capture } from '../../src/core/capture.js';
import { EventDistributor } from '../../src/core/event-distributor.js';
import { ListenerPool, type PoolEffect } from '../../src/core/listener-pool.js';
import { hear, type ListenerState, listenerBusy, listenerStarted } from '../../src/core/listener-protocol.js';
import { newsOf, noLastRun } from '../../src/core/process-news.js';
import type { Ending } from '../../src/core/restart-policy.js';
import {
  decide,
  type ServiceEvent,
  type ServiceState,
  stopped,
  wakeAtOf,
} from '../../src/core/service-machine.js';
import { AnsiStripper } from '../../src/core/strip-ansi.js';
import { eventMessage, payloadOf } from '../../src/formats/supervisord/event-text.js';
import { type RestartWords, startAndRestart } from '../../src/formats/supervisord/restart.js';
import { eventTypes, isSubscribed } from '../../src/spec/event-types.js';
import type { SupervisorEvent } from '../../src/spec/supervisor-event.js';
import { anyService, millis } from '../support/any-service.js';
import { packageRoot } from '../support/package-root.js';
import { makeRandom, type Random } from '../unit/random.js';

/** Debian installs it for its own python, which need not be the first in the path. */
const python = ['/usr/bin/python3', 'python3'].find(
  (path) => spawnSync(path, ['-c', 'import supervisor.dispatchers'], { stdio: 'ignore' }).status === 0,
);
const skip = python === undefined && 'needs the Python package supervisor';

type Case = Readonly<Record<string, unknown>>;

/** What supervisord makes of each case. Bytes are latin-1 in both directions, so that JSON can hold them. */
async function askSupervisord<T>(cases: readonly Case[]): Promise<T[]> {
  const script = join(packageRoot, 'test/fixtures/supervisord-events.py');
  const child = spawn(python!, ['-B', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PYTHONIOENCODING: 'utf-8' },
  });
  child.stdin.end(cases.map((each) => `${JSON.stringify(each)}\n`).join(''));
  const answers: T[] = [];
  for await (const line of createInterface(child.stdout)) answers.push(JSON.parse(line) as T);
  assert.equal(answers.length, cases.length, 'it answers every case');
  return answers;
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Words in a random order, cut at random places. */
function chunksOf(random: Random, words: readonly string[], most: number): string[] {
  const text = Array.from({ length: 1 + random.below(most) }, () => random.pick(words)).join('');
  const chunks: string[] = [];
  for (let start = 0; start < text.length; ) {
    const end = start + 1 + random.below(random.oneIn(2) ? 4 : 60);
    chunks.push(text.slice(start, end));
    start = end;
  }
  return chunks;
}

test('the tree of event types is that of supervisord', { skip }, async () => {
  const [tree] = await askSupervisord<Record<string, string[]>>([{ what: 'tree' }]);
  const ours = eventTypes.map((wanted) => [
    wanted,
    eventTypes.filter((type) => isSubscribed([wanted], type)).sort(),
  ]);
  assert.deepEqual(Object.fromEntries(ours), tree);
});

test('whatever a listener says, in whatever pieces, is judged as supervisord judges it', {
  skip,
}, async () => {
  const random = makeRandom(11);
  const words = [
    'READY\n',
    'READY\n',
    'RESULT 2\nOK',
    'RESULT 2\nOK',
    'RESULT 4\nFAIL',
    'RESULT 0\n',
    'RESULT +1\nx',
    'result  0_2 \nOK',
    'RESULT two\n',
    'RESULT \xff\n',
    '\n',
    'noise',
  ];
  // What comes last makes supervisord decide on a result of no bytes, for which it waits for one byte more.
  const streams = Array.from({ length: 1500 }, () => [
    ...chunksOf(random, random.oneIn(3) ? words : words.slice(0, 7), 12),
    'READY\n',
  ]);
  const theirs = await askSupervisord<Judged>(streams.map((chunks) => ({ what: 'listener', chunks })));
  const ours = streams.map(judge);
  for (const [index, chunks] of streams.entries())
    assert.deepEqual(ours[index], theirs[index], JSON.stringify(chunks));
  const seen = new Set(ours.flatMap(({ lines }) => lines));
  for (const line of [
    'debug x: event was processed',
    'warn x: event was rejected',
    'debug x: BUSY -> UNKNOWN',
  ])
    assert.ok(seen.has(line), `no case comes to: ${line}`);
});

interface Judged {
  readonly lines: readonly string[];
  readonly requeued: number;
}

const levels: Readonly<Record<string, string>> = { DEBG: 'debug', INFO: 'info', WARN: 'warn', ERRO: 'error' };

/** As in the fixture, an event is given out whenever a read has left the listener ready. */
function judge(chunks: readonly string[]): Judged {
  let state: ListenerState = listenerStarted;
  let requeued = 0;
  const lines: string[] = [];
  for (const chunk of chunks) {
    let isBusy = state.name === 'BUSY';
    const turn = hear(state, bytesOf(chunk), 'x');
    for (const effect of turn.effects) {
      if (effect.name === 'log') lines.push(`${levels[effect.line.level]} ${effect.line.text}`);
      if (effect.name === 'result' && !effect.accepted) requeued += 1;
      if (effect.name === 'violation' && isBusy) requeued += 1;
      if (effect.name === 'result') isBusy = false;
    }
    state = turn.state.name === 'READY' ? listenerBusy : turn.state;
  }
  return { lines, requeued };
}

test('a pool gives its events out, takes them back and discards them as supervisord does', {
  skip,
}, async () => {
  const random = makeRandom(23);
  const listeners = ['a', 'b', 'c'];
  const words = [
    'READY\n',
    'RESULT 2\nOKREADY\n',
    'RESULT 4\nFAIL',
    'RESULT 4\nFAILREADY\n',
    'RESULT 2\nOK',
    'RESULT 2\n',
    'OK',
    'RESULT x\n',
  ];
  const cases = Array.from({ length: 500 }, () => ({
    what: 'pool',
    listeners: listeners.slice(0, 1 + random.below(3)),
    bufferSize: 1 + random.below(4),
    steps: Array.from({ length: 40 }, (_, index): Step => {
      if (random.oneIn(3)) return ['event', index, ''];
      const listener = random.pick(listeners);
      return random.oneIn(12) ? ['ends', listener, ''] : ['says', listener, random.pick(words)];
    }),
  }));
  const fitting = cases.map(({ steps, ...rest }) => ({
    ...rest,
    steps: steps.filter(([kind, who]) => kind === 'event' || rest.listeners.includes(who as string)),
  }));
  const theirs = await askSupervisord<object>(fitting);
  for (const [index, each] of fitting.entries())
    assert.deepEqual(livePool(each), theirs[index], JSON.stringify(each));
});

type Step = readonly ['event', number, ''] | readonly ['says' | 'ends', string, string];

interface PoolCase {
  readonly listeners: readonly string[];
  readonly bufferSize: number;
  readonly steps: readonly Step[];
}

/** supervisord does not wait before it gives an event out again, so here so much time passes that nothing is waited for. */
function livePool({ listeners, bufferSize, steps }: PoolCase): { sent: string[][]; lines: string[] } {
  const pool = new ListenerPool({ name: 'pool', types: ['TICK'], bufferSize, listeners });
  const distributor = new EventDistributor();
  distributor.add(pool);
  const sent: string[][] = [];
  const lines: string[] = [];
  const perform = (effects: readonly PoolEffect[]): void => {
    for (const effect of effects) {
      if (effect.name === 'send') {
        const message = eventMessage(effect.event, { server: 'supervisor', ...effect });
        sent.push([effect.listener, Buffer.from(message).toString()]);
      } else if (effect.line.level !== 'DEBG') lines.push(`${levels[effect.line.level]} ${effect.line.text}`);
    }
  };
  const begin = (listener: string): void => {
    pool.started(listener);
    perform(pool.running(listener, millis(0)));
  };
  for (const listener of listeners) begin(listener);
  for (const [index, [kind, what, said]] of steps.entries()) {
    const at = millis(index * 60_000);
    perform(pool.woke(at));
    if (kind === 'event') perform(distributor.publish({ type: 'TICK_5', when: what }, at));
    else if (kind === 'says') perform(pool.heard(what, bytesOf(said), at));
    else {
      perform(pool.ended(what, at));
      begin(what);
    }
    perform(pool.woke(millis(at + 30_000)));
  }
  return { sent, lines };
}

test('whatever becomes of a program, its events, its log lines and its last exit are told as supervisord tells them', {
  skip,
}, async () => {
  const random = makeRandom(29);
  const steps: readonly LifeStep[] = [
    ['start', 0],
    ['start', 0],
    ['stop', 0],
    ['wakes', 0],
    ['wakes', 0],
    ['wakes', 0],
    ['ends', 0],
    ['ends', 2 << 8],
    ['ends', 9],
    ['start-fails', "can't find command 'x'"],
  ];
  const cases = Array.from({ length: 600 }, () => ({
    what: 'life',
    config: {
      startsecs: random.pick([0, 1, 5]),
      startretries: random.below(3),
      autorestart: random.pick([true, false, 'unexpected'] as const),
      exitcodes: random.pick([[0], [0, 2], []]),
    },
    steps: Array.from({ length: 30 }, () => random.pick(steps)),
  }));
  const theirs = await askSupervisord<object>(cases);
  for (const [index, each] of cases.entries())
    assert.deepEqual(liveLife(each), theirs[index], JSON.stringify(each));
});

/** What ends a process is a wait status, as the kernel gives it. */
type LifeStep = readonly ['start' | 'stop' | 'wakes' | 'ends', number] | readonly ['start-fails', string];

interface LifeCase {
  readonly config: Omit<RestartWords, 'autostart'>;
  readonly steps: readonly LifeStep[];
}

function liveLife({ config, steps }: LifeCase): object {
  const spec = anyService(startAndRestart({ ...config, autostart: false }));
  const told = { events: [] as string[], lines: [] as string[], runs: [] as [number, string][] };
  let state: ServiceState = stopped;
  let lastRun = noLastRun;
  let pid = 0;
  let pids = 0;
  let now = 0;
  const take = (event: ServiceEvent): void => {
    const before = state;
    const decision = decide(before, event, spec);
    state = decision.state;
    const facts = { event, spec, name: 'x', group: 'g', pid };
    const news = newsOf(before, state, facts, lastRun);
    lastRun = news.lastRun;
    for (const each of news.events)
      told.events.push(`${each.type} ${Buffer.from(payloadOf(each)).toString()}`);
    told.lines.push(...news.lines.map(({ level, text }) => `${levels[level]} ${text}`));
    if (event.name === 'exited' || event.name === 'spawn-failed') pid = 0;
    if (decision.effects.some(({ name }) => name === 'spawn')) spawned();
  };
  let spawnError: string | null = null;
  const spawned = (): void => {
    const at = millis(now);
    if (spawnError !== null) {
      const reason = spawnError;
      spawnError = null;
      take({ name: 'spawn-failed', at, reason, random: 0 });
      return;
    }
    pids += 1;
    pid = pids;
    if (spec.start.readiness === 'exec') take({ name: 'ready', at });
  };
  for (const [step, what] of steps) {
    const at = millis(now);
    const isDown = ['STOPPED', 'EXITED', 'FATAL'].includes(state.name);
    if ((step === 'start' || step === 'start-fails') && isDown) {
      spawnError = step === 'start-fails' ? what : null;
      take({ name: 'start', at });
    } else if (step === 'stop' && (state.name === 'STARTING' || state.name === 'RUNNING'))
      take({ name: 'stop', at });
    else if (step === 'ends' && pid !== 0) take({ name: 'exited', at, ending: endingOf(what), random: 0 });
    else if (step === 'wakes') {
      now = wakeAtOf(state) ?? now;
      take({ name: 'woke', at: millis(now) });
    }
    told.runs.push([lastRun.exitStatus, lastRun.spawnError]);
  }
  return told;
}

const endingOf = (status: number): Ending =>
  status === 9 ? { how: 'killed', signal: 'SIGKILL' } : { how: 'exited', code: status >> 8 };

const BEGIN = '<!--XSUPERVISOR:BEGIN-->';
const END = '<!--XSUPERVISOR:END-->';

test('what a program writes is parted into log and messages as supervisord parts it', { skip }, async () => {
  const random = makeRandom(13);
  const words = [
    BEGIN,
    END,
    'text\n',
    '<',
    '<!--',
    BEGIN.slice(0, 20),
    END.slice(0, 20),
    '\x00\xff',
    'x'.repeat(99),
  ];
  // supervisord holds back what is no longer than a token; the last words bring it out, whichever token it waits for.
  const streams = Array.from({ length: 1500 }, () => [
    ...chunksOf(random, words, 15),
    `${END}${BEGIN}${END}${'.'.repeat(40)}`,
  ]);
  const theirs = await askSupervisord<object>(streams.map((chunks) => ({ what: 'capture', chunks })));
  for (const [index, chunks] of streams.entries()) {
    const stream = new Capture(1 << 20);
    const parts = [...chunks.flatMap((chunk) => [...stream.push(bytesOf(chunk))]), ...stream.end()];
    const log = parts
      .filter(({ kind }) => kind === 'log')
      .map(({ bytes }) => latin1(bytes))
      .join('');
    const messages = parts.filter(({ kind }) => kind === 'message').map(({ bytes }) => latin1(bytes));
    assert.deepEqual({ log, messages }, theirs[index], JSON.stringify(chunks));
  }
});

test('terminal sequences are taken out as supervisord does it, where they are whole and known to it', {
  skip,
}, async () => {
  const random = makeRandom(17);
  const words = [
    'text',
    '\n',
    '\x1b',
    '\xc3\xa9',
    ...[...'HfABCDRsuJKhlpm'].flatMap((end) => [`\x1b[${end}`, `\x1b[1;31${end}`]),
  ];
  const texts = Array.from({ length: 1500 }, () => chunksOf(random, words, 20).join(''));
  const theirs = await askSupervisord<string>(texts.map((data) => ({ what: 'strip', data })));
  for (const [index, text] of texts.entries()) {
    const stripper = new AnsiStripper();
    const ours = latin1(stripper.strip(bytesOf(text))) + latin1(stripper.end());
    assert.equal(ours, theirs[index], JSON.stringify(text));
  }
});

test('every event looks to a listener as supervisord writes it', { skip }, async () => {
  const random = makeRandom(19);
  const types = eventTypes.filter((type) =>
    eventTypes.every((other) => other === type || !isSubscribed([type], other)),
  );
  const texts = ['', 'plain\n', 'two\nlines', "it's", '\x00\x01\x7f'];
  const noText = ['\xff', "it's \xff", `"it's" \xff\\\n\t`, '\xed\xa0\x80', '\xc0\x80'];
  const cases = types.flatMap((type) =>
    Array.from({ length: 40 }, () => ({
      what: 'payload',
      type,
      name: random.pick(['web', 'web_00', 'a.b-c']),
      group: random.pick(['web', 'all']),
      from: random.pick([
        'STOPPED',
        'STARTING',
        'RUNNING',
        'BACKOFF',
        'STOPPING',
        'EXITED',
        'FATAL',
        'UNKNOWN',
      ]),
      pid: random.below(1e6),
      tries: random.below(5),
      expected: random.oneIn(2),
      data: random.pick([...texts, ...noText]),
      text: random.pick(texts),
      facts: { serial: random.below(1000), poolSerial: random.below(1000) },
    })),
  );
  const theirs = await askSupervisord<string>(cases);
  for (const [index, { what: _, facts, text, data, ...fields }] of cases.entries()) {
    // Every field that any type has; a type takes its own.
    const event = {
      ...fields,
      channel: 'stdout',
      kind: fields.name,
      when: fields.pid,
      data: fields.type === 'REMOTE_COMMUNICATION' ? text : bytesOf(data),
    } as unknown as SupervisorEvent;
    const message = eventMessage(event, { server: 'supervisor', pool: 'pool', ...facts });
    assert.equal(Buffer.from(message).toString(), theirs[index]);
  }
});
