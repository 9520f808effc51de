// Listeners that were busy when their supervisor was killed. Mostly they are, and answer to its successor. But what was
// killed between noting an event and writing it, or between reading an answer and noting it, leaves a listener that
// waits for us while we wait for it, and nobody can see that from outside.
import * as messages from '../core/main-log.js';
import type { MainLogLine } from '../spec/main-log-line.js';
import type { EventBus } from './event-bus.js';
import { isAtRest, type Supervisor } from './supervisor.js';

/** Under supervisord none would have outlived the kill, so to start one that is merely slow costs little. */
const ANSWER_WITHIN_MS = 10_000;

/** Those that have said nothing by then are started again; their event is given out once more. */
export function restartSilentListeners(
  supervisor: Supervisor,
  bus: EventBus,
  host: { log(line: MainLogLine): void },
): void {
  for (const { pool, listener, serial } of bus.inFlight()) {
    const process = supervisor.process(`${pool}:${listener}`);
    if (process === null || process.pid === null) continue;
    const { pid } = process;
    setTimeout(() => {
      const isWaitedFor = bus
        .inFlight()
        .some((each) => each.pool === pool && each.listener === listener && each.serial === serial);
      if (!isWaitedFor || process.pid !== pid || process.state.name !== 'RUNNING') return;
      host.log(messages.listenerSilent(listener, serial));
      supervisor.stop(process);
      void process.when(isAtRest).then(() => {
        // It may have been removed meanwhile.
        if (supervisor.process(process.id) === process) supervisor.start(process);
      });
    }, ANSWER_WITHIN_MS);
  }
}
