// A service for tests of pure decisions: every group filled in, so that a test says only what it is about.
import { type RestartPolicy, type ServiceSpec, watchNothing } from '../../src/spec/service-spec.js';
import type { Millis } from '../../src/spec/time.js';

export const millis = (ms: number): Millis => ms as Millis;

export const anyPolicy: RestartPolicy = {
  on: ['exit-code', 'signal', 'timeout', 'heartbeat-lost', 'over-memory', 'spawn-failed', 'unknown'],
  onFailedStart: [
    'exit-code',
    'signal',
    'timeout',
    'heartbeat-lost',
    'over-memory',
    'spawn-failed',
    'unknown',
  ],
  okExits: [0],
  neverAfter: [],
  alwaysAfter: [],
  delayMs: 500,
  backoffMs: 1000,
  backoffFactor: 1,
  backoffMaxMs: null,
  jitter: 0,
  resetAfterMs: 60_000,
  retries: 3,
  withinMs: null,
  fatalRetryAfterMs: null,
};

export interface Changes {
  readonly start?: Partial<ServiceSpec['start']>;
  readonly restart?: Partial<RestartPolicy>;
  readonly stop?: Partial<ServiceSpec['stop']>;
  readonly abort?: Partial<ServiceSpec['abort']>;
  readonly heartbeat?: ServiceSpec['heartbeat'];
}

export function anyService({ start, restart, stop, abort, heartbeat = null }: Changes = {}): ServiceSpec {
  return {
    name: 'web',
    command: { argv: ['/bin/web'], cwd: null, env: [], umask: null, nice: null, limits: [] },
    user: null,
    stdio: {
      stdout: { kind: 'file', path: '/var/log/web.log', open: 'append', rotation: null, lines: null },
      stderr: 'as-stdout',
    },
    detach: { pidfile: null, hangup: 'ignore', keepFds: [], watchdogPidfile: null },
    start: { auto: true, readiness: 'report', stayUpMs: 0, timeoutMs: 5000, ...start },
    restart: { ...anyPolicy, ...restart },
    stop: {
      signal: 'SIGTERM',
      graceMs: 10_000,
      reach: 'group',
      killReach: 'tree',
      leftovers: 'stop',
      ...stop,
    },
    abort: { signal: 'SIGABRT', graceMs: 2000, ...abort },
    heartbeat,
    watch: watchNothing,
  };
}
