import assert from 'node:assert/strict';
import test from 'node:test';
import * as messages from '../../../src/core/main-log.js';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');

test('every message has the level and the words of supervisord', () => {
  for (const [{ level, text }, line] of [
    [messages.spawned('x', 7), "INFO spawned: 'x' with pid 7"],
    [messages.spawnError("can't find command 'y'"), "INFO spawnerr: can't find command 'y'"],
    [
      messages.stayedUp('x', 1),
      'INFO success: x entered RUNNING state, process has stayed up for > than 1 seconds (startsecs)',
    ],
    [messages.gaveUp('x'), 'INFO gave up: x entered FATAL state, too many start retries too quickly'],
    [messages.exited('x', 'exit status 0', true), 'INFO exited: x (exit status 0; expected)'],
    [messages.exited('x', 'exit status 1', false), 'WARN exited: x (exit status 1; not expected)'],
    [messages.stopped('x', 'exit status 0', true), 'INFO stopped: x (exit status 0)'],
    [messages.stopped('x', 'terminated by SIGTERM', false), 'WARN stopped: x (terminated by SIGTERM)'],
    [messages.killing('x', 7, 'SIGTERM', 'process'), 'DEBG killing x (pid 7) with signal SIGTERM'],
    [messages.killing('x', 7, 'SIGINT', 'group'), 'DEBG killing x (pid 7) process group with signal SIGINT'],
    [messages.killingAtLast('x', 7), "WARN killing 'x' (7) with SIGKILL"],
    [messages.sending('x', 7, 'SIGUSR1'), 'DEBG sending x (pid 7) sig SIGUSR1'],
    [messages.sending('x', 7, 0), 'DEBG sending x (pid 7) sig signal 0'],
    [messages.reapedUnknown(7, 'exit status 0'), 'INFO reaped unknown pid 7 (exit status 0)'],
    [messages.waitingToStop('x'), 'INFO waiting for x to stop'],
    [messages.waitingToDie(['a', 'b']), 'INFO waiting for a, b to die'],
    [messages.output('x', 'stderr', bytes('a\nb\n')), "DEBG 'x' stderr output:\na\nb\n"],
    [messages.output('x', 'stdout', bytes('\xff')), "DEBG 'x' stdout output:\nUndecodable: b'\\xff'"],
    [messages.emittedCommunication('x', 'stdout'), "DEBG 'x' stdout emitted a comm event"],
    [messages.listenerOutput('x', bytes('READY\n')), "DEBG 'x' stdout output:\nb'READY\\n'"],
    [
      messages.eventNotSent(3, 'x'),
      'DEBG epipe occurred while sending event 3 to listener x, listener state unchanged',
    ],
    [messages.eventRebuffered(3, 'p', 1, 10), 'DEBG rebuffering event 3 for pool p (buf size=1, max=10)'],
    [messages.daemonizing(), 'INFO daemonizing the supervisord process'],
    [messages.directoryChanged('/srv'), "INFO set current directory: '/srv'"],
    [messages.started(1), 'INFO supervisord started with pid 1'],
    [messages.interfaceInitialized('supervisor'), "INFO RPC interface 'supervisor' initialized"],
    [messages.userChanged(33), 'INFO Set uid to user 33 succeeded'],
    [messages.logReopened(), 'INFO supervisord logreopen'],
    [messages.signalReceived('SIGTERM', false), 'WARN received SIGTERM indicating exit request'],
    [messages.signalReceived('SIGHUP', false), 'WARN received SIGHUP indicating restart request'],
    [
      messages.signalReceived('SIGHUP', true),
      'WARN ignored SIGHUP indicating restart request (shutdown in progress)',
    ],
    [messages.signalReceived('SIGCHLD', false), 'DEBG received SIGCHLD indicating a child quit'],
    [messages.signalReceived('SIGUSR2', false), 'INFO received SIGUSR2 indicating log reopen request'],
    [messages.signalReceived('SIGUSR1', false), 'BLAT received SIGUSR1 indicating nothing'],
  ] as const)
    assert.equal(`${level} ${text}`, line);
  assert.match(messages.ranAsRoot().text, /^Supervisor is running as root\. {2}Privileges were not dropped /);
});

test('how a process ended is told by its exit status, or its signal and whether it left a core dump', () => {
  assert.equal(messages.endingText({ how: 'exited', code: 3 }), 'exit status 3');
  assert.equal(messages.endingText({ how: 'killed', signal: 'SIGSEGV' }), 'terminated by SIGSEGV');
  assert.equal(
    messages.endingText({ how: 'killed', signal: 'SIGSEGV', dumpedCore: true }),
    'terminated by SIGSEGV (core dumped)',
  );
  assert.equal(messages.endingText({ how: 'unseen' }), 'exit status unknown');
});
