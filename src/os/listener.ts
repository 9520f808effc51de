// Sockets that the supervisor is reached by. A path is taken so that nobody ever connects to a socket that has not its
// mode and owner yet, no living server loses its path, and a path that a cleaner removed comes back.
import {
  chmodSync,
  chownSync,
  type FSWatcher,
  linkSync,
  lstatSync,
  renameSync,
  type Stats,
  unlinkSync,
  watch,
} from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { constants } from 'node:os';
import { SO_PEERCRED, SOL_SOCKET } from '../../native-bindings/constants.js';
import { callLibc, isLibcAvailable } from '../../native-bindings/libc.js';
import { errnoNameOf, UsageError } from '../errors.js';

export interface UnixAddress {
  readonly kind: 'unix';
  readonly path: string;
  /** Permission bits, such as 0o700. */
  readonly mode: number;
  /** null: ours. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
}

export interface InetAddress {
  readonly kind: 'inet';
  /** Empty or `*`: all addresses of IPv4, the only ones that supervisord knows. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

export type ListenAddress = UnixAddress | InetAddress;

export interface ListenerEvents {
  readonly connected: (socket: Socket) => void;
  /** A whole sentence without its full stop about what happened to the socket. */
  readonly noted: (text: string) => void;
}

export interface Listener {
  /** Where an inet socket listens; null for a path. */
  readonly port: number | null;
  /** Takes no more connections; those that are there stay. The path goes if it still is ours. */
  close(): void;
}

/** The texts are supervisord's. */
export async function openListener(address: ListenAddress, events: ListenerEvents): Promise<Listener> {
  try {
    return address.kind === 'unix'
      ? await UnixListener.open(address, events)
      : await openInetListener(address, events);
  } catch (error) {
    throw asUsageError(error);
  }
}

function asUsageError(error: unknown): unknown {
  const errnoName = errnoNameOf(error);
  if (errnoName === 'EADDRINUSE')
    return new UsageError(
      'Another program is already listening on a port that one of our HTTP servers is configured to use.  ' +
        'Shut this program down first before starting supervisord.',
    );
  if (errnoName === null) return error;
  const number = constants.errno[errnoName as keyof typeof constants.errno];
  return new UsageError(
    `Cannot open an HTTP server: socket.error reported errno.${errnoName} (${number ?? 'unknown'})`,
  );
}

/** Clients that wait to be taken; as many as supervisord lets wait. */
const BACKLOG = 1024;

function makeServer(events: ListenerEvents, connected: (socket: Socket) => void): Server {
  // Half open: who sends a request and closes its end of the socket still gets the answer.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, connected);
  server.once('listening', () => {
    // Without descriptors libuv closes who waits, and goes on; the listener itself has not failed.
    server.on('error', (error) => events.noted(`cannot take a connection: ${error.message}`));
  });
  return server;
}

/** Resolves when it listens. */
function listening(server: Server, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('listening', () => {
      server.off('error', reject);
      resolve();
    });
    server.once('error', reject);
    start();
  });
}

/** Not looked up: localhost may be ::1 first, where no client of supervisord looks for it. */
const wellKnownHosts: Readonly<Record<string, string>> = {
  '': '0.0.0.0',
  '*': '0.0.0.0',
  localhost: '127.0.0.1',
};

async function openInetListener(address: InetAddress, events: ListenerEvents): Promise<Listener> {
  const server = makeServer(events, events.connected);
  const { port } = address;
  const host = wellKnownHosts[address.host] ?? address.host;
  await listening(server, () => server.listen({ host, port, backlog: BACKLOG }));
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}

/** How long after a failure the path is tried again. */
const RETRY_MS = 1000;

class UnixListener implements Listener {
  readonly port = null;
  readonly #address: UnixAddress;
  readonly #events: ListenerEvents;
  readonly #mayConnect: (socket: Socket) => boolean;
  #server: Server;
  /** The socket file that is ours. */
  #inode: number;
  #watcher: FSWatcher | null = null;
  #retry: NodeJS.Timeout | null = null;
  #isClosed = false;

  static async open(address: UnixAddress, events: ListenerEvents): Promise<UnixListener> {
    const listener = new UnixListener(address, events);
    await listener.#bind();
    return listener;
  }

  private constructor(address: UnixAddress, events: ListenerEvents) {
    this.#address = address;
    this.#events = events;
    this.#mayConnect = peerCheck(address);
    this.#server = makeServer(events, (socket) => this.#connected(socket));
    this.#inode = 0;
  }

  #connected(socket: Socket): void {
    if (this.#mayConnect(socket)) this.#events.connected(socket);
    else {
      this.#events.noted(`refused a connection of another user to ${this.#address.path}`);
      socket.destroy();
    }
  }

  async #bind(): Promise<void> {
    const { path } = this.#address;
    const temporary = `${path}.${process.pid}`;
    unlinkIfThere(temporary);
    try {
      await listening(this.#server, () => bindClosed(this.#server, temporary));
      this.#dress(temporary);
      this.#inode = lstatSync(temporary).ino;
      while (!tryLink(temporary, path)) await this.#clearStale();
    } catch (error) {
      this.#server.close();
      throw error;
    } finally {
      unlinkIfThere(temporary);
    }
    this.#watch();
  }

