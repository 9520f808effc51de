// Layouts of the C structures we read and write. 64-bit, little-endian: the platforms ffi-rs is built for.
import { AF_INET, AF_UNIX } from './constants.js';
import { addressOf, callLibc } from './libc.js';

/** posix_spawnattr_t and posix_spawn_file_actions_t are 336 and 80 bytes at most; 512 leaves room. */
export const OPAQUE_BYTES = 512;

export function cString(text: string | Uint8Array): Buffer {
  return Buffer.concat([typeof text === 'string' ? Buffer.from(text) : text, Buffer.of(0)]);
}

/** `char *const v[]`, NULL at its end, in one block. Keep the object referenced while C uses the address. */
export class StringVector {
  /** The pointers and after them the strings; referenced so that it lives as long as the vector. */
  #block: Buffer = Buffer.alloc(0);
  #address = 0;

  constructor(strings: readonly Uint8Array[]) {
    this.write(strings);
  }

  get block(): Buffer {
    return this.#block;
  }

  get address(): number {
    return this.#address;
  }

  /** In the place of what was there; in a new block only where the old one is too small, for its address costs a call. */
  write(strings: readonly Uint8Array[]): void {
    const pointerBytes = 8 * (strings.length + 1);
    const size = pointerBytes + strings.reduce((sum, bytes) => sum + bytes.length + 1, 0);
    if (size > this.#block.length) {
      this.#block = Buffer.alloc(size);
      this.#address = addressOf(this.#block);
    } else this.#block.fill(0);
    let offset = pointerBytes;
    strings.forEach((bytes, index) => {
      // In halves: an environment is long, and BigInt costs as much as all the rest.
      this.#block.writeUInt32LE((this.#address + offset) % 2 ** 32, 8 * index);
      this.#block.writeUInt32LE(Math.floor((this.#address + offset) / 2 ** 32), 8 * index + 4);
      this.#block.set(bytes, offset);
      offset += bytes.length + 1;
    });
  }
}

/** The string at an address, without its NUL. */
export function readCString(address: number, maxBytes: number): Buffer {
  const bytes = Buffer.alloc(callLibc('strnlen', address, maxBytes));
  if (bytes.length > 0) callLibc('memcpy', bytes, address, bytes.length);
  return bytes;
}

/** sigset_t: 128 bytes on Linux, of which the kernel reads the first 8; 4 on macOS. Bit n-1 is signal n. */
export function signalSet(signals: Iterable<number>): Buffer {
  const set = Buffer.alloc(128);
  for (const signal of signals) {
    const index = (signal - 1) >> 3;
    set[index] = set[index]! | (1 << ((signal - 1) & 7));
  }
  return set;
}

export interface ResourceLimit {
  readonly soft: bigint;
  readonly hard: bigint;
}

export const rlimit = {
  empty: (): Buffer => Buffer.alloc(16),
  read: (bytes: Buffer): ResourceLimit => ({
    soft: bytes.readBigUInt64LE(0),
    hard: bytes.readBigUInt64LE(8),
  }),
  write: ({ soft, hard }: ResourceLimit): Buffer => {
    const bytes = Buffer.alloc(16);
    bytes.writeBigUInt64LE(soft, 0);
    bytes.writeBigUInt64LE(hard, 8);
    return bytes;
  },
};

/** struct pollfd[]: fd, events, revents. */
export const pollSet = {
  write: (descriptors: readonly number[], events: number): Buffer => {
    const bytes = Buffer.alloc(8 * descriptors.length);
    descriptors.forEach((descriptor, index) => {
      bytes.writeInt32LE(descriptor, 8 * index);
      bytes.writeInt16LE(events, 8 * index + 4);
    });
    return bytes;
  },
  /** Which entries have something to tell: ready, hung up or in error. */
  isReady: (bytes: Buffer, index: number): boolean => bytes.readInt16LE(8 * index + 6) !== 0,
};

/** What struct sockaddr_un has room for, the NUL that ends a path included. */
const SUN_PATH_BYTES = 108;

