import type { StateDirectory } from '../os/state-directory.js';
import { upgradeSupervisor, upgradeWatchdog, watchedDaemons } from '../runtime/ask-watchdog.js';
import { type DaemonTarget, findDaemon } from '../runtime/find-daemon.js';
import { type KnownSupervisor, knownSupervisors } from '../runtime/known-supervisors.js';
import { type Handler, targets, userState } from './context.js';
import { print, printJson } from './output.js';

export const upgradeCommand: Handler = async (parsed, caller) => {
  const state = userState();
  const isAll = parsed.flags.all === true;
  const wanted = isAll ? watchedDaemons(state) : targets(parsed, caller);
  const running = knownSupervisors(state).filter(({ isRunning }) => isRunning);
  const supervisors = isAll ? running : wanted.flatMap((target) => meant(target, running, state));
  const watched = wanted.filter((target) => meant(target, running, state).length === 0);
  const watchdogs = await Promise.all(watched.map((target) => upgradeWatchdog(target, state)));
  const exchanged = await Promise.all(supervisors.map(upgradeSupervisor));
  if (parsed.flags.json === true) printJson({ upgraded: [...watchdogs, ...exchanged] });
  for (const [what, pids] of [
    ['watchdog', watchdogs],
    ['supervisor', exchanged],
  ] as const)
    if (parsed.flags.json !== true) for (const pid of pids) print(`upgraded ${what} ${pid}`);
  return 0;
};

/** A daemon that is a supervisor; one in the foreground goes by its identifier alone. */
function meant(
  target: DaemonTarget,
  running: readonly KnownSupervisor[],
  state: StateDirectory,
): readonly KnownSupervisor[] {
  const process = findDaemon(target, state)?.process ?? null;
  return running.filter(({ holder, about }) =>
    process === null ? 'name' in target && about.identifier === target.name : holder.pid === process.pid,
  );
}
