// The test's end of the strings that puppets hang on.
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Order, Report } from '../fixtures/puppet.js';
import { until } from './until.js';
import type { World } from './world.js';

const script = fileURLToPath(new URL('../fixtures/puppet.js', import.meta.url));

/** One puppet that has said ready. */
export class Puppet {
  readonly pid: number;
  /** What stood after the socket on its command line. */
  readonly argv: readonly string[];
  /** The signals it has caught, in order. */
  readonly signals: NodeJS.Signals[] = [];
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #answers: ((answer: unknown) => void)[] = [];

  constructor(socket: Socket, ready: Extract<Report, { report: 'ready' }>) {
    this.#socket = socket;
    this.pid = ready.pid;
    this.argv = ready.argv;
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** Resolves with the puppet's answer when the order has been carried out; `exit` is never answered. */
  tell(order: Order): Promise<unknown> {
    this.#socket.write(`${JSON.stringify(order)}\n`);
    return new Promise((resolve) => this.#answers.push(resolve));
  }

  hear(report: Report): void {
    if (report.report === 'signal') this.signals.push(report.signal);
    if (report.report === 'done') this.#answers.shift()?.(report.answer);
  }

  cut(): void {
    this.#socket.destroy();
  }
}

export class Theatre {
  readonly #server: Server;
  readonly #socketPath: string;
  readonly #waiting: Puppet[] = [];
  readonly #all: Puppet[] = [];

  constructor(world: World) {
    // At most 107 bytes, so it is kept short.
    this.#socketPath = join(world.folder, 's');
    this.#server = createServer((socket) => this.#welcome(socket)).listen(this.#socketPath);
  }

  /** The command line of a puppet. */
  argv(...more: readonly string[]): [string, ...string[]] {
    return [process.execPath, script, this.#socketPath, ...more];
  }

  /** The next puppet that says ready. */
  next(): Promise<Puppet> {
    return until(
      () => {
        const puppet = this.#waiting.shift();
        if (puppet === undefined) throw new Error('no puppet has said ready');
        return puppet;
      },
      { withinMs: 15_000 },
    );
  }

  /** All that have ever said ready. */
  get puppets(): readonly Puppet[] {
    return this.#all;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const puppet of this.#all) puppet.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #welcome(socket: Socket): void {
    let puppet: Puppet | undefined;
    socket.on('error', () => socket.destroy());
    createInterface(socket).on('line', (line) => {
      const report = JSON.parse(line) as Report;
      if (report.report !== 'ready') return puppet!.hear(report);
      puppet = new Puppet(socket, report);
      this.#waiting.push(puppet);
      this.#all.push(puppet);
    });
  }
}

/** Dispose of it before the world: puppets end when their strings are cut. */
export async function openTheatre(world: World): Promise<Theatre> {
  return new Theatre(world);
}
