import { upgradeWatchdog, watchedDaemons } from '../runtime/ask-watchdog.js';
import { type Handler, targets, userState } from './context.js';
import { print, printJson } from './output.js';

export const upgradeCommand: Handler = async (parsed, caller) => {
  const state = userState();
  const all = parsed.flags.all === true ? watchedDaemons(state) : targets(parsed, caller);
  const upgraded = await Promise.all(all.map((target) => upgradeWatchdog(target, state)));
  if (parsed.flags.json === true) printJson({ upgraded });
  else for (const pid of upgraded) print(`upgraded watchdog ${pid}`);
  return 0;
};
