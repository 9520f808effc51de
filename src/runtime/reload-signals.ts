// A reload of the supervisor leaves alone what did not change. Under supervisord every program would have been started
// again, and have read its own configuration: those that can do so on a signal are sent it.
import * as messages from '../core/main-log.js';
import type { UpdatePlan } from '../formats/supervisord/plan-update.js';
import type { MainLogLine } from '../spec/main-log-line.js';
import type { SupervisedService } from '../spec/supervision.js';
import type { Supervisor } from './supervisor.js';

/** To every program that is up and that the plan leaves alone. What starts or stops has no need of it. */
export function sendReloadSignals(
  { processes }: Supervisor,
  plan: UpdatePlan,
  host: { log(line: MainLogLine): void; complain(attempt: string, error: unknown): void },
): void {
  for (const process of processes) {
    const { name, reloadSignal } = process.service;
    const { pid } = process;
    if (reloadSignal === null || pid === null || process.state.name !== 'RUNNING') continue;
    if (isTouched(process.service, plan)) continue;
    host.log(messages.reloading(name, pid, reloadSignal));
    try {
      process.signal(reloadSignal);
    } catch (error) {
      host.complain(`cannot reload ${name}`, error);
    }
  }
}

const isTouched = ({ name, group }: SupervisedService, { removed, changes }: UpdatePlan): boolean =>
  removed.includes(group) ||
  changes.some(
    (change) =>
      change.name === group &&
      (change.removed.includes(name) || change.changed.some((member) => member.name === name)),
  );
