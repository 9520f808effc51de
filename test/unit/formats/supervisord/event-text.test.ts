import assert from 'node:assert/strict';
import test from 'node:test';
import { eventMessage, payloadOf } from '../../../../src/formats/supervisord/event-text.js';
import type { SupervisorEvent } from '../../../../src/spec/supervisor-event.js';

const of = { name: 'web_00', group: 'web' } as const;
const head = 'processname:web_00 groupname:web';

const payloads: readonly (readonly [SupervisorEvent, string])[] = [
  [
    { type: 'PROCESS_STATE_STARTING', ...of, from: 'STOPPED', tries: 0 },
    `${head} from_state:STOPPED tries:0`,
  ],
  [
    { type: 'PROCESS_STATE_BACKOFF', ...of, from: 'STARTING', tries: 2 },
    `${head} from_state:STARTING tries:2`,
  ],
  [{ type: 'PROCESS_STATE_RUNNING', ...of, from: 'STARTING', pid: 7 }, `${head} from_state:STARTING pid:7`],
  [{ type: 'PROCESS_STATE_STOPPING', ...of, from: 'RUNNING', pid: 7 }, `${head} from_state:RUNNING pid:7`],
  [{ type: 'PROCESS_STATE_STOPPED', ...of, from: 'BACKOFF', pid: 0 }, `${head} from_state:BACKOFF pid:0`],
  [
    { type: 'PROCESS_STATE_EXITED', ...of, from: 'RUNNING', expected: true, pid: 7 },
    `${head} from_state:RUNNING expected:1 pid:7`,
  ],
  [
    { type: 'PROCESS_STATE_EXITED', ...of, from: 'RUNNING', expected: false, pid: 7 },
    `${head} from_state:RUNNING expected:0 pid:7`,
  ],
  [{ type: 'PROCESS_STATE_FATAL', ...of, from: 'BACKOFF' }, `${head} from_state:BACKOFF`],
  [{ type: 'PROCESS_STATE_UNKNOWN', ...of, from: 'STOPPING' }, `${head} from_state:STOPPING`],
  [
    { type: 'PROCESS_LOG_STDOUT', ...of, pid: 7, data: Buffer.from('a\nb') },
    `${head} pid:7 channel:stdout\na\nb`,
  ],
  [
    { type: 'PROCESS_LOG_STDERR', ...of, pid: 7, data: Buffer.from('größe') },
    `${head} pid:7 channel:stderr\ngröße`,
  ],
  [
    { type: 'PROCESS_LOG_STDERR', ...of, pid: 7, data: Buffer.of(0x27, 0xff) },
    `${head} pid:7 channel:stderr\nUndecodable: b"'\\xff"`,
  ],
  [{ type: 'PROCESS_COMMUNICATION_STDOUT', ...of, pid: 7, data: Buffer.from('hi') }, `${head} pid:7\nhi`],
  [{ type: 'PROCESS_COMMUNICATION_STDERR', ...of, pid: 7, data: Buffer.from('') }, `${head} pid:7\n`],
  [{ type: 'REMOTE_COMMUNICATION', kind: 'k', data: 'd\ne' }, 'type:k\nd\ne'],
  [{ type: 'SUPERVISOR_STATE_CHANGE_RUNNING' }, ''],
  [{ type: 'SUPERVISOR_STATE_CHANGE_STOPPING' }, ''],
  [{ type: 'TICK_5', when: 1_700_000_005 }, 'when:1700000005'],
  [{ type: 'PROCESS_GROUP_ADDED', group: 'web' }, 'groupname:web\n'],
  [{ type: 'PROCESS_GROUP_REMOVED', group: 'web' }, 'groupname:web\n'],
];

test('every type has the payload that Supervisor documents', () => {
  for (const [event, payload] of payloads) assert.equal(Buffer.from(payloadOf(event)).toString(), payload);
});

test('a message names the supervisor, the pool, both serials, the type and the length', () => {
  const message = eventMessage(
    { type: 'TICK_60', when: 60 },
    { server: 'supervisor', pool: 'watch', serial: 21, poolSerial: 10 },
  );
  assert.equal(
    Buffer.from(message).toString(),
    'ver:3.0 server:supervisor serial:21 pool:watch poolserial:10 eventname:TICK_60 len:7\nwhen:60',
  );
});

test('the length counts bytes, not characters', () => {
  const event: SupervisorEvent = { type: 'REMOTE_COMMUNICATION', kind: 'k', data: 'größe' };
  const text = Buffer.from(
    eventMessage(event, { server: 's', pool: 'p', serial: 0, poolSerial: 0 }),
  ).toString();
  assert.match(text, /eventname:REMOTE_COMMUNICATION len:14\ntype:k\ngröße$/);
});
