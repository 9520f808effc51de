// A listening socket that this process holds and never accepts from: programs inherit it. libuv would accept, so it is
// made by libc.
import { chmodSync, chownSync, fstatSync, lstatSync, unlinkSync } from 'node:fs';
import {
  AF_INET,
  AF_UNIX,
  linuxSyscalls,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../../native-bindings/constants.js';
import { callLibc } from '../../native-bindings/libc.js';
import { inetSocketAddress, unixSocketAddress } from '../../native-bindings/structs.js';
import { errnoNameOf, SystemError, systemError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';
import type { ListeningSocket } from '../spec/supervision.js';
import { closeDescriptor } from './descriptors.js';
import { ownAddress } from './host-address.js';

/** What somaxconn cuts it to, where nobody says otherwise. */
const BACKLOG = 4096;

/** Returns its descriptor, close-on-exec. Throws SystemError. */
export function openListeningSocket(socket: ListeningSocket): number {
  const attempt = `cannot listen on ${nameOf(socket)}`;
  const family = socket.family === 'unix' ? AF_UNIX : AF_INET;
  let descriptor: number | null = null;
  try {
    descriptor = callLibc('socket', family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const address = addressOf(socket);
    if (socket.family === 'unix') removeSocketFile(socket.path);
    else callLibc('setsockopt', descriptor, SOL_SOCKET, SO_REUSEADDR, Buffer.from([1, 0, 0, 0]), 4);
    // Nobody may connect before mode and owner are what they are to be.
    const umask = process.umask(0o177);
    try {
      callLibc('bind', descriptor, address, address.length);
    } finally {
      process.umask(umask);
    }
    if (socket.family === 'unix') {
      const path = encodeBytes(socket.path);
      if (socket.owner !== null) chownSync(path, socket.owner.uid, socket.owner.gid);
      chmodSync(path, socket.mode);
    }
    callLibc('listen', descriptor, socket.backlog ?? BACKLOG);
    return descriptor;
  } catch (error) {
    if (descriptor !== null) closeDescriptor(descriptor);
    if (errnoNameOf(error) === null || error instanceof SystemError) throw error;
    throw systemError(attempt, error, nameOf(socket));
  }
}

/**
 * The socket that a program holds as its standard input, as a descriptor of ours: so that a supervisor that was killed
 * leaves nobody waiting whom its successor would not hear. null: the kernel or its policy does not let us.
 */
export function takeListeningSocket(pid: number): number | null {
  let pidfd: number | null = null;
  try {
    pidfd = callLibc('syscall', linuxSyscalls.pidfd_open, pid, 0, 0, 0, 0, 0);
    const descriptor = callLibc('syscall', linuxSyscalls.pidfd_getfd, pidfd, 0, 0, 0, 0, 0);
    if (fstatSync(descriptor).isSocket()) return descriptor;
    closeDescriptor(descriptor);
    return null;
  } catch (error) {
    // ENOSYS before Linux 5.6, EPERM where ptrace is restricted, ESRCH: it has ended.
    if (errnoNameOf(error) === null) throw error;
    return null;
  } finally {
    if (pidfd !== null) closeDescriptor(pidfd);
  }
}

/** Closes our copy; the socket itself lives on with the programs that hold it. */
export function closeListeningSocket(descriptor: number, socket: ListeningSocket): void {
  if (fstatSync(descriptor).isSocket()) closeDescriptor(descriptor);
  if (socket.family === 'unix') removeSocketFile(socket.path);
}

const nameOf = (socket: ListeningSocket): string =>
  socket.family === 'unix' ? `unix://${socket.path}` : `tcp://${socket.host}:${socket.port}`;

function addressOf(socket: ListeningSocket): Buffer {
  if (socket.family === 'inet') return inetSocketAddress(parseHost(socket), socket.port);
  const address = unixSocketAddress(encodeBytes(socket.path));
  if (address === null)
    throw new SystemError(`cannot listen on ${nameOf(socket)}`, {
      syscall: 'bind',
      errnoName: 'ENAMETOOLONG',
    });
  return address;
}

/** By name the socket is bound to an address of this machine's own. */
function parseHost(socket: ListeningSocket & { readonly family: 'inet' }): [number, number, number, number] {
  const address = ownAddress(socket.host);
  if (address !== null) return address.split('.').map(Number) as [number, number, number, number];
  throw new SystemError(
    `cannot listen on ${nameOf(socket)}: ${socket.host} is no IPv4 address, nor a name in /etc/hosts`,
    { syscall: 'bind', errnoName: 'EADDRNOTAVAIL' },
  );
}

function removeSocketFile(path: string): void {
  try {
    if (lstatSync(encodeBytes(path)).isSocket()) unlinkSync(encodeBytes(path));
  } catch (error) {
    if (errnoNameOf(error) !== 'ENOENT') throw error;
  }
}
