// [program:x] and its kin: one section becomes as many processes as numprocs says.

import { byText, repr } from '../../spec/python-text.js';
import { readEnvFile } from '../env-file.js';
import { absolutePath, folderOf, joinPath } from '../posix-path.js';
import { formatText } from '../python-format.js';
import { splitShellWords } from '../shlex.js';
import type { LogFile, ProcessConfig } from './config.js';
import { commandKeys, extraKeys, processKeys, programKeys } from './directives.js';
import { type Reading, SectionReader } from './reading.js';
import { type LogTarget, logTarget, pairs, unitName } from './value-types.js';

/** The name after the colon, which must be fit for a process; null if it was reported. */
export function nameOfSection(reading: Reading, section: string): string | null {
  return reading.convert(
    () => unitName(section.slice(section.indexOf(':') + 1)),
    reading.sectionPlace(section),
  );
}

/** Everything that is the same for all processes of a section. */
interface Program {
  readonly section: SectionReader;
  readonly group: string;
  readonly values: Omit<ProgramValues, 'killasgroup'> & { readonly killasgroup: boolean };
  readonly processName: string;
  readonly environmentText: string;
  /** `NAME=value` of [supervisord]. */
  readonly common: readonly string[];
}

type ProgramValues = ReturnType<typeof readProgramValues>;

export function readProcesses(
  reading: Reading,
  section: string,
  group: string,
  common: readonly string[],
): ProcessConfig[] {
  const suffix = ` in section ${repr(section)} (file: ${repr(reading.sectionPlace(section).file)})`;
  const program = readProgram(new SectionReader(reading, section, new Map(), suffix), group, common);
  if (program === null) return [];
  const { numprocs, numprocs_start: first } = program.values;
  const processes = Array.from({ length: Math.max(0, numprocs) }, (_, index) =>
    readProcess(program, first + index),
  );
  return processes.filter((instance) => instance !== null).sort((a, b) => byText(a.name, b.name));
}

/** A slip of the keyboard should not take all memory. */
const MOST_PROCESSES = 100_000;

function readProgram(section: SectionReader, group: string, common: readonly string[]): Program | null {
  const { reading, scope } = section;
  const colon = section.section.indexOf(':');
  const name = reading.convert(
    () => unitName(section.section.slice(colon + 1)),
    section.place,
    section.suffix,
  );
  if (name === null) return null;
  scope.set('here', reading.here);
  scope.set('program_name', name);
  scope.set('host_node_name', reading.source.host.nodeName);
  scope.set('group_name', group);
  const values = readProgramValues(section);
  const killasgroup = values.killasgroup ?? values.stopasgroup;
  const written = section.written('process_name')?.text ?? commandKeys.process_name.default;
  const processName = section.convert(() => unitName(written), 'process_name');
  if (values.numprocs > 1 && processName?.includes('%(process_num)') === false)
    section.error('%(process_num) must be present within process_name when numprocs > 1', 'numprocs');
  if (values.numprocs > MOST_PROCESSES) {
    section.error(`numprocs is above ${MOST_PROCESSES}`, 'numprocs');
    return null;
  }
  if (values.stopasgroup && !killasgroup)
    section.error('Cannot set stopasgroup=true and killasgroup=false', 'killasgroup');
  if (processName === null) return null;
  return {
    section,
    group,
    values: { ...values, killasgroup },
    processName,
    environmentText: section.written('environment')?.text ?? '',
    common,
  };
}

const readProgramValues = (section: SectionReader) => section.getAll(programKeys);

