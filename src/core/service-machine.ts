// The life of one service, as a table: state × event. Nothing else changes a state, and nothing here acts.
//
//              start               ready, or up long enough
//   STOPPED ───────────▶ STARTING ──────────────────────────▶ RUNNING
//      ▲                  ▲  │  │                               │  │
//      │                  │  │  │ stop, restart,                │  │
//      │                  │  │  │ unhealthy, too late           │  │
//      │                  │  │  └───────────▶ STOPPING ◀────────┘  │
//      │ exited, to rest  │  │                │  │  │  ⟲ SIGKILL   │
//      ├──────────────────┼──┼────────────────┘  │  │              │
//      │                  │  │  exited, to start │  │              │
//      │                  ├──┼───────────────────┘  │              │
//      │                  │  │ exited               │ exited       │ exited
//      │                  │  ▼                      ▼              ▼
//      │                  │  spec.restart says of such an exit:
//      │             woke │  again            enough            no
//      │ stop             │    ▼                 ▼               ▼
//      └───────────────── BACKOFF             FATAL           EXITED
//
// A request to start leads to STARTING from every state without a process, and one to stop leads from there to
// STOPPED. An exit that brings the service back without a wait leads to STARTING at once. FATAL leads there by itself
// only where spec.restart says when.
import type { ExitKind, Reach, ServiceSpec, SignalName } from '../spec/service-spec.js';
import { after, type Millis } from '../spec/time.js';
import {
  bringsBack,
  countRun,
  countStart,
  type Ending,
  type Exit,
  firstStart,
  kindOf,
  type Tally,
  waitMs,
  whyGiveUp,
} from './restart-policy.js';

/** A state carries what is true only in that state; wakeAt is its one deadline, null where it waits for none. */
export type ServiceState =
  | { readonly name: 'STOPPED' }
  | { readonly name: 'STARTING'; readonly tally: Tally; readonly wakeAt: Millis | null }
  | {
      readonly name: 'RUNNING';
      readonly tally: Tally;
      readonly since: Millis;
      readonly wakeAt: Millis | null;
    }
  | { readonly name: 'BACKOFF'; readonly tally: Tally; readonly exit: Exit; readonly wakeAt: Millis }
  | { readonly name: 'STOPPING'; readonly next: Next; readonly wakeAt: Millis | null }
  | { readonly name: 'EXITED'; readonly exit: Exit }
  | { readonly name: 'FATAL'; readonly exit: Exit; readonly reason: string; readonly wakeAt: Millis | null };

/** What follows when the process has ended: the last wish, or what spec.restart makes of the run. */
export type Next = 'rest' | 'start' | ClosedRun;

/** A run that is as good as over. What follows is settled when its process has ended. */
export interface ClosedRun {
  /** The first thing that went wrong; null: nothing yet. */
  readonly cause: ExitKind | null;
  readonly wasReady: boolean;
  /** With this run counted. */
  readonly tally: Tally;
}

/** A request or a fact, and when it happened. `random`, from 0 to 1, comes with what may begin a wait. */
export type ServiceEvent =
  | { readonly name: 'start'; readonly at: Millis }
  | { readonly name: 'stop'; readonly at: Millis }
  | { readonly name: 'restart'; readonly at: Millis }
  /** A watched path has changed: a restart for what was not stopped on request. */
  | { readonly name: 'changed'; readonly at: Millis }
  /** The deadline has come. Too early or out of date, it changes nothing. */
  | { readonly name: 'woke'; readonly at: Millis }
  /** What spec.start.readiness asks for has been seen. Staying up needs no event, it is a deadline. */
  | { readonly name: 'ready'; readonly at: Millis }
  | { readonly name: 'heartbeat'; readonly at: Millis }
  /** The program asks that its deadline come no earlier than so much later. */
  | { readonly name: 'extend-timeout'; readonly at: Millis; readonly byMs: number }
  | { readonly name: 'unhealthy'; readonly at: Millis; readonly cause: 'heartbeat-lost' | 'over-memory' }
  /** The program says that it is about to end by itself. */
  | { readonly name: 'stopping'; readonly at: Millis }
  /** The main process has ended and has left others behind, which spec.stop does not spare. */
  | { readonly name: 'main-exited'; readonly at: Millis; readonly ending: Ending }
  /** It has ended, and so has all it left behind. Each spawn is answered once, by this or by `spawn-failed`. */
  | { readonly name: 'exited'; readonly at: Millis; readonly ending: Ending; readonly random: number }
  | { readonly name: 'spawn-failed'; readonly at: Millis; readonly reason: string; readonly random: number };

