// A connection to a unix socket that blocks: for a command that has nothing else to do than to wait for the answer,
// it costs a fifth of what node:net costs, which is 6 ms.
import { closeSync, readSync, writeSync } from 'node:fs';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from '../../native-bindings/constants.js';
import { callLibc } from '../../native-bindings/libc.js';
import { unixSocketAddress } from '../../native-bindings/structs.js';
import { encodeBytes } from '../spec/byte-text.js';

export class UnixConnection {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** null where it cannot be had: another system, no native module, or a path too long for a socket. */
  static open(path: string): UnixConnection | null {
    const address = process.platform === 'linux' ? unixSocketAddress(encodeBytes(path)) : null;
    if (address === null) return null;
    const descriptor = openSocket();
    if (descriptor === null) return null;
    try {
      callLibc('connect', descriptor, address, address.length);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    return new UnixConnection(descriptor);
  }

  write(bytes: Uint8Array): void {
    for (let written = 0; written < bytes.length; )
      written += writeSync(this.#descriptor, bytes, written, bytes.length - written);
  }

  /** How many bytes came; 0 at the end. */
  read(into: Buffer): number {
    return readSync(this.#descriptor, into);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

function openSocket(): number | null {
  try {
    return callLibc('socket', AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  } catch (error) {
    if (error instanceof Error && error.name === 'BindingMissingError') return null;
    throw error;
  }
}
