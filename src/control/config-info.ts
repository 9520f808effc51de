// The struct of getAllConfigInfo: one process as it is configured, under the names of its keys.
import type { GroupConfig, LogFile, ProcessConfig } from '../formats/supervisord/config.js';
import { signalNumber } from '../os/signals.js';
import type { AutoLogs } from '../runtime/auto-logs.js';

export type ConfigInfo = { readonly [key: string]: string | number | boolean | number[] } & {
  readonly name: string;
};

export interface ConfiguredProcess {
  readonly group: GroupConfig;
  readonly process: ProcessConfig;
  readonly isActive: boolean;
  /** The files that AUTO stands for; null: it was read but not put to use yet. */
  readonly autoLogs: AutoLogs | null;
}

/** What is absent is the word `none`: XML-RPC has no null. */
export function configInfo({ group, process, isActive, autoLogs }: ConfiguredProcess): ConfigInfo {
  return {
    autostart: process.autostart,
    command: process.command,
    directory: process.directory ?? 'none',
    exitcodes: [...process.exitcodes],
    group: group.name,
    group_prio: group.priority,
    inuse: isActive,
    killasgroup: process.killasgroup,
    name: process.name,
    process_prio: process.priority,
    redirect_stderr: process.redirect_stderr,
    serverurl: process.serverurl ?? 'none',
    startretries: process.startretries,
    startsecs: process.startsecs,
    stopsignal: signalNumber(process.stopsignal),
    stopwaitsecs: process.stopwaitsecs,
    uid: process.user?.uid ?? 'none',
    stdout_capture_maxbytes: process.stdout_capture_maxbytes,
    stdout_events_enabled: process.stdout_events_enabled,
    stdout_logfile: logWord(process.stdout_logfile, autoLogs?.stdout),
    stdout_logfile_backups: process.stdout_logfile_backups,
    stdout_logfile_maxbytes: process.stdout_logfile_maxbytes,
    stdout_syslog: process.stdout_syslog,
    stderr_capture_maxbytes: process.stderr_capture_maxbytes,
    stderr_events_enabled: process.stderr_events_enabled,
    stderr_logfile: logWord(process.stderr_logfile, autoLogs?.stderr),
    stderr_logfile_backups: process.stderr_logfile_backups,
    stderr_logfile_maxbytes: process.stderr_logfile_maxbytes,
    stderr_syslog: process.stderr_syslog,
  };
}

const logWord = (log: LogFile, autoLog: string | null = null): string =>
  log.kind === 'file' ? log.path : log.kind === 'auto' ? (autoLog ?? log.kind) : log.kind;
