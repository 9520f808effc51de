// Waiting for what will become true: a limit, never a delay.
import { setTimeout as pause } from 'node:timers/promises';

export interface Wait {
  readonly withinMs: number;
}

/**
 * Tries the assertion until it no longer throws and returns what it returned; when the time is up, throws what it
 * threw last. It is tried at least twice, so that a machine that stood still does not fail a test.
 */
export async function until<T>(assertion: () => T | Promise<T>, { withinMs }: Wait): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await assertion();
    } catch (error) {
      if (attempt > 1 && performance.now() > deadline) throw error;
    }
    await pause(5);
  }
}
