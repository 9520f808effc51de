// The names of other programs that we answer to: a link of that name is that program, options and all.
import type { LinkedCommand } from './parse-plain.js';

/** Loaded when needed. bin/tsdaemon.js and boot.ts know these names by how they begin. */
export const links: Readonly<Record<string, () => Promise<LinkedCommand>>> = {
  supervisord: async () => (await import('./supervise.js')).supervisordCommand,
  supervisorctl: async () => (await import('./supervisorctl-options.js')).parseSupervisorctl,
};
