// The process behind dist/watchdog.cjs. It gets its order and gives its verdict as a daemonized app does, stays as
// long as there is something to watch, and does nothing between two events.
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errnoNameOf, reasonOf } from '../errors.js';
import { currentEnvironment } from '../os/caller.js';
import { duplicate, keepOnExec } from '../os/descriptors.js';
import { exec, exitNow } from '../os/invoke.js';
import { makeMessage, readMessage } from '../os/message.js';
import { ProcessHandle } from '../os/process-handle.js';
import { setDisposition } from '../os/signals.js';
import { StateDirectory } from '../os/state-directory.js';
import type { ServiceLife } from '../spec/service-life.js';
import { judgeIdentity } from './situation.js';
import {
  REOPEN_SIGNAL,
  UPGRADE_SIGNAL,
  WATCH_ORDER_DESCRIPTOR,
  WATCH_VERDICT_DESCRIPTOR,
  type WatchOrder,
  watchdogCommand,
} from './start-request.js';
import { type FirstStart, Watchdog } from './watchdog.js';

function main(): void {
  const order = readMessage(WATCH_ORDER_DESCRIPTOR) as WatchOrder;
  const { record, stateDirectory, memory } = order;
  const state = new StateDirectory(stateDirectory);
  const { name } = record.spec;
  const log = openSync(join(state.folderOf(name), 'watchdog.log'), 'a', 0o600);
  for (const standard of [1, 2]) duplicate(log, standard);
  closeSync(log);
  setDisposition('SIGHUP', 'ignore');
  const watchdog = new Watchdog(record, state, { firstStart: tell, over: () => exitNow(0) });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) process.on(signal, () => watchdog.stop());
  process.on(REOPEN_SIGNAL, () => void watchdog.reopen());
  process.on(UPGRADE_SIGNAL, () => {
    void watchdog.settle().then(() => exchangeCode({ ...order, memory: watchdog.memory() }));
  });
  if (memory !== undefined) watchdog.resume(memory);
  else {
    const life = state.readLife(name);
    watchdog.begin(life, life === null ? null : leftover(life));
  }
  // Nothing else keeps the loop alive while the program runs: its end arrives as a signal.
  setInterval(() => undefined, 2 ** 31 - 1);
}

/**
 * Becomes the watchdog.cjs that is installed now, in place: same pid, and the program stays its child. All that it
 * knows goes over in an order like the launcher's.
 */
function exchangeCode(order: WatchOrder): void {
  const message = makeMessage('tsdaemon-watch', order);
  const argv = watchdogCommand();
  const env = currentEnvironment();
  try {
    exec({ candidates: [process.execPath], argv, env }, () => {
      duplicate(message, WATCH_ORDER_DESCRIPTOR);
      for (const standard of [0, 1, 2]) keepOnExec(standard);
    });
  } catch (error) {
    // The old code still runs, and goes on.
    const reason = reasonOf(error);
    writeSync(2, `${new Date().toISOString()} cannot exchange the code of the watchdog: ${reason}\n`);
    closeSync(message);
  }
}

/** The program of a watchdog that was killed, if it lives. */
function leftover({ process: left }: ServiceLife): ProcessHandle | null {
  if (left === null || judgeIdentity(left).is !== 'alive') return null;
  return ProcessHandle.open(left.pid, left.startTime);
}

let verdict: number | null = WATCH_VERDICT_DESCRIPTOR;

function tell(outcome: FirstStart): void {
  if (verdict === null) return;
  try {
    writeSync(verdict, JSON.stringify(outcome));
  } catch (error) {
    // EPIPE: the launcher was killed or lost patience.
    if (errnoNameOf(error) !== 'EPIPE') throw error;
  }
  closeSync(verdict);
  verdict = null;
}

main();
