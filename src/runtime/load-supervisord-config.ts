// Reads a supervisord.conf with the eyes of this machine.
import { resolve } from 'node:path';
import { variable } from '../core/environment.js';
import { ConfigError } from '../errors.js';
import { readAdded } from '../formats/supervisord/added.js';
import type { SupervisordConfig } from '../formats/supervisord/config.js';
import { searchPaths } from '../formats/supervisord/discovery.js';
import { type Overrides, withOverrides } from '../formats/supervisord/options.js';
import { readSupervisordConfig } from '../formats/supervisord/read-config.js';
import type { AddedProgram, ConfigSource } from '../formats/supervisord/source.js';
import { lookUpGroup, lookUpUser } from '../os/credentials.js';
import { isDirectory, readTextOrNull } from '../os/folders.js';
import { listFiles } from '../os/glob.js';
import { hostFacts } from '../os/host-facts.js';
import { resourceNames } from '../os/limits.js';
import { otherWriters } from '../os/other-writers.js';
import { cronFault } from './cron-fault.js';

/** Which configuration, and what is meant by the relative and the variable in it. */
export interface ConfigPlace {
  readonly file: string;
  readonly overrides: Overrides;
  readonly cwd: string;
  readonly environment: readonly string[];
  /** Where programs that were added at run time are kept. */
  readonly addedFile?: string;
}

/** For a long life. Throws ConfigError, whose message is supervisord's own. */
export function loadSupervisordConfig(
  place: ConfigPlace,
  programs: readonly AddedProgram[] = readAddedFile(place.addedFile),
): SupervisordConfig {
  // Plain data made anew is half the size: objects share their shapes, and texts hold no longer on to the whole file.
  return JSON.parse(JSON.stringify(readConfigAt(place, programs))) as SupervisordConfig;
}

/** For a short one. Throws ConfigError, whose message is supervisord's own. */
export function readConfigAt(
  place: ConfigPlace,
  programs: readonly AddedProgram[] = readAddedFile(place.addedFile),
): SupervisordConfig {
  const { addedFile: file } = place;
  const source = { ...configSource(place), ...(file === undefined ? {} : { added: { file, programs } }) };
  const config = withOverrides(readSupervisordConfig(source), place.overrides, source);
  if (typeof config === 'string') throw new ConfigError(config, []);
  return config;
}

/** Empty where nothing was added. Throws ConfigError for a file that somebody has spoilt. */
export function readAddedFile(file: string | undefined): readonly AddedProgram[] {
  const text = file === undefined ? null : readTextOrNull(file);
  const programs = text === null ? [] : readAdded(text);
  if (typeof programs !== 'string') return programs;
  throw new ConfigError(`cannot use ${file}: ${programs}`, []);
}

/** The place where the rest of a supervisor's life is: its `directory`, once it has daemonized. */
export function movedTo(place: ConfigPlace, directory: string | null): ConfigPlace {
  return directory === null ? place : { ...place, cwd: resolve(place.cwd, directory) };
}

/** A file as the caller means it. */
export const placeOf = (given: string, rest: Omit<ConfigPlace, 'file'>): ConfigPlace => ({
  ...rest,
  file: resolve(rest.cwd, given),
});

/** The first of the usual places that there is; null: none. */
export function findSupervisordConfig(executable: string): string | null {
  return searchPaths(executable).find((path) => readTextOrNull(path) !== null) ?? null;
}

export function configSource({ file, cwd, environment }: Omit<ConfigPlace, 'overrides'>): ConfigSource {
  return {
    path: file,
    cwd,
    readFile: readTextOrNull,
    listFiles,
    environment,
    host: {
      ...hostFacts(),
      uid: process.getuid!(),
      resources: resourceNames,
    },
    lookups: {
      user: (nameOrUid) => lookUpUser(String(nameOrUid)),
      group: lookUpGroup,
      isDirectory,
      cronFault,
      distrust: isTrusting(environment) ? () => null : otherWriters,
    },
  };
}

/** Who is not root gives nothing away. */
const isTrusting = (environment: readonly string[]): boolean =>
  process.geteuid!() !== 0 || variable(environment, 'TSDAEMON_TRUST_CONFIG') === '1';
