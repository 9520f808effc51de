import { reopenLogs, watchedDaemons } from '../runtime/ask-watchdog.js';
import { type Handler, targets, userState } from './context.js';
import { printJson } from './output.js';

/** Silent, as what is called by logrotate should be: cron makes a mail of every word. */
export const reopenCommand: Handler = async (parsed, caller) => {
  const state = userState();
  const all = parsed.flags.all === true ? watchedDaemons(state) : targets(parsed, caller);
  const reopened = await Promise.all(all.map((target) => reopenLogs(target, state)));
  if (parsed.flags.json === true) printJson({ reopened });
  return 0;
};