/** An order to the os. A signal for a process that is gone already is no error. */
export type Effect =
  | { readonly name: 'spawn' }
  | { readonly name: 'signal'; readonly signal: SignalName; readonly reach: Reach };

/** The very same state object, and no effects, where the event changes nothing. */
export interface Decision {
  readonly state: ServiceState;
  readonly effects: readonly Effect[];
}

type StateName = ServiceState['name'];
type EventName = ServiceEvent['name'];
type Named<Union, Name> = Extract<Union, { readonly name: Name }>;
type State<S extends StateName> = Named<ServiceState, S>;
type Event<E extends EventName> = Named<ServiceEvent, E>;
type Rule<State, Event> = (state: State, event: Event, spec: ServiceSpec) => Decision;
type Row<S extends StateName> = { readonly [E in EventName]: Rule<State<S>, Event<E>> };
type Table = { readonly [S in StateName]: Row<S> };

/** What to do next. Total: any event may come in any state, for news of a process can be overtaken by a request. */
export function decide(state: ServiceState, event: ServiceEvent, spec: ServiceSpec): Decision {
  if (event.name === 'woke' && !isDue(state, event.at)) return stay(state);
  // The compiler cannot see that row and column fit state and event; the type of the table says so.
  const rule = table[state.name][event.name] as Rule<ServiceState, ServiceEvent>;
  return rule(state, event, spec);
}

/** When the runtime must send `woke`; null: not at all. */
export const wakeAtOf = (state: ServiceState): Millis | null => ('wakeAt' in state ? state.wakeAt : null);

/** Where the life of a service begins that nobody started yet. */
export const stopped: ServiceState = { name: 'STOPPED' };

/**
 * Where it goes on for a process that was started by somebody else, or by us before our own death. `wasReady`: as far
 * as anybody knows. One that was not is waited for again, unless it may have said so while nobody listened.
 */
export const adopted = (at: Millis, spec: ServiceSpec, wasReady: boolean): ServiceState =>
  wasReady || !isReadinessAsked(spec)
    ? running(firstStart(at), at, spec)
    : launch(firstStart(at), at, spec).state;

const isReadinessAsked = ({ start, watch }: ServiceSpec): boolean =>
  start.readiness === 'stay-up' ||
  (start.readiness === 'report' && ['tcp', 'http', 'command'].includes(watch.report?.kind ?? ''));

const isDue = (state: ServiceState, at: Millis): boolean => {
  const wakeAt = wakeAtOf(state);
  return wakeAt !== null && wakeAt <= at;
};

const stay = (state: ServiceState): Decision => ({ state, effects: [] });
const move = (state: ServiceState, ...effects: Effect[]): Decision => ({ state, effects });
const rest = (): Decision => move(stopped);

/** A start on request: nothing of what went before is held against it. */
const startAnew = (_: ServiceState, { at }: ServiceEvent, spec: ServiceSpec): Decision =>
  launch(firstStart(at), at, spec);

/** News of a process where there is none has been overtaken. */
const whileDown = {
  ready: stay,
  heartbeat: stay,
  'extend-timeout': stay,
  unhealthy: stay,
  stopping: stay,
  'main-exited': stay,
  exited: stay,
  'spawn-failed': stay,
} satisfies Partial<Row<StateName>>;

