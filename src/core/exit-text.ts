// How a run ended, in words for `status`, the logs and error lines.
import type { Ending, Exit } from './restart-policy.js';
import type { ServiceState } from './service-machine.js';

/** The kind too, where the ending alone would be taken for the program's own doing. */
export function describeExit({ kind, ending }: Exit): string {
  const what = describeEnding(ending);
  return kind === 'timeout' || kind === 'heartbeat-lost' || kind === 'over-memory'
    ? `${kind}, ${what}`
    : what;
}

/** Of a run that has just ended in this state, which may know what was wrong with it before. */
export function describeEndIn(state: ServiceState, ending: Ending): string {
  const cause = state.name === 'STOPPING' && typeof state.next === 'object' ? state.next.cause : null;
  return cause === null ? describeEnding(ending) : describeExit({ kind: cause, ending });
}

function describeEnding(ending: Ending): string {
  switch (ending.how) {
    case 'exited':
      return `exit code ${ending.code}`;
    case 'killed':
      return `killed by ${ending.signal}`;
    case 'not-spawned':
      return ending.reason;
    case 'unseen':
      return 'ended while nobody was watching';
  }
}