function readProcess(program: Program, processNum: number): ProcessConfig | null {
  const { values, processName } = program;
  const { reading, section: name, suffix } = program.section;
  const scope = new Map(program.section.scope);
  scope.set('process_num', processNum).set('numprocs', values.numprocs);
  const section = new SectionReader(reading, name, scope, suffix);
  const own = readOwnEnvironment(section, program.environmentText);
  for (const [variable, value] of own) scope.set(`ENV_${variable}`, value);
  const settings = section.getAll(processKeys);
  const [stdoutLog, stdoutSyslog] = readLogFile(section, 'stdout', settings.stdout_logfile, settings);
  const [stderrLog, stderrSyslog] = readLogFile(section, 'stderr', settings.stderr_logfile, settings);
  if (values.redirect_stderr && stderrLog.kind === 'file')
    reading.logWarning(
      `For [${name}], redirect_stderr=true but stderr_logfile has also been set to a filename, the filename has been ` +
        'ignored',
      section.placeOf('stderr_logfile'),
    );
  const command = section.text('command');
  if (section.written('command') === null)
    section.error(`program section ${name} does not specify a command`);
  const shownName = section.expand(processName, 'process_name', section.placeOf('process_name'));
  const extras = section.getAll(extraKeys);
  const fromFile = extras.env_file === null ? [] : loadEnvFile(section, extras.env_file);
  if (command === null || shownName === null) return null;
  // Object.assign, since spreading so many keys takes ten times as long, which a thousand programs feel.
  return Object.assign({}, values, settings, extras, splitCommand(command), section.place, {
    name: shownName,
    group: program.group,
    section: name,
    exit_on: extras.exit_on ?? (extras.essential ? ('exited' as const) : null),
    stdout_logfile: stdoutLog,
    stdout_syslog: stdoutSyslog,
    stderr_logfile: values.redirect_stderr ? nowhere : stderrLog,
    stderr_syslog: stderrSyslog,
    environment: mergeEnvironment(
      program.common,
      fromFile,
      [...own].map(([key, value]) => `${key}=${value}`),
    ),
  });
}

const nowhere = { kind: 'none' } as const;

function readOwnEnvironment(section: SectionReader, written: string): ReadonlyMap<string, string> {
  // Supervisor calls it by the key alone here.
  const text = section.expand(written, 'environment', section.placeOf('environment'));
  return (text === null ? null : section.convert(() => pairs(text), 'environment')) ?? new Map();
}

/** Supervisor expands this value twice, which makes %% fail. The second time counts where it works. */
function readLogFile(
  section: SectionReader,
  channel: 'stdout' | 'stderr',
  target: LogTarget,
  settings: Readonly<Record<`${typeof channel}_syslog`, boolean>> &
    Readonly<Record<`${typeof channel}_logfile_maxbytes`, number>>,
): [LogFile, boolean] {
  const { reading, section: name } = section;
  const key = `${channel}_logfile`;
  const syslog = settings[`${channel}_syslog`];
  const warn = (text: string, about: string): void =>
    reading.logWarning(`For [${name}], ${text}`, section.placeOf(about));
  if (target.kind === 'syslog') {
    warn(
      `${key}=syslog but this is deprecated and will be removed.  ` +
        `Use ${channel}_syslog=true to enable syslog instead.`,
      key,
    );
    return [{ kind: 'none' }, true];
  }
  const maxBytesKey = `${channel}_logfile_maxbytes` as const;
  if (target.kind === 'auto' && settings[maxBytesKey] === 0)
    warn(
      `AUTO logging used for ${key} without rollover, set maxbytes > 0 to avoid filling up filesystem unintentionally`,
      maxBytesKey,
    );
  if (target.kind !== 'file' || !target.path.includes('%')) return [target, syslog];
  const again = formatText(target.path, [section.scope, reading.environment], key);
  const text = 'text' in again ? again.text : target.path;
  const found = section.convert(() => logTarget(text, reading.source), key);
  return [found === null || found.kind === 'syslog' ? target : found, syslog];
}

function splitCommand(command: string): Pick<ProcessConfig, 'command' | 'argv' | 'commandFault'> {
  const split = splitShellWords(command);
  if ('fault' in split)
    return { command, argv: [], commandFault: `can't parse command ${repr(command)}: ${split.fault}` };
  return { command, argv: split.words, commandFault: split.words.length === 0 ? 'command is empty' : null };
}

/** Relative to the file that names it. */
function loadEnvFile(section: SectionReader, written: string): readonly string[] {
  const { reading } = section;
  const place = section.placeOf('env_file');
  const file = absolutePath(joinPath(folderOf(place.file), written), reading.source.cwd);
  let text: string | null;
  try {
    text = reading.source.readFile(file);
  } catch {
    section.error(`could not read env_file ${file}`, 'env_file');
    return [];
  }
  if (text === null) section.error(`could not find env_file ${file}`, 'env_file');
  const { variables, diagnostics } = readEnvFile(text ?? '', file);
  for (const { line, message } of diagnostics) reading.error(message, { file, line });
  return variables;
}

function mergeEnvironment(...layers: readonly (readonly string[])[]): string[] {
  const merged = new Map<string, string>();
  for (const variable of layers.flat()) merged.set(variable.slice(0, variable.indexOf('=', 1)), variable);
  return [...merged.values()];
}
