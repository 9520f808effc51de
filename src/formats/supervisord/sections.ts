// Which sections there are, and which keys belong to each.
import {
  commandKeys,
  type DirectiveTable,
  extraKeys,
  fcgiKeys,
  groupKeys,
  includeKeys,
  inetServerKeys,
  listenerKeys,
  processKeys,
  programKeys,
  supervisorctlKeys,
  supervisordKeys,
  unixServerKeys,
} from './directives.js';

const program = { ...programKeys, ...commandKeys, ...processKeys, ...extraKeys };

/** By the name of a section, up to its colon. `anything` takes keys that are not ours to know. */
export const sections: Readonly<
  Record<string, { readonly named: 'always' | 'never' | 'maybe'; readonly keys: DirectiveTable | 'anything' }>
> = {
  supervisord: { named: 'never', keys: supervisordKeys },
  supervisorctl: { named: 'never', keys: supervisorctlKeys },
  include: { named: 'never', keys: includeKeys },
  unix_http_server: { named: 'maybe', keys: unixServerKeys },
  inet_http_server: { named: 'maybe', keys: inetServerKeys },
  program: { named: 'always', keys: program },
  eventlistener: { named: 'always', keys: { ...program, ...listenerKeys } },
  'fcgi-program': { named: 'always', keys: { ...program, ...fcgiKeys } },
  group: { named: 'always', keys: groupKeys },
  rpcinterface: { named: 'always', keys: 'anything' },
  ctlplugin: { named: 'always', keys: 'anything' },
};
