// Signals that come before this process can act on them. Their default action would end it: they are kept, and come
// again when everybody listens.

export class HeldSignals {
  readonly #signals: readonly NodeJS.Signals[];
  readonly #came = new Set<NodeJS.Signals>();
  readonly #note = (signal: NodeJS.Signals): void => void this.#came.add(signal);

  constructor(signals: readonly NodeJS.Signals[]) {
    this.#signals = signals;
    for (const signal of signals) process.on(signal, this.#note);
  }

  /** Those who listen by now are told in a later turn of the event loop. */
  release(): void {
    for (const signal of this.#signals) process.off(signal, this.#note);
    for (const signal of this.#came) process.kill(process.pid, signal);
  }
}
