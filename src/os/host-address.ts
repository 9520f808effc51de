// Which IPv4 address a name of this machine stands for, without waiting for anybody: what is bound to is an address of
// our own, so its name stands in /etc/hosts where it is used at all.
import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { errnoNameOf } from '../errors.js';

/** Empty and `*` are every address. null: the name is not known. */
export function ownAddress(host: string): string | null {
  if (host === '' || host === '*') return '0.0.0.0';
  if (isIPv4(host)) return host;
  // Not looked up: it may be ::1 first, where no client of supervisord looks for it.
  if (host.toLowerCase() === 'localhost') return '127.0.0.1';
  for (const line of readHosts().split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/);
    if (isIPv4(address) && names.includes(host.toLowerCase())) return address;
  }
  return null;
}

function readHosts(): string {
  try {
    return readFileSync('/etc/hosts', 'utf8');
  } catch (error) {
    if (errnoNameOf(error) === null) throw error;
    return '';
  }
}
