// Programs that clients added to a running supervisor: kept in a file of its own, so that it has them again whenever it
// reads its configuration, in this life or the next.
import { join } from 'node:path';
import { ConfigError } from '../errors.js';
import { readAdded } from '../formats/supervisord/added.js';
import type { AddedProgram } from '../formats/supervisord/source.js';
import { replaceText } from '../os/folders.js';
import { type ConfigPlace, loadSupervisordConfig, readAddedFile } from './load-supervisord-config.js';
import type { SupervisorDaemon } from './supervisor-daemon.js';

export const addedFileIn = (folder: string): string => join(folder, 'added.json');

export class AddedPrograms {
  readonly #daemon: SupervisorDaemon;
  readonly #place: ConfigPlace;
  readonly #file: string;

  constructor(daemon: SupervisorDaemon, place: ConfigPlace, file: string) {
    this.#daemon = daemon;
    this.#place = place;
    this.#file = file;
  }

  /** Adds what is new, and brings what is there to what is said now. Throws ConfigError, with nothing done. */
  async add(json: string): Promise<void> {
    const given = readAdded(json);
    if (typeof given === 'string') throw new ConfigError(given, []);
    const names = given.map(({ name }) => name);
    const others = this.#kept().filter(({ name }) => !names.includes(name));
    this.#check([...others, ...given], names);
    this.#keep([...others, ...given]);
    await this.#bring(names);
  }

  /** Resolves when it has been stopped; to false where it was not added. */
  async remove(name: string): Promise<boolean> {
    const kept = this.#kept();
    const others = kept.filter((program) => program.name !== name);
    if (others.length === kept.length) return false;
    this.#check(others, []);
    this.#keep(others);
    await this.#bring([name]);
    return true;
  }

  #kept(): readonly AddedProgram[] {
    return readAddedFile(this.#file);
  }

  #keep(programs: readonly AddedProgram[]): void {
    replaceText(this.#file, JSON.stringify(programs.map(({ name, values }) => ({ name, ...values }))));
  }

  #check(programs: readonly AddedProgram[], names: readonly string[]): void {
    const { groups } = loadSupervisordConfig(this.#place, programs);
    for (const name of names) {
      const found = groups.find((group) => group.name === name);
      if (found?.processes[0]?.file !== this.#file)
        throw new ConfigError(`${name} is in the configuration file`, []);
    }
  }

  async #bring(names: readonly string[]): Promise<void> {
    const isMeant = (name: string): boolean => names.includes(name);
    await this.#daemon.update(() => {
      const plan = this.#daemon.reread();
      if (typeof plan === 'string') throw new ConfigError(plan, []);
      return {
        added: plan.added.filter(isMeant),
        changed: plan.changed.filter(isMeant),
        removed: plan.removed.filter(isMeant),
        changes: plan.changes.filter(({ name }) => isMeant(name)),
      };
    });
    this.#daemon.supervisor.startUnasked();
  }
}
