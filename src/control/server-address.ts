// Where a server listens, as the serverurl of supervisorctl says it.
import type { IpcNetConnectOpts, TcpNetConnectOpts } from 'node:net';
import { ScriptError } from '../core/ctl/script.js';

export interface ServerAddress {
  readonly connect: TcpNetConnectOpts | IpcNetConnectOpts;
  /** For the Host header. */
  readonly host: string;
}

/** Throws ScriptError, worded as supervisorctl does. */
export function parseServerUrl(url: string): ServerAddress {
  if (url.startsWith('unix://')) return { connect: { path: url.slice('unix://'.length) }, host: 'localhost' };
  const match = /^http:\/\/(?:[^@/]*@)?(\[[^\]]*\]|[^:/?#]*)(?::([^/?#]*))?/.exec(url);
  if (match === null) throw new ScriptError('ValueError', `Unknown protocol for serverurl ${url}`);
  const [, name = '', portText = ''] = match;
  if (!/^\d*$/.test(portText))
    throw new ScriptError('ValueError', `Port could not be cast to integer value as '${portText}'`);
  const port = portText === '' ? 80 : Number(portText);
  if (port > 65_535) throw new ScriptError('ValueError', 'Port out of range 0-65535');
  const host = name.replace(/^\[|\]$/g, '') || 'localhost';
  return { connect: { host, port }, host: port === 80 ? name : `${name}:${port}` };
}
