// tsdaemon supervise, which is also what answers to the name supervisord: its options, its words, its exit codes.
import { ConfigError, TsdaemonError } from '../errors.js';
import type { SupervisordConfig } from '../formats/supervisord/config.js';
import { nothingFound, searchPaths } from '../formats/supervisord/discovery.js';
import { overrideFault, readSupervisordLine, type SupervisordLine } from '../formats/supervisord/options.js';
import type { Caller } from '../os/caller.js';
import {
  type ConfigPlace,
  configSource,
  findSupervisordConfig,
  movedTo,
  placeOf,
  readConfigAt,
} from '../runtime/load-supervisord-config.js';
import { type SupervisorStart, superviseDetached, superviseHere } from '../runtime/start-supervisor.js';
import { userState } from './context.js';
import { print, write } from './output.js';
import type { LinkedCommand } from './parse-plain.js';
import { superviseHelp } from './supervise-help.js';

/** The version of Supervisor whose place it takes. */
export const SUPERVISOR_VERSION = '4.3.0';

/** For those who call us by its name. */
export const supervisordCommand: LinkedCommand = (caller) =>
  superviseCommand(caller.args, caller, caller.invokedAs);

/** Returns the exit code. */
export function superviseCommand(words: readonly string[], caller: Caller, calledAs: string): number {
  const line = readSupervisordLine(words);
  switch (line.do) {
    case 'help':
      write(1, superviseHelp(calledAs));
      return 0;
    case 'version':
      print(SUPERVISOR_VERSION);
      return 0;
    case 'complain':
      return complain(line.text, calledAs);
    case 'supervise':
      return supervise(line, caller, calledAs);
  }
}

function supervise(
  line: Extract<SupervisordLine, { do: 'supervise' }>,
  caller: Caller,
  calledAs: string,
): number {
  const cwd = caller.cwd ?? '/';
  const found = line.configFile ?? findSupervisordConfig(process.argv[1]!);
  if (found === null) return complain(nothingFound(searchPaths(process.argv[1]!)), calledAs);
  const { environment } = caller;
  const given = placeOf(found, { overrides: line.overrides, cwd, environment });
  const fault = overrideFault(line.overrides, line.spelled, configSource(given));
  if (fault !== null) return complain(fault, calledAs);
  try {
    const config = readGiven(given, found);
    const { nodaemon, directory, umask, minfds } = config.supervisord;
    const place = movedTo(given, nodaemon ? null : directory);
    const start: SupervisorStart = {
      config,
      order: {
        place,
        // Read again where a relative path means another file than here.
        ...(place === given ? { kept: config } : {}),
        inherited: {
          cwd: place.cwd,
          umask: nodaemon ? process.umask() : umask,
          openFiles: caller.softOpenFiles === null ? null : Math.max(caller.softOpenFiles, minfds),
        },
      },
      stateDirectory: userState().path,
    };
    if (nodaemon) return superviseHere(start);
    superviseDetached(start);
    return 0;
  } catch (error) {
    if (!(error instanceof TsdaemonError)) throw error;
    if (error instanceof ConfigError && error.message.startsWith('Error: ')) {
      write(2, error.message);
      return 2;
    }
    return complain(error.message, calledAs);
  }
}

/** Throws ConfigError, which names the file as it was given. */
function readGiven(place: ConfigPlace, found: string): SupervisordConfig {
  try {
    return readConfigAt(place);
  } catch (error) {
    if (error instanceof ConfigError) readConfigAt({ ...place, file: found });
    throw error;
  }
}

function complain(text: string, calledAs: string): number {
  write(2, `Error: ${text}\nFor help, use ${calledAs} -h\n`);
  return 2;
}
