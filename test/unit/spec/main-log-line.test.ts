import assert from 'node:assert/strict';
import test from 'node:test';
import { isLogged, type LogLevel, logLevels } from '../../../src/spec/main-log-line.js';

test('a log has what is at least as urgent as its threshold', () => {
  const logged = (least: LogLevel): string =>
    (Object.keys(logLevels) as LogLevel[]).filter((level) => isLogged(level, least)).join(' ');
  assert.equal(logged('CRIT'), 'CRIT');
  assert.equal(logged('INFO'), 'CRIT ERRO WARN INFO');
  assert.equal(logged('BLAT'), 'CRIT ERRO WARN INFO DEBG TRAC BLAT');
});
