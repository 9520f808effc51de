// TICK events: one whenever the wall clock passes a multiple of a period.
import { type EventType, isSubscribed } from '../spec/event-types.js';
import type { SupervisorEvent } from '../spec/supervisor-event.js';

const periods = { TICK_5: 5, TICK_60: 60, TICK_3600: 3600 } as const;
const tickTypes = Object.keys(periods) as readonly (keyof typeof periods)[];

/** What has to be said when the clock went from one second to another; one event per type, however far it jumped. */
export const ticksBetween = (from: number, to: number): readonly SupervisorEvent[] =>
  tickTypes
    .filter((type) => sliceOf(type, from) !== sliceOf(type, to))
    .map((type) => ({ type, when: sliceOf(type, to) }));

/** The second at which the next tick is due for who asked for these types; null: they asked for no ticks. */
export function nextTickAfter(second: number, wanted: readonly EventType[]): number | null {
  const dues = tickTypes
    .filter((type) => isSubscribed(wanted, type))
    .map((type) => sliceOf(type, second) + periods[type]);
  return dues.length === 0 ? null : Math.min(...dues);
}

const sliceOf = (type: keyof typeof periods, second: number): number =>
  Math.floor(second / periods[type]) * periods[type];
