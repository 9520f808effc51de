// Lines for the system's log, as syslog(3) sends them: a datagram each, to whoever listens on /dev/log.
import { AF_UNIX, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_DGRAM } from '../../native-bindings/constants.js';
import { callLibc } from '../../native-bindings/libc.js';
import { cString, unixSocketAddress } from '../../native-bindings/structs.js';
import { errnoNameOf } from '../errors.js';
import { closeDescriptor } from './descriptors.js';

/** Facility user, priority info, which is what supervisord leaves them at. */
const PRIORITY = 14;

let socket: number | null = null;

/** Never throws and never waits: what is not taken is lost, as it is without a system log. */
export function sendToSyslog(name: string, line: string, at: Date): void {
  const stamp = `${MONTHS[at.getMonth()]} ${String(at.getDate()).padStart(2)} ${at.toTimeString().slice(0, 8)}`;
  const message = Buffer.from(`<${PRIORITY}>${stamp} ${name}: ${line}`);
  try {
    socket ??= connect();
    callLibc('send', socket, message, message.length, MSG_DONTWAIT);
  } catch (error) {
    if (errnoNameOf(error) === null) throw error;
    // ENOENT, ECONNREFUSED, ENOTCONN: nobody listens, or the daemon was restarted; the next line asks again.
    if (socket !== null) closeDescriptor(socket);
    socket = null;
  }
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function connect(): number {
  const descriptor = callLibc('socket', AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const address = unixSocketAddress(cString('/dev/log').subarray(0, -1))!;
  try {
    callLibc('connect', descriptor, address, address.length);
    return descriptor;
  } catch (error) {
    closeDescriptor(descriptor);
    throw error;
  }
}