  #dress(temporary: string): void {
    const { path, mode, owner } = this.#address;
    if (owner !== null && (owner.uid !== process.geteuid!() || owner.gid !== process.getegid!())) {
      try {
        chownSync(temporary, owner.uid, owner.gid);
      } catch (error) {
        if (errnoNameOf(error) !== 'EPERM') throw error;
        throw new UsageError(
          `Not permitted to chown ${path} to uid/gid (${owner.uid}, ${owner.gid}); adjust "sockchown" value in ` +
            'config file or on command line to values that the current user ' +
            `(${process.geteuid!()}) can successfully chown`,
        );
      }
    }
    chmodSync(temporary, mode);
  }

  /** Removes a socket that nobody listens on; throws EADDRINUSE where somebody does, or it is none. */
  async #clearStale(): Promise<void> {
    const { path } = this.#address;
    const found = lstatIfThere(path);
    if (found === null) return;
    if (!found.isSocket() || (await isAlive(path))) throw inUse(path);
    this.#events.noted(`Unlinking stale socket ${path}`);
    // Renamed first: what another supervisor may have put there meanwhile is then given back, not lost.
    const aside = `${path}.${process.pid}.stale`;
    renameSync(path, aside);
    try {
      if (lstatSync(aside).ino !== found.ino) {
        tryLink(aside, path);
        throw inUse(path);
      }
    } finally {
      unlinkIfThere(aside);
    }
  }

  /** The watch is on the socket itself, whose link count changes when its name goes: nothing else wakes us. */
  #watch(): void {
    this.#watcher?.close();
    this.#watcher = watch(this.#address.path, { persistent: false }, () => this.#look());
    this.#watcher.on('error', (error) =>
      this.#events.noted(`cannot watch ${this.#address.path}: ${error.message}`),
    );
    // It may have gone between the link and the watch.
    this.#look();
  }

  #look(): void {
    if (this.#isClosed || this.#retry !== null || lstatIfThere(this.#address.path)?.ino === this.#inode)
      return;
    this.#watcher?.close();
    this.#watcher = null;
    this.#events.noted(`the socket ${this.#address.path} was removed and is made again`);
    this.#makeAgain();
  }

  #makeAgain(): void {
    // The old one has no name any more, so it can only be given up; whoever is connected stays so.
    this.#server.close();
    this.#server = makeServer(this.#events, (socket) => this.#connected(socket));
    this.#bind().catch((error: Error) => {
      if (this.#isClosed) return;
      this.#events.noted(`cannot make ${this.#address.path} again: ${error.message}`);
      // Somebody else lives there now, who need not be asked every second.
      if (errnoNameOf(error) === 'EADDRINUSE') return;
      this.#retry = setTimeout(() => {
        this.#retry = null;
        this.#makeAgain();
      }, RETRY_MS);
      this.#retry.unref();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher?.close();
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (lstatIfThere(this.#address.path)?.ino === this.#inode) unlinkIfThere(this.#address.path);
    this.#server.close();
  }
}

/** Nobody but us may connect until mode and owner are set, so the socket is born closed. */
function bindClosed(server: Server, path: string): void {
  const umask = process.umask(0o777);
  try {
    // Binds before it returns, and reports by event afterwards.
    server.listen({ path, backlog: BACKLOG });
  } finally {
    process.umask(umask);
  }
}

function inUse(path: string): Error {
  return Object.assign(new Error(`EADDRINUSE: address already in use ${path}`), { code: 'EADDRINUSE' });
}

/** Whether somebody listens there. In doubt yes: then nothing is removed. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => resolve(!['ECONNREFUSED', 'ENOENT'].includes(errnoNameOf(error) ?? '')));
  });
}

/** False: something has the name already. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errnoNameOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function lstatIfThere(path: string): Stats | null {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    // ENOTDIR: a directory above it has gone too, and a file taken its place.
    if (errnoNameOf(error) === 'ENOTDIR') return null;
    throw error;
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(errnoNameOf(error) ?? '')) throw error;
  }
}

/**
 * The mode is the kernel's affair, but a file system may not heed it, and a mode may be changed by whoever owns the
 * file. Where the mode lets in nobody else, root, we and the owner are let in.
 */
function peerCheck({ mode, owner }: UnixAddress): (socket: Socket) => boolean {
  if ((mode & 0o022) !== 0 || process.platform !== 'linux' || !isLibcAvailable()) return () => true;
  const users = new Set([0, process.geteuid!(), owner?.uid ?? 0]);
  return (socket) => users.has(peerUid(socket) ?? -1);
}

/** struct ucred: who made the connection, as the kernel noted it then; null: the socket has gone. */
function peerUid(socket: Socket): number | null {
  // Node has no word for it. The handle is internal, and the same in every release so far.
  const { _handle: handle } = socket as Socket & { _handle?: { readonly fd?: number } };
  if (handle?.fd === undefined || handle.fd < 0) return null;
  const credentials = Buffer.alloc(12);
  const length = Buffer.of(credentials.length, 0, 0, 0);
  callLibc('getsockopt', handle.fd, SOL_SOCKET, SO_PEERCRED, credentials, length);
  return credentials.readUInt32LE(4);
}
