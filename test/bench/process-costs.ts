// What the kernel says that a process costs. Linux only.
import { readdirSync, readFileSync } from 'node:fs';
import { statusField } from '../support/proc.js';

/** What belongs to this process alone. */
export function anonymousBytes(pid: number): number {
  return 1024 * Number.parseInt(statusField(pid, 'RssAnon'), 10);
}

/** Of all its threads since it began. */
export function contextSwitches(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const texts = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/status`, 'latin1'));
  const counts = texts.flatMap((text) => [...text.matchAll(/ctxt_switches:\s*(\d+)/g)]);
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}
