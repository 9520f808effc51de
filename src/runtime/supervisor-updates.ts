// Brings the groups of a supervisor to what was read, as `supervisorctl update` would do it, but a member that has not
// changed is left alone.
import type { GroupConfig } from '../formats/supervisord/config.js';
import type { UpdatePlan } from '../formats/supervisord/plan-update.js';
import { InTurn } from '../os/in-turn.js';
import type { SupervisedGroup } from '../spec/supervision.js';
import type { Supervisor } from './supervisor.js';

export interface SupervisorUpdatesHost {
  /** What was read last. */
  configured(): readonly GroupConfig[];
  isActive(group: string): boolean;
  planOf(config: GroupConfig): SupervisedGroup;
  add(config: GroupConfig): void;
  /** The group is at rest. */
  remove(group: string): void;
  replaced(config: GroupConfig, plan: SupervisedGroup): void;
  /** A member that is no more. */
  gone(id: string): void;
}

export class SupervisorUpdates {
  readonly #supervisor: Supervisor;
  readonly #host: SupervisorUpdatesHost;
  readonly #turn = new InTurn();

  constructor(supervisor: Supervisor, host: SupervisorUpdatesHost) {
    this.#supervisor = supervisor;
    this.#host = host;
  }

  /**
   * One after the other, for the next plan is made of what the one before has left. Clients may add, remove and start
   * what they like while it waits for an end.
   */
  make(makePlan: () => UpdatePlan): Promise<void> {
    return this.#turn.take(() => this.#make(makePlan()));
  }

  async #make({ removed, changes, added }: UpdatePlan): Promise<void> {
    await Promise.all(removed.map((name) => this.#remove(name)));
    await Promise.all(changes.map((change) => this.#change(change)));
    for (const config of this.#host.configured())
      if (added.includes(config.name) && !this.#host.isActive(config.name)) this.#host.add(config);
  }

  async #remove(name: string): Promise<void> {
    const group = this.#supervisor.group(name);
    await this.#supervisor.stopGroup(name);
    if (this.#supervisor.group(name) === group) this.#host.remove(name);
  }

  async #change({ name, removed, changed }: UpdatePlan['changes'][number]): Promise<void> {
    const touched = new Set([...removed, ...changed.map((member) => member.name)]);
    const config = this.#host.configured().find((group) => group.name === name)!;
    const plan = this.#host.planOf(config);
    const isReplaced = await this.#supervisor.replaceGroup(
      plan,
      ({ service }) => !touched.has(service.name),
      (id) => this.#host.gone(id),
    );
    // Not before: an exchange that comes meanwhile has to find the change still to be made.
    if (isReplaced) this.#host.replaced(config, plan);
  }
}
