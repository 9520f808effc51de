import assert from 'node:assert/strict';
import { descriptorsOf, isAlive, signalsIn, statOf } from './proc.js';

const SIGHUP = 1;

/** What holds for every daemon that `run` started without further flags, wherever it was called from. */
export function assertDetached(pid: number): void {
  assert.ok(isAlive(pid), `process ${pid} does not run`);
  const { session, processGroup, terminal } = statOf(pid)!;
  assert.notEqual(session, pid, 'it leads its session');
  assert.equal(isAlive(session), false, 'the leader of its session lives');
  assert.equal(processGroup, session, 'it is not in the first process group of its session');
  assert.equal(terminal, 0, 'it has a controlling terminal');
  assert.deepEqual([...descriptorsOf(pid).keys()], [0, 1, 2]);
  assert.equal(descriptorsOf(pid).get(0), '/dev/null');
  assert.deepEqual(signalsIn(pid, 'SigIgn'), [SIGHUP]);
  assert.deepEqual(signalsIn(pid, 'SigBlk'), []);
}
