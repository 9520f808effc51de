// What a program says of itself on NOTIFY_SOCKET, as sd_notify(3) has it, and what follows from each word.

import { withoutVariables, withVariables } from '../core/environment.js';
import { type NotifyMessage, parseNotifyMessage } from '../core/notify-message.js';
import { keepOnExec } from '../os/descriptors.js';
import { NotifySocket, notifyAddress } from '../os/notify-socket.js';
import type { ServiceLife } from '../spec/service-life.js';

export interface VoiceListener {
  /** Whether this process may speak for the program. */
  mayNotify(pid: number): boolean;
  ready(): void;
  heartbeat(): void;
  /** It asks to be treated as hung. */
  hung(): void;
  stopping(): void;
  extendTimeout(byMs: number): void;
  /** From now on its heartbeat comes this often; null: not any more. */
  heartbeatEvery(everyMs: number | null): void;
  mainIs(pid: number): void;
  /** What `status` shows has changed. */
  said(): void;
  complain(attempt: string, error: unknown): void;
}

export class ProgramVoice {
  readonly #listener: VoiceListener;
  readonly #socket: NotifySocket;
  readonly #heartbeatMs: number | null;
  #status: string | null = null;
  #isReloading = false;
  #isHeard = true;

  /**
   * `address` and `socket`: of one that the program knows already, and of one that was handed over. `uid`: the
   * program's, where it is another.
   */
  constructor(
    place: {
      readonly folder: string;
      readonly address: string | null;
      readonly socket: number | null;
      readonly uid: number | null;
    },
    heartbeatMs: number | null,
    listener: VoiceListener,
  ) {
    this.#listener = listener;
    this.#heartbeatMs = heartbeatMs;
    const address = place.address ?? notifyAddress(place.folder, place.uid !== null);
    const ears = {
      mayNotify: (pid: number) => listener.mayNotify(pid),
      ...(place.uid === null ? {} : { alsoUids: [place.uid] }),
      heard: (bytes: Uint8Array) => this.#hear(bytes),
      refused: (reason: string) => this.#refuse(reason),
    };
    this.#socket =
      place.socket === null
        ? NotifySocket.open(address, ears)
        : NotifySocket.adopt(place.socket, address, ears);
  }

  /** Its socket, which is kept over the next exec with all that waits in it. */
  handOver(): number {
    keepOnExec(this.#socket.descriptor);
    return this.#socket.descriptor;
  }

  /** The environment with what tells the program where to speak, and how often. */
  addTo(env: readonly string[]): readonly string[] {
    // WATCHDOG_PID says for whom WATCHDOG_USEC is; without it, it is for whoever reads it. It would have to be known
    // before there is a process.
    return withVariables(withoutVariables(env, ['WATCHDOG_PID', 'WATCHDOG_USEC']), [
      `NOTIFY_SOCKET=${this.#socket.address}`,
      ...(this.#heartbeatMs === null ? [] : [`WATCHDOG_USEC=${Math.round(this.#heartbeatMs * 1000)}`]),
    ]);
  }

  /** A new run: what waits in the socket was said by the one before. */
  beginRun(): void {
    this.#isHeard = false;
    this.#socket.drain();
    this.#isHeard = true;
    this.#status = null;
    this.#isReloading = false;
  }

  /** What has been said up to now is heard before this returns. */
  drain(): void {
    this.#socket.drain();
  }

  describe(): ServiceLife['notify'] {
    return { address: this.#socket.address, status: this.#status, isReloading: this.#isReloading };
  }

  /** What another watchdog was told, of a run that goes on. */
  remember(told: NonNullable<ServiceLife['notify']>): void {
    this.#status = told.status;
    this.#isReloading = told.isReloading;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #refuse(reason: string): void {
    if (this.#isHeard) this.#listener.complain('cannot take a notification', new Error(reason));
  }

  #hear(bytes: Uint8Array): void {
    if (!this.#isHeard) return;
    const message = parseNotifyMessage(bytes);
    for (const diagnostic of message.diagnostics) this.#refuse(diagnostic);
    const { mainPid, newHeartbeat, extendMs, heartbeat, lifecycle } = message;
    if (mainPid !== null) this.#listener.mainIs(mainPid);
    if (newHeartbeat !== null) this.#listener.heartbeatEvery(newHeartbeat.everyMs);
    if (lifecycle === 'ready') this.#listener.ready();
    // The deadline that is extended is the one of the state that the same message may have brought about.
    if (lifecycle === 'stopping') this.#listener.stopping();
    if (extendMs !== null) this.#listener.extendTimeout(extendMs);
    if (heartbeat === 'alive') this.#listener.heartbeat();
    if (heartbeat === 'lost') this.#listener.hung();
    if (this.#noteWords(message)) this.#listener.said();
  }

  #noteWords({ status, lifecycle }: NotifyMessage): boolean {
    const before = this.describe();
    if (status !== null) this.#status = status === '' ? null : status;
    if (lifecycle !== null) this.#isReloading = lifecycle === 'reloading';
    return before?.status !== this.#status || before.isReloading !== this.#isReloading;
  }
}
