// A question that is asked of a program at an interval, as long as it is ready.

export interface CheckRule {
  readonly everyMs: number;
  /** So many bad answers in a row are told. */
  readonly failures: number;
}

export class RegularCheck {
  readonly #rule: CheckRule;
  readonly #ask: () => Promise<string | null>;
  readonly #failed: (reason: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  /** Answers to a question of an earlier round come too late. */
  #round = 0;

  /** `ask` resolves to what is wrong, null: nothing. */
  constructor(rule: CheckRule, ask: () => Promise<string | null>, failed: (reason: string) => void) {
    this.#rule = rule;
    this.#ask = ask;
    this.#failed = failed;
  }

  begin(): void {
    this.end();
    this.#failures = 0;
    this.#wait(this.#round);
  }

  end(): void {
    this.#round += 1;
    clearTimeout(this.#timer);
  }

  #wait(round: number): void {
    this.#timer = setTimeout(() => void this.#look(round), this.#rule.everyMs);
  }

  async #look(round: number): Promise<void> {
    const reason = await this.#ask();
    if (round !== this.#round) return;
    this.#failures = reason === null ? 0 : this.#failures + 1;
    if (reason === null || this.#failures < this.#rule.failures) return this.#wait(round);
    this.end();
    this.#failed(reason);
  }
}
