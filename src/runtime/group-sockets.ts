// The listening sockets of FastCGI groups: held here, accepted from by their programs, who get them as standard input.
import type { FcgiGroup, GroupConfig } from '../formats/supervisord/config.js';
import { closeListeningSocket, openListeningSocket, takeListeningSocket } from '../os/listening-socket.js';
import { idOf, type ListeningSocket } from '../spec/supervision.js';

export class GroupSockets {
  readonly #descriptors = new Map<string, number>();
  readonly #sockets = new Map<string, ListeningSocket>();

  /** null: the group has none. */
  of(group: string): number | null {
    return this.#descriptors.get(group) ?? null;
  }

  /** By group; they outlive an exec. */
  descriptors(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#descriptors);
  }

  /** What our former self held. */
  remember(descriptors: Readonly<Record<string, number>>): void {
    for (const [group, descriptor] of Object.entries(descriptors)) this.#descriptors.set(group, descriptor);
  }

  /** For a supervisor that begins anew, and had better not begin without one of them. Throws SystemError. */
  openAll(groups: readonly GroupConfig[]): void {
    for (const group of groups) {
      if (group.kind !== 'fcgi') continue;
      this.#sockets.set(group.name, group.socket);
      this.ensure(group.name);
    }
  }

  /** Of a group that is added: what its programs hold already, if some live. Else `ensure` opens it for the first. */
  add({ name, socket, processes }: FcgiGroup, pidOf: (id: string) => number | null): void {
    this.#sockets.set(name, socket);
    if (this.#descriptors.has(name)) return;
    for (const process of processes) {
      const pid = pidOf(idOf(process));
      const taken = pid === null ? null : takeListeningSocket(pid);
      if (taken === null) continue;
      this.#descriptors.set(name, taken);
      return;
    }
  }

  /** Opens what is not open. Throws SystemError. */
  ensure(group: string): void {
    const socket = this.#sockets.get(group);
    if (socket === undefined || this.#descriptors.has(group)) return;
    this.#descriptors.set(group, openListeningSocket(socket));
  }

  close(group: string): void {
    const descriptor = this.#descriptors.get(group);
    const socket = this.#sockets.get(group);
    if (descriptor === undefined || socket === undefined) return;
    closeListeningSocket(descriptor, socket);
    this.#descriptors.delete(group);
    this.#sockets.delete(group);
  }

  closeAll(): void {
    for (const group of [...this.#sockets.keys()]) this.close(group);
  }
}
