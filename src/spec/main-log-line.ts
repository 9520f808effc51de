// One line of the supervisor's own log, and how much it matters.

/** As they are written, with the word that `loglevel=` has for each. The most urgent is the first. */
export const logLevels = {
  CRIT: 'critical',
  ERRO: 'error',
  WARN: 'warn',
  INFO: 'info',
  DEBG: 'debug',
  TRAC: 'trace',
  BLAT: 'blather',
} as const;

export type LogLevel = keyof typeof logLevels;

export interface MainLogLine {
  readonly level: LogLevel;
  readonly text: string;
}

const urgency = Object.keys(logLevels) as readonly LogLevel[];

/** Whether a log with the threshold `least` has lines of this level. */
export const isLogged = (level: LogLevel, least: LogLevel): boolean =>
  urgency.indexOf(level) <= urgency.indexOf(least);
