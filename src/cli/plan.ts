// tsdaemon plan: what a supervisor would do if it read its configuration now. Nothing is done.
import type { KeyChange } from '../formats/supervisord/plan-update.js';
import { type UpdateStep, updateSteps } from '../formats/supervisord/update-steps.js';
import { type KnownSupervisor, supervisorOf } from '../runtime/known-supervisors.js';
import { type ConfigPlace, placeOf, readConfigAt } from '../runtime/load-supervisord-config.js';
import { visible } from '../spec/byte-text.js';
import { idOf } from '../spec/supervision.js';
import { configFile } from './config-file.js';
import { type Handler, userState } from './context.js';
import { print, printJson } from './output.js';

export const planCommand: Handler = (parsed, { cwd, environment }) => {
  const given: ConfigPlace = placeOf(configFile(parsed), { overrides: {}, cwd: cwd ?? '/', environment });
  const supervisor = supervisorOf(given.file, userState());
  // With its own options and environment, since that is how it will read.
  const config = readConfigAt(supervisor?.about.place ?? given);
  const steps = updateSteps(supervisor ?? { groups: [] }, config, (process) =>
    isUp(supervisor, idOf(process)),
  );
  if (parsed.flags.json === true) printJson(asJson(given.file, supervisor, steps));
  else print(visibleText(given.file, supervisor, steps));
  return 0;
};

function isUp(supervisor: KnownSupervisor | null, id: string): boolean {
  const state = supervisor?.processes[id]?.memory.program.state.name;
  return state === 'STARTING' || state === 'RUNNING' || state === 'BACKOFF';
}

function visibleText(file: string, supervisor: KnownSupervisor | null, steps: readonly UpdateStep[]): string {
  const who =
    supervisor === null
      ? `no supervisor runs with ${file}; supervise would:`
      : `supervisor ${supervisor.holder.pid} would read ${file} and:`;
  const lines = steps.map((step) => {
    const why = step.keys.map(({ key, from, to }) => `${key}: ${from} -> ${to}`).join('; ');
    return `  ${step.do} ${step.name}${why === '' ? '' : `  ${why}`}`;
  });
  return [who, ...(lines.length === 0 ? ['  change nothing'] : lines)].map(visible).join('\n');
}

function asJson(file: string, supervisor: KnownSupervisor | null, steps: readonly UpdateStep[]): unknown {
  return {
    file,
    supervisor:
      supervisor === null ? null : { pid: supervisor.holder.pid, identifier: supervisor.about.identifier },
    steps: steps.map(({ keys, ...step }) => ({ ...step, keys: keys.map(withValues) })),
  };
}

const withValues = ({ key, from, to }: KeyChange): unknown => ({
  key,
  from: JSON.parse(from) as unknown,
  to: JSON.parse(to) as unknown,
});
