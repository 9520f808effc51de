import assert from 'node:assert/strict';
import test from 'node:test';
import { type NotifyMessage, parseNotifyMessage } from '../../../src/core/notify-message.js';

const SILENT: NotifyMessage = {
  lifecycle: null,
  sentAt: null,
  status: null,
  mainPid: null,
  heartbeat: null,
  newHeartbeat: null,
  extendMs: null,
  forgivesRestarts: false,
  errno: null,
  errorName: null,
  isBarrier: false,
  diagnostics: [],
};

const parse = (text: string | Uint8Array): NotifyMessage => parseNotifyMessage(Buffer.from(text));

/** Everything that a message does not mention must be as if it had not come. */
const understood: readonly (readonly [text: string, expected: Record<string, unknown>])[] = [
  ['', {}],
  ['READY=1', { lifecycle: 'ready' }],
  ['READY=1\n', { lifecycle: 'ready' }],
  ['READY=1\0', { lifecycle: 'ready' }],
  ['\n\r\nREADY=1\n\n', { lifecycle: 'ready' }],
  ['RELOADING=1\nMONOTONIC_USEC=1500000', { lifecycle: 'reloading', sentAt: 1500 }],
  ['READY=1\nRELOADING=1', { lifecycle: 'reloaded' }],
  ['READY=1\nSTOPPING=1', { lifecycle: 'stopping' }],
  ['RELOADING=1\nREADY=1\nSTOPPING=1', { lifecycle: 'stopping' }],
  ['STATUS=Completed 66% of file system check…', { status: 'Completed 66% of file system check…' }],
  ['STATUS=', { status: '' }],
  ['STATUS=a=b=c', { status: 'a=b=c' }],
  ['STATUS= \\n\ttabs and blanks stay ', { status: ' \\n\ttabs and blanks stay ' }],
  ['STATUS=C:\\dir\u2028next', { status: 'C:\\dir\u2028next' }],
  ['MAINPID=4711', { mainPid: 4711 }],
  ['WATCHDOG=1', { heartbeat: 'alive' }],
  ['WATCHDOG=trigger', { heartbeat: 'lost' }],
  ['WATCHDOG_USEC=20000000', { newHeartbeat: { everyMs: 20_000 } }],
  ['WATCHDOG_USEC=500', { newHeartbeat: { everyMs: 0.5 } }],
  ['WATCHDOG_USEC=0', { newHeartbeat: { everyMs: null } }],
  ['WATCHDOG_USEC=18446744073709551615', { newHeartbeat: { everyMs: null } }],
  ['EXTEND_TIMEOUT_USEC=5000000', { extendMs: 5000 }],
  ['RESTART_RESET=1', { forgivesRestarts: true }],
  ['ERRNO=2', { errno: '2' }],
  ['ERRNO=ENOENT', { errno: 'ENOENT' }],
  ['BUSERROR=org.freedesktop.DBus.Error.TimedOut', { errorName: 'org.freedesktop.DBus.Error.TimedOut' }],
  [
    'VARLINKERROR=org.varlink.service.InvalidParameter',
    { errorName: 'org.varlink.service.InvalidParameter' },
  ],
  ['BARRIER=1', { isBarrier: true }],
  ['BARRIER=1\n', { isBarrier: true }],
  ['READY=1\nSTATUS=serving\nMAINPID=12', { lifecycle: 'ready', status: 'serving', mainPid: 12 }],
  // What nobody knows may be known to a later systemd, or to the program's own authors.
  ['X_SECRET=1\nFUTURE_FIELD=yes\nlower_case=1', {}],
  ['FDNAME=socket\nFDPOLL=0\nMAINPIDFDID=77', {}],
];

for (const [text, expected] of understood)
  test(`${JSON.stringify(text)} is understood without a remark`, () => {
    assert.deepEqual(parse(text), { ...SILENT, ...expected });
  });

