// The types of Supervisor's events, as a tree: who asks for a type gets all that descend from it.

/** Each type with the one it descends from. */
const parents = {
  EVENT: null,
  PROCESS_STATE: 'EVENT',
  PROCESS_STATE_STARTING: 'PROCESS_STATE',
  PROCESS_STATE_RUNNING: 'PROCESS_STATE',
  PROCESS_STATE_BACKOFF: 'PROCESS_STATE',
  PROCESS_STATE_STOPPING: 'PROCESS_STATE',
  PROCESS_STATE_EXITED: 'PROCESS_STATE',
  PROCESS_STATE_STOPPED: 'PROCESS_STATE',
  PROCESS_STATE_FATAL: 'PROCESS_STATE',
  PROCESS_STATE_UNKNOWN: 'PROCESS_STATE',
  PROCESS_LOG: 'EVENT',
  PROCESS_LOG_STDOUT: 'PROCESS_LOG',
  PROCESS_LOG_STDERR: 'PROCESS_LOG',
  PROCESS_COMMUNICATION: 'EVENT',
  PROCESS_COMMUNICATION_STDOUT: 'PROCESS_COMMUNICATION',
  PROCESS_COMMUNICATION_STDERR: 'PROCESS_COMMUNICATION',
  REMOTE_COMMUNICATION: 'EVENT',
  SUPERVISOR_STATE_CHANGE: 'EVENT',
  SUPERVISOR_STATE_CHANGE_RUNNING: 'SUPERVISOR_STATE_CHANGE',
  SUPERVISOR_STATE_CHANGE_STOPPING: 'SUPERVISOR_STATE_CHANGE',
  TICK: 'EVENT',
  TICK_5: 'TICK',
  TICK_60: 'TICK',
  TICK_3600: 'TICK',
  PROCESS_GROUP: 'EVENT',
  PROCESS_GROUP_ADDED: 'PROCESS_GROUP',
  PROCESS_GROUP_REMOVED: 'PROCESS_GROUP',
} as const;

export type EventType = keyof typeof parents;

export const eventTypes = Object.keys(parents) as readonly EventType[];

/** Whether who asked for `wanted` gets what is of `type`. */
export function isSubscribed(wanted: readonly EventType[], type: EventType): boolean {
  for (let each: EventType | null = type; each !== null; each = parents[each])
    if (wanted.includes(each)) return true;
  return false;
}

/** The value of `events=`: names between commas, in either case. Each is told once, and what is no type apart. */
export function parseEventTypes(list: string): {
  readonly types: readonly EventType[];
  readonly unknown: readonly string[];
} {
  const names = new Set(list === '' ? [] : list.split(',').map((name) => name.trim().toUpperCase()));
  return {
    types: eventTypes.filter((type) => names.has(type)),
    unknown: [...names].filter((name) => !Object.hasOwn(parents, name)),
  };
}
