import assert from 'node:assert/strict';
import test from 'node:test';
import { mainLogText } from '../../../../src/formats/supervisord/main-log-text.js';
import type { EpochMs } from '../../../../src/spec/time.js';
import { makeRandom } from '../../random.js';

const textAt = (ms: number, offsetMinutes: number): string =>
  mainLogText({ level: 'INFO', text: "spawned: 'x' with pid 1" }, ms as EpochMs, offsetMinutes);

test('a line has local time with milliseconds behind a comma, its level and its text', () => {
  assert.equal(
    textAt(Date.UTC(2025, 0, 1, 12, 0, 0, 123), 0),
    "2025-01-01 12:00:00,123 INFO spawned: 'x' with pid 1\n",
  );
  assert.match(textAt(Date.UTC(2024, 11, 31, 22, 59, 59, 7), 60), /^2024-12-31 23:59:59,007 INFO /);
  assert.match(textAt(Date.UTC(2025, 0, 1, 3, 0, 0, 0), -330), /^2024-12-31 21:30:00,000 INFO /);
});

test('the date is right on every day, leap years and ends of centuries too', () => {
  const random = makeRandom(1);
  const days = Array.from({ length: 400 * 366 }, (_, day) => day);
  for (const day of days) {
    const ms = day * 86_400_000 + random.below(86_400_000);
    assert.equal(
      textAt(ms, 0).slice(0, 23),
      new Date(ms).toISOString().slice(0, 23).replace('T', ' ').replace('.', ','),
    );
  }
});
