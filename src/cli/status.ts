import { type DaemonStatus, statusOf, statusOfAll } from '../runtime/status.js';
import { visible } from '../spec/byte-text.js';
import { type Handler, targets, userState } from './context.js';
import { formatBytes, formatDuration, formatTable, formatWords } from './format.js';
import { print, printJson } from './output.js';

export const statusCommand: Handler = (parsed, caller) => {
  const state = userState();
  const all = targets(parsed, caller).map((target) => statusOf(target, state));
  if (parsed.flags.json === true) printJson(all.length === 1 ? all[0] : all);
  else for (const status of all) print(describe(status));
  return Math.max(...all.map(({ code }) => code));
};

function describe(status: DaemonStatus): string {
  const what = status.name ?? status.pidfile ?? 'daemon';
  if (status.pid === null) return `${what}: ${status.state}: ${status.reason}`;
  const facts = [
    `process ${status.pid}`,
    status.uptimeMs === null ? null : `up ${formatDuration(status.uptimeMs)}`,
    status.memoryBytes === null ? null : formatBytes(status.memoryBytes),
    status.command === null ? null : formatWords(status.command),
    ...watchdogFacts(status),
  ];
  return `${what}: ${status.state}, ${facts.filter((fact) => fact !== null).join(', ')}`;
}

function watchdogFacts({ watchdog }: DaemonStatus): string[] {
  if (watchdog === null) return [];
  const last = watchdog.lastExit === null ? '' : `, last: ${watchdog.lastExit}`;
  const holder = watchdog.pid === null ? 'its watchdog was killed' : `watchdog ${watchdog.pid}`;
  const next = watchdog.nextStartAt === null ? '' : `, next start: ${watchdog.nextStartAt}`;
  const reloading = watchdog.isReloading ? ['reloading'] : [];
  const said = watchdog.status === null ? [] : [`says: ${visible(watchdog.status)}`];
  return [`${holder}, ${watchdog.restarts} restarts${last}${next}`, ...reloading, ...said];
}

export const listCommand: Handler = (parsed) => {
  const all = statusOfAll(userState());
  if (parsed.flags.json === true) printJson(all);
  else if (all.length > 0) {
    const header = ['NAME', 'PID', 'STATE', 'UPTIME', 'CPU', 'MEMORY', 'COMMAND'];
    print(formatTable([header, ...all.map(row)], process.stdout.columns));
  }
  return 0;
};

function row(status: DaemonStatus): string[] {
  const { uptimeMs, cpuMs, memoryBytes } = status;
  return [
    status.name ?? '-',
    status.pid === null ? '-' : String(status.pid),
    status.state,
    uptimeMs === null ? '-' : formatDuration(uptimeMs),
    uptimeMs === null || cpuMs === null ? '-' : `${((100 * cpuMs) / Math.max(uptimeMs, 1)).toFixed(1)}%`,
    memoryBytes === null ? '-' : formatBytes(memoryBytes),
    status.command === null ? '-' : formatWords(status.command),
  ];
}