/** What ends a run ends it alike, whether it is ready yet or not. */
const whileUp = {
  start: stay,
  stop: (_, { at }, spec) => askToEnd('rest', spec.stop, at, spec),
  restart: (_, { at }, spec) => askToEnd('start', spec.stop, at, spec),
  changed: (_, { at }, spec) => askToEnd('start', spec.stop, at, spec),
  unhealthy: (state, { at, cause }, spec) =>
    askToEnd(closeRun(state, cause, at, spec), cause === 'heartbeat-lost' ? spec.abort : spec.stop, at, spec),
  stopping: (state, { at }, spec) =>
    move({ name: 'STOPPING', next: closeRun(state, null, at, spec), wakeAt: after(at, spec.stop.graceMs) }),
  'main-exited': (state, { at, ending }, spec) =>
    askLeftovers(closeRun(state, causeIn(ending, spec), at, spec), at, spec),
  exited: (state, event, spec) => settle(closeRun(state, null, event.at, spec), event, spec),
  'spawn-failed': (state, event, spec) => settle(closeRun(state, null, event.at, spec), event, spec),
} satisfies Partial<Row<'STARTING' | 'RUNNING'>>;

const table: Table = {
  STOPPED: {
    start: startAnew,
    stop: stay,
    restart: startAnew,
    changed: stay,
    woke: stay,
    ...whileDown,
  },
  STARTING: {
    ...whileUp,
    woke: (state, event, spec) =>
      spec.start.readiness === 'stay-up'
        ? move(running(state.tally, event.at, spec))
        : askToEnd(closeRun(state, 'timeout', event.at, spec), spec.stop, event.at, spec),
    ready: ({ tally }, { at }, spec) => move(running(tally, at, spec)),
    heartbeat: stay,
    // Staying up is a test, not a timeout.
    'extend-timeout': (state, event, spec) =>
      spec.start.readiness === 'stay-up' ? stay(state) : extend(state, event),
  },
  RUNNING: {
    ...whileUp,
    woke: (state, { at }, spec) =>
      askToEnd(closeRun(state, 'heartbeat-lost', at, spec), spec.abort, at, spec),
    ready: stay,
    heartbeat: (state, { at }, spec) =>
      spec.heartbeat === null && state.wakeAt === null
        ? stay(state)
        : move({ ...state, wakeAt: after(at, spec.heartbeat?.everyMs ?? null) }),
    'extend-timeout': extend,
  },
  BACKOFF: {
    start: startAnew,
    stop: rest,
    restart: startAnew,
    changed: startAnew,
    woke: ({ tally }, { at }, spec) => launch(tally, at, spec),
    ...whileDown,
  },
  STOPPING: {
    start: (state) => wish(state, 'start'),
    stop: (state) => wish(state, 'rest'),
    restart: (state) => wish(state, 'start'),
    changed: (state) => (state.next === 'rest' ? stay(state) : wish(state, 'start')),
    woke: ({ next }, { at }, spec) =>
      move(
        { name: 'STOPPING', next: blame(next, 'timeout'), wakeAt: after(at, KILL_AGAIN_MS) },
        { name: 'signal', signal: 'SIGKILL', reach: spec.stop.killReach },
      ),
    ready: stay,
    heartbeat: stay,
    'extend-timeout': extend,
    unhealthy: stay,
    stopping: stay,
    'main-exited': ({ next }, { at, ending }, spec) =>
      askLeftovers(blame(next, causeIn(ending, spec)), at, spec),
    exited: finish,
    'spawn-failed': finish,
  },
  EXITED: {
    start: startAnew,
    stop: rest,
    restart: startAnew,
    changed: startAnew,
    woke: stay,
    ...whileDown,
  },
  FATAL: {
    start: startAnew,
    stop: rest,
    restart: startAnew,
    changed: startAnew,
    woke: startAnew,
    ...whileDown,
  },
};

