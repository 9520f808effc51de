// The receiving end of NOTIFY_SOCKET: a datagram socket, which libuv does not know, with the kernel's word
// for who sent each datagram. One socket per service, so that nobody has to find out which service a sender
// belongs to.
import { chmodSync, closeSync, lstatSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import {
  AF_UNIX,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SHUT_RDWR,
  SO_PASSCRED,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
} from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { callLibc } from '../../native-bindings/libc.js';
import { controlSpace, ReceivedMessage, unixSocketAddress } from '../../native-bindings/structs.js';
import { NOTIFY_BYTES_MAX } from '../core/notify-message.js';
import { errnoNameOf, SystemError, systemError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';
import { whenReadable } from './exit-watch.js';

/** Who sent a datagram, as the kernel saw it then. Only root can claim to be somebody else. */
export interface NotifySender {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface NotifyListener {
  /**
   * Whether this process may speak for the program; it is asked at once, while a sender that waits for its
   * barrier still lives. A script's `systemd-notify --no-block` may be gone by then: on a socket that others
   * cannot reach, or in whose name only certain users are heard, hearing whoever is no living stranger does
   * no harm.
   */
  readonly mayNotify: (pid: number) => boolean;
  /** Users who are heard beside root and our own: the program's, where it is another. */
  readonly alsoUids?: readonly number[];
  /** Called once per message, in order. Descriptors that came along are closed by then or right after. */
  readonly heard: (bytes: Uint8Array, sender: NotifySender) => void;
  /** A datagram was dropped; the reason is a whole sentence without its full stop. */
  readonly refused: (reason: string) => void;
}

/**
 * Where the socket of a service goes, in the spelling of NOTIFY_SOCKET: into its directory, out of the reach
 * of others; or under an abstract name, where the path is too long for a socket, or where the program runs as
 * a user who cannot get into that directory. Whoever can name an abstract socket can send; it is the sender
 * that counts.
 */
export function notifyAddress(folder: string, isForOtherUser: boolean): string {
  const path = join(folder, 'notify');
  if (!isForOtherUser && unixSocketAddress(encodeBytes(path)) !== null) return path;
  return `@tsdaemon-notify-${process.pid}-${Math.random().toString(36).slice(2)}`;
}

export class NotifySocket {
  /** The value for NOTIFY_SOCKET. */
  readonly address: string;
  /** For whoever hands it over an exec; it is close-on-exec until then. */
  readonly descriptor: number;
  readonly #listener: NotifyListener;
  readonly #message = new ReceivedMessage(NOTIFY_BYTES_MAX, CONTROL_BYTES);
  #isOpen = true;

  private constructor(address: string, descriptor: number, listener: NotifyListener) {
    this.address = address;
    this.descriptor = descriptor;
    this.#listener = listener;
    void this.#listen();
  }

  /** Listens until disposed of. A socket that a killed watchdog left under the path is replaced. */
  static open(address: string, listener: NotifyListener): NotifySocket {
    const attempt = `cannot open notify socket ${address}`;
    const name = unixSocketAddress(encodeBytes(address));
    if (name === null)
      throw new SystemError(attempt, { syscall: 'bind', errnoName: 'ENAMETOOLONG', path: address });
    let descriptor: number | null = null;
    try {
      descriptor = callLibc('socket', AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      // Before it has a name: a datagram that came first would carry no credentials.
      callLibc('setsockopt', descriptor, SOL_SOCKET, SO_PASSCRED, Buffer.of(1, 0, 0, 0), 4);
      removeSocket(address);
      callLibc('bind', descriptor, name, name.length);
      if (!isAbstract(address))
        chmodSync(encodeBytes(address), listener.alsoUids === undefined ? 0o600 : 0o666);
    } catch (error) {
      if (descriptor !== null) closeSync(descriptor);
      throw systemError(attempt, error, address);
    }
    return new NotifySocket(address, descriptor, listener);
  }

  /** Goes on with a socket that was inherited over an exec, and with the datagrams that wait in it. */
  static adopt(descriptor: number, address: string, listener: NotifyListener): NotifySocket {
    return new NotifySocket(address, descriptor, listener);
  }

  /**
   * Hears what has arrived up to now. It is called by itself; call it before a death of the program is
   * judged, so that its last words come first.
   */
  drain(): void {
    // A program that sends faster than we read must not keep us from everything else: the rest waits for the
    // next turn.
    for (let count = 0; this.#isOpen && count < DATAGRAMS_PER_TURN; count += 1) if (!this.#receive()) return;
  }

  /** Stops listening; a socket with a path is removed. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    removeSocket(this.address);
    // Wakes the thread that waits for the descriptor, which is closed when it no longer does.
    callLibc('shutdown', this.descriptor, SHUT_RDWR);
  }

  async #listen(): Promise<void> {
    while (this.#isOpen) {
      await whenReadable(this.descriptor, Number.POSITIVE_INFINITY);
      this.drain();
    }
    closeSync(this.descriptor);
  }

  /** false: nothing was there. */
  #receive(): boolean {
    const length = this.#receiveBytes();
    if (length === null) return false;
    const { sender, descriptors } = this.#readControl();
    // None is ever kept; the one of a barrier must be closed, or its sender waits for five seconds.
    for (const descriptor of descriptors) closeSync(descriptor);
    const refusal = this.#refusalOf(sender);
    if (refusal !== null) this.#listener.refused(refusal);
    // A copy: the buffer is used again, and a listener may keep what it hears.
    else this.#listener.heard(Uint8Array.from(this.#message.data.subarray(0, length)), sender!);
    return true;
  }

  #receiveBytes(): number | null {
    for (;;) {
      try {
        return callLibc('recvmsg', this.descriptor, this.#message.header(), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
      } catch (error) {
        const code = error instanceof LibcError ? error.code : null;
        if (code === 'EAGAIN') return null;
        if (code !== 'EINTR') throw error;
      }
    }
  }

  #readControl(): { sender: NotifySender | null; descriptors: number[] } {
    let sender: NotifySender | null = null;
    const descriptors: number[] = [];
    for (const { level, type, data } of this.#message.controlMessages()) {
      if (level !== SOL_SOCKET) continue;
      if (type === SCM_CREDENTIALS && data.length >= CREDENTIALS_BYTES)
        sender = { pid: data.readInt32LE(0), uid: data.readUInt32LE(4), gid: data.readUInt32LE(8) };
      if (type === SCM_RIGHTS)
        for (let offset = 0; offset + 4 <= data.length; offset += 4)
          descriptors.push(data.readInt32LE(offset));
    }
    return { sender, descriptors };
  }

  #refusalOf(sender: NotifySender | null): string | null {
    // Pid 0 is a sender outside our pid namespace.
    if (sender === null || sender.pid <= 0) return 'a message came without the credentials of its sender';
    const { pid, uid } = sender;
    if (uid !== 0 && uid !== process.geteuid?.() && this.#listener.alsoUids?.includes(uid) !== true)
      return `a message came from process ${pid} of user ${uid}, who is not the program's`;
    if (!this.#listener.mayNotify(pid))
      return `a message came from process ${pid}, which is not one of the program's`;
    if ((this.#message.flags & MSG_TRUNC) !== 0)
      return `a message of process ${pid} is longer than ${NOTIFY_BYTES_MAX} bytes`;
    if ((this.#message.flags & MSG_CTRUNC) !== 0)
      return `a message of process ${pid} came with more descriptors than can be taken`;
    return null;
  }
}

/** struct ucred */
const CREDENTIALS_BYTES = 12;
/** SCM_MAX_FD: the kernel passes no more with one message. */
const DESCRIPTORS_MAX = 253;
const CONTROL_BYTES = controlSpace(CREDENTIALS_BYTES) + controlSpace(4 * DESCRIPTORS_MAX);
/**
 * More than a socket's queue holds by any usual setting of net.unix.max_dgram_qlen, so one turn empties it.
 */
const DATAGRAMS_PER_TURN = 1024;

const isAbstract = (address: string): boolean => address.startsWith('@');

/** Only a socket is removed: anything else under that path is not ours, and bind then fails. */
function removeSocket(address: string): void {
  if (isAbstract(address)) return;
  try {
    const path = encodeBytes(address);
    if (lstatSync(path).isSocket()) unlinkSync(path);
  } catch (error) {
    // ENOENT: there is none.
    if (errnoNameOf(error) !== 'ENOENT') throw error;
  }
}
