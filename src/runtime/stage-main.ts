// The process behind dist/stage.cjs: a copy of the launcher, or the last step before a program with limits. It
// reads its order, does the one thing, and writes the verdict.
import { closeSync, openSync, writeSync } from 'node:fs';
import { SpawnError, TsdaemonError } from '../errors.js';
import { actAs, findAccount } from '../os/credentials.js';
import { closeOnExecAboveTwo, duplicate, keepOnExec } from '../os/descriptors.js';
import { exec } from '../os/invoke.js';
import { setLimit, setSoftOpenFiles } from '../os/limits.js';
import { readMessage } from '../os/message.js';
import { setNice } from '../os/priority.js';
import { setDisposition } from '../os/signals.js';
import { ORDER_DESCRIPTOR, type SentOrder, type StageVerdict, VERDICT_DESCRIPTOR } from './stage.js';
import { startDaemon } from './start-daemon.js';
import type { StartedDaemon } from './start-request.js';
import { startWatched } from './start-watched.js';

main();

function main(): void {
  const order = readMessage(ORDER_DESCRIPTOR) as SentOrder;
  // Another descriptor of the same pipe, close-on-exec: number 4 may be one that the program is to inherit.
  const verdict = openSync(`/dev/fd/${VERDICT_DESCRIPTOR}`, 'w');
  closeSync(VERDICT_DESCRIPTOR);
  try {
    if (order.do === 'start') return report(verdict, { started: start(order) });
    if (order.do === 'start-watched') return report(verdict, { started: startHeld(order) });
    becomeProgram(order);
  } catch (error) {
    report(verdict, { failed: failure(error) });
    process.exitCode = error instanceof SpawnError ? error.exitCode : 125;
  }
}

/** What was to be kept arrives as an extra descriptor under a number of ours. */
function start({ request, passed }: Extract<SentOrder, { do: 'start' }>): StartedDaemon {
  return startDaemon(request, new Map(passed));
}

function startHeld({ request, readyTimeoutMs }: Extract<SentOrder, { do: 'start-watched' }>): StartedDaemon {
  const { pid, record, outputs } = startWatched(request, readyTimeoutMs);
  return { pid, record: { ...record, outputs }, created: [] };
}

function becomeProgram({
  invocation,
  passed,
  limits,
  softOpenFiles,
  hangup,
  user,
  nice,
}: Extract<SentOrder, { do: 'exec' }>): never {
  const account = user === null ? null : findAccount(user);
  closeOnExecAboveTwo();
  for (const [there, here] of passed) duplicate(here, there);
  for (const standard of [0, 1, 2]) keepOnExec(standard);
  for (const signal of ['SIGPIPE', 'SIGXFSZ'] as const) setDisposition(signal, 'default');
  setDisposition('SIGHUP', hangup);
  return exec(invocation, () => {
    // Last, and little after them: they may leave Node no room to work in. Before the user: root may raise them.
    if (softOpenFiles !== null) setSoftOpenFiles(softOpenFiles);
    for (const limit of limits) setLimit(limit);
    if (nice !== null) setNice(nice);
    if (account !== null) actAs(account);
  });
}

function failure(error: unknown): Extract<StageVerdict, { failed: unknown }>['failed'] {
  if (!(error instanceof TsdaemonError)) return { message: String(error), fields: { code: 'TSD_BUG' } };
  const exitCode = error instanceof SpawnError ? { exitCode: error.exitCode } : {};
  return { message: error.message, fields: { ...error, ...exitCode } };
}

function report(descriptor: number, verdict: StageVerdict): void {
  writeSync(descriptor, JSON.stringify(verdict));
  closeSync(descriptor);
}
