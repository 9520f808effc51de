import assert from 'node:assert/strict';
import test from 'node:test';
import { describeEndIn, describeExit } from '../../../src/core/exit-text.js';
import { decide, type ServiceEvent, type ServiceState, stopped } from '../../../src/core/service-machine.js';
import { anyService, millis } from '../../support/any-service.js';

const after = (...events: readonly ServiceEvent[]): ServiceState =>
  events.reduce<ServiceState>((state, event) => decide(state, event, anyService()).state, stopped);
const start: ServiceEvent = { name: 'start', at: millis(0) };
const ready: ServiceEvent = { name: 'ready', at: millis(1) };
const byAbort = { how: 'killed', signal: 'SIGABRT' } as const;

test('an exit is told by what the os saw, and by what was wrong before where that is our doing', () => {
  assert.equal(describeExit({ kind: 'exit-code', ending: { how: 'exited', code: 3 } }), 'exit code 3');
  assert.equal(describeExit({ kind: 'signal', ending: byAbort }), 'killed by SIGABRT');
  assert.equal(
    describeExit({ kind: 'heartbeat-lost', ending: byAbort }),
    'heartbeat-lost, killed by SIGABRT',
  );
});

test('a run that is ended because it hung is told so before its state is left', () => {
  const hung = after(start, ready, { name: 'unhealthy', at: millis(2), cause: 'heartbeat-lost' });
  assert.equal(describeEndIn(hung, byAbort), 'heartbeat-lost, killed by SIGABRT');
  assert.equal(describeEndIn(after(start, ready), byAbort), 'killed by SIGABRT');
  assert.equal(describeEndIn(after(start, { name: 'stop', at: millis(2) }), byAbort), 'killed by SIGABRT');
});