/** What is left out, what still holds, and the words in which that is told. */
const malformed: readonly (readonly [text: string, expected: Record<string, unknown>, remark: RegExp])[] = [
  ['READY=0', {}, /^READY="0": only READY=1/],
  ['READY=yes\nSTATUS=on', { status: 'on' }, /READY="yes"/],
  ['READY=0\nREADY=1', { lifecycle: 'ready' }, /READY="0"/],
  ['RELOADING=true', {}, /RELOADING="true"/],
  ['STOPPING=', {}, /STOPPING=""/],
  ['hello world', {}, /"hello world" is no assignment/],
  ['=1\nREADY=1', { lifecycle: 'ready' }, /"=1" is no assignment/],
  [' READY=1', {}, /" READY=1" is no assignment/],
  ['MAINPID=', {}, /MAINPID=""/],
  ['MAINPID=abc', {}, /MAINPID="abc": is no pid/],
  ['MAINPID=0', {}, /MAINPID="0"/],
  ['MAINPID=1', {}, /MAINPID="1"/],
  ['MAINPID=-5', {}, /MAINPID="-5"/],
  ['MAINPID=+5', {}, /MAINPID/],
  ['MAINPID= 5', {}, /MAINPID/],
  ['MAINPID=0x10', {}, /MAINPID/],
  ['MAINPID=4294967295', {}, /MAINPID/],
  ['MAINPID=7\nMAINPID=8', { mainPid: 7 }, /MAINPID="8": was said before/],
  ['MAINPID=x\nMAINPID=8', {}, /MAINPID="x"/],
  ['STATUS=a\nSTATUS=b', { status: 'a' }, /STATUS="b": was said before/],
  ['WATCHDOG=0', {}, /WATCHDOG="0": is neither 1 nor trigger/],
  ['WATCHDOG_USEC=10s', {}, /WATCHDOG_USEC="10s"/],
  ['WATCHDOG_USEC=18446744073709551616', {}, /WATCHDOG_USEC/],
  ['EXTEND_TIMEOUT_USEC=-1', {}, /EXTEND_TIMEOUT_USEC/],
  ['EXTEND_TIMEOUT_USEC=1.5', {}, /EXTEND_TIMEOUT_USEC/],
  ['RELOADING=1\nMONOTONIC_USEC=soon', { lifecycle: 'reloading' }, /MONOTONIC_USEC="soon"/],
  ['ERRNO=broken', {}, /ERRNO="broken"/],
  ['BUSERROR=a\tb', {}, /BUSERROR="a\\tb"/],
  ['FDSTORE=1', {}, /^FDSTORE= is not honoured: descriptors are closed/],
  ['FDSTOREREMOVE=1\nFDNAME=x', {}, /^FDSTOREREMOVE=/],
  ['NOTIFYACCESS=all', {}, /^NOTIFYACCESS=/],
  ['MAINPIDFD=1', {}, /^MAINPIDFD=/],
  ['READY=1\nBARRIER=1', {}, /^message dropped: BARRIER=1 does not stand alone/],
  ['READY=1\0STATUS=x', {}, /^message dropped: a NUL byte/],
  ['\0READY=1', {}, /^message dropped: a NUL byte/],
];

for (const [text, expected, remark] of malformed)
  test(`${JSON.stringify(text)} is understood as far as it goes, and the rest is told`, () => {
    const { diagnostics, ...rest } = parse(text);
    const { diagnostics: _, ...silent } = SILENT;
    assert.deepEqual(rest, { ...silent, ...expected });
    assert.match(diagnostics[0] ?? '', remark);
  });

test('a status that is not UTF-8 is left out, and the rest of the message holds', () => {
  const bytes = Buffer.concat([Buffer.from('STATUS=caf'), Buffer.of(0xe9), Buffer.from('\nREADY=1')]);
  const message = parse(bytes);
  assert.equal(message.status, null);
  assert.equal(message.lifecycle, 'ready');
  assert.match(message.diagnostics.join(), /STATUS=.*is not UTF-8/);
});

test('a remark shows what was sent without its control characters, and not all of something long', () => {
  const { diagnostics } = parse(`\x1b[2J${'x'.repeat(3000)}`);
  assert.equal(diagnostics.length, 1);
  assert.match(diagnostics[0]!, /^[\x20-\x7e…]{1,100}$/);
});

test('names that every object has are names that nobody knows', () => {
  for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty'])
    assert.deepEqual(parse(`${name}=1`), SILENT, name);
});

test('no bytes make it throw', () => {
  for (let seed = 0; seed < 300; seed += 1) {
    const bytes = Buffer.from(
      Array.from({ length: seed }, (_, index) => (seed * 31 + index * index * 7) & 0xff),
    );
    assert.ok(Array.isArray(parse(bytes).diagnostics));
  }
});
