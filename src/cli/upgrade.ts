import { findDaemon } from '../runtime/find-daemon.js';
import { isWatched, upgradeWatchdog } from '../runtime/upgrade-watchdog.js';
import { type Handler, targets, userState } from './context.js';
import { print, printJson } from './output.js';

export const upgradeCommand: Handler = async (parsed, caller) => {
  const state = userState();
  const every = (): { name: string }[] =>
    state.names().flatMap((name) => {
      const found = findDaemon({ name }, state);
      return found !== null && isWatched(found) ? [{ name }] : [];
    });
  const all = parsed.flags.all === true ? every() : targets(parsed, caller);
  const upgraded = await Promise.all(all.map((target) => upgradeWatchdog(target, state)));
  if (parsed.flags.json === true) printJson({ upgraded });
  else for (const pid of upgraded) print(`upgraded watchdog ${pid}`);
  return 0;
};
