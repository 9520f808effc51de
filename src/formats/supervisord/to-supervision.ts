// What a configuration file asks to be supervised.
import type { ServiceSpec } from '../../spec/service-spec.js';
import {
  type Dependency,
  idOf,
  type StreamPlan,
  type SupervisedGroup,
  type SupervisedService,
} from '../../spec/supervision.js';
import type { GroupConfig, ProcessConfig, SupervisordConfig } from './config.js';
import { findProcesses } from './dependencies.js';
import { type SpecContext, toServiceSpec } from './to-service-spec.js';

/** `contextOf` tells what an instance needs beside its configuration, the names of its AUTO logs above all. */
export function toSupervisedGroup(
  group: GroupConfig,
  config: SupervisordConfig,
  contextOf: (instance: ProcessConfig) => SpecContext,
): SupervisedGroup {
  return {
    name: group.name,
    priority: group.priority,
    services: group.processes.map((instance) => toService(instance, group, config, contextOf(instance))),
    pool: group.kind === 'eventlisteners' ? { events: group.events, bufferSize: group.buffer_size } : null,
    socket: group.kind === 'fcgi' ? group.socket : null,
  };
}

function toService(
  instance: ProcessConfig,
  group: GroupConfig,
  config: SupervisordConfig,
  context: SpecContext,
): SupervisedService {
  const { strip_ansi } = config.supervisord;
  return {
    name: instance.name,
    group: instance.group,
    priority: instance.priority,
    spec: shareParts(toServiceSpec(instance, context)),
    commandFault: instance.commandFault,
    isListener: group.kind === 'eventlisteners',
    stdout: streamPlan(instance, 'stdout', strip_ansi, context),
    stderr: instance.redirect_stderr ? 'as-stdout' : streamPlan(instance, 'stderr', strip_ansi, context),
    dependencies: instance.depends_on.flatMap(({ name, until }) =>
      findProcesses(name, allProcesses(config)).map((on): Dependency => ({ on: idOf(on), condition: until })),
    ),
    reloadSignal: instance.reload_signal,
    exitOn: instance.exit_on ?? 'never',
  };
}

/** Most services agree in most parts of their specs, which then need not be there a thousand times. */
const parts = new Map<string, unknown>();

function shareParts(spec: ServiceSpec): ServiceSpec {
  const share = <T>(part: T): T => {
    const key = JSON.stringify(part);
    const known = parts.get(key);
    if (known === undefined) parts.set(key, part);
    return (known as T | undefined) ?? part;
  };
  const { start, restart, stop, abort, detach, user } = spec;
  return {
    ...spec,
    start: share(start),
    restart: share(restart),
    stop: share(stop),
    abort: share(abort),
    detach: share(detach),
    user: share(user),
  };
}

const allProcesses = ({ groups }: SupervisordConfig): ProcessConfig[] =>
  groups.flatMap(({ processes }) => processes);

function streamPlan(
  instance: ProcessConfig,
  channel: 'stdout' | 'stderr',
  stripsAnsi: boolean,
  { autoLogs }: SpecContext,
): StreamPlan {
  const file = instance[`${channel}_logfile`];
  const maxBytes = instance[`${channel}_logfile_maxbytes`];
  return {
    path: file.kind === 'file' ? file.path : file.kind === 'auto' ? autoLogs[channel] : null,
    maxBytes: maxBytes === 0 ? null : maxBytes,
    maxAgeMs: instance.log_max_age,
    backups: instance[`${channel}_logfile_backups`],
    compress: instance.log_compress,
    captureMaxBytes: instance[`${channel}_capture_maxbytes`],
    publishes: instance[`${channel}_events_enabled`],
    toSyslog: instance[`${channel}_syslog`],
    stripsAnsi,
  };
}
