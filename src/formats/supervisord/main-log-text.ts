// A line of the main log as it stands in the file: `2025-01-01 12:00:00,123 INFO supervisord started with pid 1`.
import type { MainLogLine } from '../../spec/main-log-line.js';
import type { EpochMs } from '../../spec/time.js';

/** With its newline. `utcOffsetMinutes` is how far local time was ahead of UTC at that moment. */
export const mainLogText = ({ level, text }: MainLogLine, at: EpochMs, utcOffsetMinutes: number): string =>
  `${timestamp(at + utcOffsetMinutes * 60_000)} ${level} ${text}\n`;

function timestamp(localMs: number): string {
  const days = Math.floor(localMs / DAY_MS);
  const ms = localMs - days * DAY_MS;
  const time = [ms / 3_600_000, (ms / 60_000) % 60, (ms / 1000) % 60]
    .map((part) => padded(part, 2))
    .join(':');
  return `${dateOf(days)} ${time},${padded(ms % 1000, 3)}`;
}

/** The day so many days after 1970-01-01. Years begin in March here, so that the odd day is their last. */
function dateOf(days: number): string {
  const shifted = days + DAYS_FROM_YEAR_0;
  const era = Math.floor(shifted / DAYS_IN_400_YEARS);
  const dayOfEra = shifted - era * DAYS_IN_400_YEARS;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${padded(year, 4)}-${padded(month, 2)}-${padded(day, 2)}`;
}

const padded = (value: number, digits: number): string => String(Math.floor(value)).padStart(digits, '0');

const DAY_MS = 86_400_000;
/** From 0000-03-01 to 1970-01-01. */
const DAYS_FROM_YEAR_0 = 719_468;
const DAYS_IN_400_YEARS = 146_097;
