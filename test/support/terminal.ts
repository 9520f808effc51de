// A pseudo-terminal as a mere stream: a test hands its slave side to processes as 0, 1 or 2 and reads what they wrote.
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { openPty, type Pty } from './pty.js';
import { until } from './until.js';
import type { World } from './world.js';

export class Terminal {
  /** The slave side. */
  readonly descriptor: number;
  readonly #pty: Pty;
  #seen: number;
  #marks = 0;

  constructor(pty: Pty, path: string) {
    this.#pty = pty;
    this.#seen = pty.output.length;
    // Without O_NOCTTY it could become the controlling terminal of the test run.
    this.descriptor = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  }

  /** What was written to it since the last call; complete, because a mark of ours must come through behind it. */
  async written(): Promise<string> {
    this.#marks += 1;
    const mark = `== mark ${this.#marks} ==\r\n`;
    writeSync(this.descriptor, mark.replace('\r', ''));
    const end = await until(
      () => {
        const place = this.#pty.output.indexOf(mark, this.#seen);
        if (place === -1) throw new Error(`the terminal did not show ${mark}`);
        return place;
      },
      { withinMs: 5000 },
    );
    const text = this.#pty.output.slice(this.#seen, end);
    this.#seen = end + mark.length;
    return text.replaceAll('\r\n', '\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.descriptor);
    await this.#pty.hangUp();
  }
}

export async function openTerminal(world: World): Promise<Terminal> {
  const pty = openPty(world, 'tty; exec sleep 300');
  const [, path] = await pty.shows(/(\/dev\/\S+)\r\n/);
  return new Terminal(pty, path!);
}