function launch(tally: Tally, at: Millis, { start }: ServiceSpec): Decision {
  const limitMs = start.readiness === 'stay-up' ? start.stayUpMs : start.timeoutMs;
  return move({ name: 'STARTING', tally, wakeAt: after(at, limitMs) }, { name: 'spawn' });
}

function running(tally: Tally, at: Millis, { heartbeat }: ServiceSpec): ServiceState {
  return { name: 'RUNNING', tally, since: at, wakeAt: after(at, heartbeat?.everyMs ?? null) };
}

/** Asks the program to end, by spec.stop or by spec.abort. SIGKILL follows when its grace is over, never before. */
function askToEnd(next: Next, how: ServiceSpec['stop' | 'abort'], at: Millis, spec: ServiceSpec): Decision {
  return move(
    { name: 'STOPPING', next, wakeAt: after(at, how.graceMs) },
    { name: 'signal', signal: how.signal, reach: spec.stop.reach },
  );
}

/** What outlives the main process may never have heard the stop signal, so it gets one, and a grace of its own. */
function askLeftovers(next: Next, at: Millis, { stop }: ServiceSpec): Decision {
  return move(
    { name: 'STOPPING', next, wakeAt: after(at, stop.graceMs) },
    { name: 'signal', signal: stop.signal, reach: stop.killReach },
  );
}

/** The last word counts. */
function wish(state: State<'STOPPING'>, next: 'rest' | 'start'): Decision {
  return state.next === next ? stay(state) : move({ ...state, next });
}

function extend(
  state: State<'STARTING' | 'RUNNING' | 'STOPPING'>,
  { at, byMs }: Event<'extend-timeout'>,
): Decision {
  const wakeAt = after(at, byMs);
  return state.wakeAt === null || state.wakeAt >= wakeAt ? stay(state) : move({ ...state, wakeAt });
}

function closeRun(
  state: State<'STARTING' | 'RUNNING'>,
  cause: ExitKind | null,
  at: Millis,
  { restart }: ServiceSpec,
): ClosedRun {
  const upMs = state.name === 'RUNNING' ? at - state.since : null;
  return { cause, wasReady: upMs !== null, tally: countRun(state.tally, upMs, restart) };
}

/** Only the first thing that went wrong is the cause; what a killed program dies of is our doing. */
function blame(next: Next, cause: ExitKind | null): Next {
  return typeof next === 'object' && next.cause === null ? { ...next, cause } : next;
}

function causeIn(ending: Ending, { restart }: ServiceSpec): ExitKind | null {
  const kind = kindOf(ending, restart);
  return kind === 'clean' ? null : kind;
}

type Over = Event<'exited' | 'spawn-failed'>;

function finish(state: State<'STOPPING'>, event: Over, spec: ServiceSpec): Decision {
  if (state.next === 'rest') return rest();
  if (state.next === 'start') return startAnew(state, event, spec);
  return settle(state.next, event, spec);
}

/** A run is over by itself, or because something was wrong with it: again, not again, or never again. */
function settle({ cause, wasReady, tally }: ClosedRun, event: Over, spec: ServiceSpec): Decision {
  const policy = spec.restart;
  const ending: Ending =
    event.name === 'exited' ? event.ending : { how: 'not-spawned', reason: event.reason };
  const exit: Exit = { kind: cause ?? kindOf(ending, policy), ending };
  if (!bringsBack(exit, wasReady, policy)) return move({ name: 'EXITED', exit });

  const wakeAt = after(event.at, waitMs(tally.failures, event.random, policy));
  const counted = countStart(tally, wakeAt, policy);
  const reason = whyGiveUp(counted, policy);
  if (reason !== null)
    return move({ name: 'FATAL', exit, reason, wakeAt: after(event.at, policy.fatalRetryAfterMs) });
  return wakeAt === event.at
    ? launch(counted, wakeAt, spec)
    : move({ name: 'BACKOFF', tally: counted, exit, wakeAt });
}

/** SIGKILL cannot be refused, but a group that forks faster than it dies needs it again. */
const KILL_AGAIN_MS = 1000;