/** struct sockaddr_un of Linux for a path, or for an abstract name given as `@name`; null: it does not fit. */
export function unixSocketAddress(path: Uint8Array): Buffer | null {
  const isAbstract = path[0] === 0x40;
  // An abstract name begins with a NUL, is not ended by one, and is told from others by its length.
  const bytes = isAbstract ? Buffer.concat([Buffer.of(0), path.subarray(1)]) : cString(path);
  return bytes.length > SUN_PATH_BYTES ? null : Buffer.concat([Buffer.of(AF_UNIX, 0), bytes]);
}

/** struct sockaddr_in of Linux. */
export function inetSocketAddress(host: readonly [number, number, number, number], port: number): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set(host, 4);
  return address;
}

const alignUp = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** Where the fields of struct msghdr and struct cmsghdr lie on 64-bit Linux. */
const messageFields = { bytes: 56, vector: 16, vectorLength: 24, control: 32, controlLength: 40, flags: 48 };
const controlFields = { length: 0, level: 8, type: 12, data: 16 };

/** Room for one control message of so many bytes: CMSG_SPACE. */
export const controlSpace = (bytes: number): number => controlFields.data + alignUp(bytes);

export interface ControlMessage {
  readonly level: number;
  readonly type: number;
  readonly data: Buffer;
}

/** struct msghdr with the buffers that it points to: one for the data, one for the control messages. */
export class ReceivedMessage {
  readonly data: Buffer;
  readonly #header = Buffer.alloc(messageFields.bytes);
  readonly #control: Buffer;
  /** struct iovec, referenced here because the header holds its address only. */
  readonly #vector = Buffer.alloc(16);

  constructor(dataBytes: number, controlBytes: number) {
    this.data = Buffer.alloc(dataBytes);
    this.#control = Buffer.alloc(controlBytes);
    this.#vector.writeBigUInt64LE(BigInt(addressOf(this.data)), 0);
    this.#vector.writeBigUInt64LE(BigInt(dataBytes), 8);
    this.#header.writeBigUInt64LE(BigInt(addressOf(this.#vector)), messageFields.vector);
    this.#header.writeBigUInt64LE(1n, messageFields.vectorLength);
    this.#header.writeBigUInt64LE(BigInt(addressOf(this.#control)), messageFields.control);
  }

  /** For recvmsg, which leaves in it how much control data came: the room is stated anew each time. */
  header(): Buffer {
    this.#header.writeBigUInt64LE(BigInt(this.#control.length), messageFields.controlLength);
    this.#header.writeInt32LE(0, messageFields.flags);
    return this.#header;
  }

  get flags(): number {
    return this.#header.readInt32LE(messageFields.flags);
  }

  *controlMessages(): Generator<ControlMessage> {
    const end = Number(this.#header.readBigUInt64LE(messageFields.controlLength));
    for (let start = 0; start + controlFields.data <= end; ) {
      const length = Number(this.#control.readBigUInt64LE(start + controlFields.length));
      if (length < controlFields.data) return;
      yield {
        level: this.#control.readInt32LE(start + controlFields.level),
        type: this.#control.readInt32LE(start + controlFields.type),
        data: this.#control.subarray(start + controlFields.data, Math.min(start + length, end)),
      };
      start += alignUp(length);
    }
  }
}

/** Where the fields of struct passwd and struct group lie. */
export const passwdFields =
  process.platform === 'darwin'
    ? { bytes: 72, name: 0, uid: 16, gid: 20, directory: 48, shell: 56 }
    : { bytes: 48, name: 0, uid: 16, gid: 20, directory: 32, shell: 40 };
export const groupFields = { bytes: 32, gid: 16 };

/** struct proc_bsdinfo of macOS. */
export const bsdInfoFields = { bytes: 136, status: 4, parent: 16, startSeconds: 120, startMicroseconds: 128 };

const WCOREFLAG = 0x80;

/** What waitpid(2) put into its status word: how the process ended. */
export function readWaitStatus(
  status: number,
): { code: number; signal: null } | { code: null; signal: number; dumpedCore: boolean } {
  const signal = status & 0x7f;
  if (signal === 0) return { code: (status >> 8) & 0xff, signal: null };
  return { code: null, signal, dumpedCore: (status & WCOREFLAG) !== 0 };
}

/** struct pidfd_info of Linux 6.13 and later, as far as we read it; exit_code is a wait status. */
export const pidfdInfoFields = { bytes: 64, mask: 0, exitCode: 60 } as const;
