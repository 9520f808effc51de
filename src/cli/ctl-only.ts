// ctl by itself, which scripts call again and again: dist/ctl.cjs is half of the whole, and starts 1 ms sooner.
import { runMain } from './main.js';

export const main = (): Promise<number> =>
  runMain({
    handlers: { ctl: async () => (await import('./ctl.js')).ctlCommand },
    raw: {},
    links: { supervisorctl: async () => (await import('./supervisorctl-options.js')).parseSupervisorctl },
  });
export { exitNow } from '../os/invoke.js';
