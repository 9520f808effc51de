import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bringsBack,
  countRun,
  countStart,
  type Ending,
  firstStart,
  kindOf,
  waitMs,
  whyGiveUp,
} from '../../../src/core/restart-policy.js';
import type { ExitKind, RestartPolicy } from '../../../src/spec/service-spec.js';
import { anyPolicy, millis } from '../../support/any-service.js';

const policy = (changes: Partial<RestartPolicy>): RestartPolicy => ({ ...anyPolicy, ...changes });
const code = (number: number): Ending => ({ how: 'exited', code: number });
const killedBy = (signal: NodeJS.Signals): Ending => ({ how: 'killed', signal });

test('an exit is clean if its code or its signal is listed, and only then', () => {
  const rows: readonly [Ending, RestartPolicy['okExits'], ExitKind][] = [
    [code(0), [0], 'clean'],
    [code(0), [2], 'exit-code'],
    [code(0), [], 'exit-code'],
    [code(2), [0, 2], 'clean'],
    [killedBy('SIGTERM'), [0], 'signal'],
    [killedBy('SIGTERM'), [0, 'SIGTERM'], 'clean'],
    // The shell's 128 + n is an exit code, and a number in the list is no signal.
    [code(143), [0, 'SIGTERM'], 'exit-code'],
    [killedBy('SIGKILL'), [9, 137], 'signal'],
    [{ how: 'not-spawned', reason: 'no such file' }, [0], 'spawn-failed'],
    [{ how: 'unseen' }, [0], 'unknown'],
  ];
  for (const [ending, okExits, expected] of rows)
    assert.equal(kindOf(ending, policy({ okExits })), expected, JSON.stringify([ending, okExits]));
});

test('a listed exit decides before its kind does, and "never" before "always"', () => {
  const rows: readonly [Ending, Partial<RestartPolicy>, boolean][] = [
    [code(1), {}, true],
    [code(1), { neverAfter: [1] }, false],
    [code(2), { neverAfter: [1] }, true],
    [code(0), {}, false],
    [code(0), { alwaysAfter: [0] }, true],
    [code(0), { alwaysAfter: [0], neverAfter: [0] }, false],
    [killedBy('SIGUSR1'), { neverAfter: ['SIGUSR1'] }, false],
    [killedBy('SIGUSR1'), { on: [], alwaysAfter: ['SIGUSR1'] }, true],
    [{ how: 'unseen' }, { neverAfter: [0], on: ['unknown'] }, true],
    [{ how: 'not-spawned', reason: 'no such file' }, { alwaysAfter: [127], on: [] }, false],
  ];
  for (const [ending, changes, expected] of rows) {
    const exit = { kind: kindOf(ending, policy(changes)), ending };
    assert.equal(bringsBack(exit, true, policy(changes)), expected, JSON.stringify([ending, changes]));
  }
});

test('an exit before ready and one after have a list each', () => {
  const exit = { kind: 'exit-code', ending: code(1) } as const;
  const retryStartsOnly = policy({ on: [], onFailedStart: ['exit-code'] });
  assert.equal(bringsBack(exit, false, retryStartsOnly), true);
  assert.equal(bringsBack(exit, true, retryStartsOnly), false);
});

test('the wait grows by steps, by a factor, or not at all, up to its limit', () => {
  const rows: readonly [Partial<RestartPolicy>, readonly number[]][] = [
    // The waits after 0, 1, 2, 3 and 10 failures in a row.
    [{ delayMs: 0, backoffMs: 0 }, [0, 0, 0, 0, 0]],
    [{ delayMs: 100, backoffMs: 0 }, [100, 100, 100, 100, 100]],
    [{ delayMs: 0, backoffMs: 1000 }, [0, 1000, 2000, 3000, 10_000]],
    [{ delayMs: 100, backoffMs: 1000 }, [100, 1100, 2100, 3100, 10_100]],
    [{ delayMs: 100, backoffMs: 0, backoffFactor: 2 }, [100, 100, 200, 400, 51_200]],
    [{ delayMs: 100, backoffMs: 0, backoffFactor: 2, backoffMaxMs: 300 }, [100, 100, 200, 300, 300]],
    [{ delayMs: 0, backoffMs: 1000, backoffMaxMs: 2500 }, [0, 1000, 2000, 2500, 2500]],
    [{ delayMs: 100, backoffMs: 10, backoffFactor: 2 }, [100, 110, 220, 430, 51_300]],
  ];
  for (const [changes, expected] of rows) {
    const waits = [0, 1, 2, 3, 10].map((failures) => waitMs(failures, 0.5, policy(changes)));
    assert.deepEqual(waits, expected, JSON.stringify(changes));
  }
});

test('jitter takes off at most its share, and never adds', () => {
  const waits = (jitter: number): readonly number[] =>
    [0, 0.5, 1].map((random) => waitMs(1, random, policy({ delayMs: 1000, backoffMs: 0, jitter })));
  assert.deepEqual(waits(0), [1000, 1000, 1000]);
  assert.deepEqual(waits(0.5), [1000, 750, 500]);
  assert.deepEqual(waits(1), [1000, 500, 0]);
});

test('after a million failures the wait is still a number', () => {
  const year = 365 * 24 * 3_600_000;
  assert.equal(waitMs(1e6, 0, policy({ delayMs: 0, backoffMs: 0, backoffFactor: 2 })), 0);
  assert.equal(waitMs(1e6, 0, policy({ delayMs: 1, backoffMs: 0, backoffFactor: 2 })), year);
  assert.equal(waitMs(1e6, 0, policy({ delayMs: 1, backoffFactor: 2, backoffMaxMs: 60_000 })), 60_000);
});

test('a run that lasted clears the failures, a shorter one and a failed start add one', () => {
  const before = { ...firstStart(millis(0)), failures: 2 };
  const rows: readonly [number | null, number | null, number][] = [
    // How long it was ready, resetAfterMs, the failures then.
    [999, 1000, 3],
    [1000, 1000, 0],
    [0, 0, 0],
    [null, 0, 3],
    [1e9, null, 3],
  ];
  for (const [upMs, resetAfterMs, failures] of rows)
    assert.deepEqual(countRun(before, upMs, policy({ resetAfterMs })), { ...before, failures });
});

test('a window is fixed: it opens with a start, and the first start after its end opens the next', () => {
  const limited = policy({ retries: 1, withinMs: 1000 });
  const opened = firstStart(millis(5000));
  const second = countStart(opened, millis(6000), limited);
  assert.deepEqual(second, { failures: 0, starts: 2, windowOpenedAt: 5000 });
  assert.equal(whyGiveUp(second, limited), null);
  const third = countStart(second, millis(6000), limited);
  assert.equal(whyGiveUp(third, limited), 'starts within 1 s: 2');
  const later = countStart(second, millis(6001), limited);
  assert.deepEqual(later, { failures: 0, starts: 1, windowOpenedAt: 6001 });
  assert.equal(whyGiveUp(later, limited), null);
});

test('without a window only failures in a row count, and without a limit nothing does', () => {
  const tally = { failures: 4, starts: 1000, windowOpenedAt: millis(0) };
  assert.equal(whyGiveUp(tally, policy({ retries: 3 })), 'failures in a row: 4');
  assert.equal(whyGiveUp(tally, policy({ retries: 4 })), null);
  assert.equal(whyGiveUp(tally, policy({ retries: null })), null);
  assert.equal(whyGiveUp(tally, policy({ retries: null, withinMs: 1 })), null);
  assert.equal(whyGiveUp({ ...tally, failures: 0 }, policy({ retries: 0 })), null);
});
