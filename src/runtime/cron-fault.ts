// What is wrong with a schedule, asked while a configuration is read: before anything is started.

import { createRequire } from 'node:module';
import { reasonOf } from '../errors.js';

/** In croner's words; null: nothing. The package is loaded by the first configuration that has a schedule. */
export function cronFault(expression: string): string | null {
  const { Cron } = createRequire(import.meta.url)('croner') as typeof import('croner');
  try {
    // Without a function nothing is scheduled.
    new Cron(expression);
    return null;
  } catch (error) {
    return reasonOf(error);
  }
}
