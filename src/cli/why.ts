// tsdaemon why: what brought a program to the state in which it is.
import { NotFoundError, UsageError } from '../errors.js';
import { type Explanation, explain } from '../runtime/explain.js';
import { callersPath } from '../runtime/run-options.js';
import { visible } from '../spec/byte-text.js';
import { type Handler, text, userState } from './context.js';
import { formatDuration } from './format.js';
import { print, printJson } from './output.js';

export const whyCommand: Handler = (parsed, { cwd }) => {
  if (parsed.operands.length === 0) throw new UsageError('why: give a NAME');
  const state = userState();
  const given = text(parsed, 'configuration');
  const file = given === undefined ? null : callersPath(given, '--configuration', cwd);
  const all = parsed.operands.flatMap((name) => {
    const found = explain(name, state, file);
    if (found.length > 0) return found;
    throw new NotFoundError(`no supervisor and no watchdog in ${state.path} holds a program named '${name}'`);
  });
  if (parsed.flags.json === true) printJson(all);
  else for (const one of all) print(describe(one, Date.now()));
  return 0;
};

function describe(one: Explanation, now: number): string {
  const { holder, reason } = one;
  const who = holder.pid === null ? `its ${holder.kind} was killed` : `${holder.kind} ${holder.pid}`;
  const facts = [
    one.pid === null ? null : `process: ${one.pid}`,
    reason === null ? null : `because: ${reason}`,
    ...one.waitsFor.map(({ on, until, state }) => `waits for: ${on} (${until}), which is ${state}`),
    one.nextStartAt === null
      ? null
      : `next start: ${one.nextStartAt}, in ${formatDuration(Math.max(0, Date.parse(one.nextStartAt) - now))}`,
    `restarts: ${one.restarts}${one.failures === 0 ? '' : `, ${one.failures} failures in a row`}`,
    one.lastExit === null ? null : `last exit: ${one.lastExit}`,
    one.status === null ? null : `says: ${one.status}`,
    ...one.ends,
  ];
  const since = formatDuration(Math.max(0, now - Date.parse(one.since)));
  return [
    `${one.name}: ${one.state} for ${since}, ${who}${holder.file === null ? '' : `, ${holder.file}`}`,
    ...facts.filter((fact) => fact !== null).map((fact) => `  ${fact}`),
  ]
    .map(visible)
    .join('\n');
}
