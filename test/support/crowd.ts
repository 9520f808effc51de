// Very many clients that connect and say nothing.
import { connect, type NetConnectOpts, type Socket } from 'node:net';

/** So many are on their way at a time: a listener's queue has an end. */
const AT_ONCE = 100;

export class Crowd implements Disposable {
  readonly #sockets: Socket[] = [];

  /** How many have come in, whatever became of them. */
  get size(): number {
    return this.#sockets.length;
  }

  /** Resolves when so many more have connected. */
  async connect(count: number, address: NetConnectOpts): Promise<void> {
    let left = count;
    const some = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        this.#sockets.push(await connected(address));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, some));
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

function connected(address: NetConnectOpts): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(address, () => {
      // ECONNRESET: the server has sent it away.
      socket.off('error', failed).on('error', () => undefined);
      resolve(socket);
    });
    // EAGAIN: the queue of a unix socket is full.
    const failed = (error: NodeJS.ErrnoException): void =>
      error.code === 'EAGAIN' ? void setTimeout(() => resolve(connected(address)), 1) : reject(error);
    socket.on('error', failed);
  });
}
