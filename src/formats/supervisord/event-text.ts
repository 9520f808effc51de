// What a listener reads on its stdin about one event: a line of headers, then the payload.
import { decodeBytes, encodeBytes, joinBytes } from '../../spec/byte-text.js';
import { reprOfBytes } from '../../spec/python-text.js';
import type { ProcessStateEvent, SupervisorEvent } from '../../spec/supervisor-event.js';

export interface Delivery {
  /** The supervisor's `identifier`. */
  readonly server: string;
  readonly pool: string;
  /** Of the event, among all that any pool took. */
  readonly serial: number;
  /** Of the event, in its pool. */
  readonly poolSerial: number;
}

/** `len` counts bytes, as documented; supervisord counts characters, which only ASCII forgives. */
export function eventMessage(
  event: SupervisorEvent,
  { server, pool, serial, poolSerial }: Delivery,
): Uint8Array {
  const payload = payloadOf(event);
  const headers = [
    'ver:3.0',
    `server:${server}`,
    `serial:${serial}`,
    `pool:${pool}`,
    `poolserial:${poolSerial}`,
    `eventname:${event.type}`,
    `len:${payload.length}`,
  ];
  return joinBytes([encodeBytes(`${headers.join(' ')}\n`), payload]);
}

export function payloadOf(event: SupervisorEvent): Uint8Array {
  switch (event.type) {
    case 'PROCESS_LOG_STDOUT':
      return withData(`${ofProcess(event)} pid:${event.pid} channel:stdout\n`, event.data);
    case 'PROCESS_LOG_STDERR':
      return withData(`${ofProcess(event)} pid:${event.pid} channel:stderr\n`, event.data);
    case 'PROCESS_COMMUNICATION_STDOUT':
    case 'PROCESS_COMMUNICATION_STDERR':
      return withData(`${ofProcess(event)} pid:${event.pid}\n`, event.data);
    case 'REMOTE_COMMUNICATION':
      return encodeBytes(`type:${event.kind}\n${event.data}`);
    case 'SUPERVISOR_STATE_CHANGE_RUNNING':
    case 'SUPERVISOR_STATE_CHANGE_STOPPING':
      return encodeBytes('');
    case 'TICK_5':
    case 'TICK_60':
    case 'TICK_3600':
      return encodeBytes(`when:${event.when}`);
    case 'PROCESS_GROUP_ADDED':
    case 'PROCESS_GROUP_REMOVED':
      return encodeBytes(`groupname:${event.group}\n`);
    default:
      return encodeBytes(`${ofProcess(event)} from_state:${event.from}${moreOf(event)}`);
  }
}

function moreOf(event: ProcessStateEvent): string {
  switch (event.type) {
    case 'PROCESS_STATE_STARTING':
    case 'PROCESS_STATE_BACKOFF':
      return ` tries:${event.tries}`;
    case 'PROCESS_STATE_EXITED':
      return ` expected:${event.expected ? 1 : 0} pid:${event.pid}`;
    case 'PROCESS_STATE_FATAL':
    case 'PROCESS_STATE_UNKNOWN':
      return '';
    default:
      return ` pid:${event.pid}`;
  }
}

const ofProcess = ({ name, group }: { readonly name: string; readonly group: string }): string =>
  `processname:${name} groupname:${group}`;

/** Bytes that are UTF-8 pass as they are. */
const withData = (line: string, data: Uint8Array): Uint8Array =>
  joinBytes([
    encodeBytes(line),
    decodeBytes(data).isWellFormed() ? data : encodeBytes(`Undecodable: ${reprOfBytes(data)}`),
  ]);
