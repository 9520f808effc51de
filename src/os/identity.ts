// Who a process is, beyond its pid, and where we stand when we judge that.
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { callLibc } from '../../native-bindings/libc.js';
import { cString } from '../../native-bindings/structs.js';
import type { Viewpoint } from '../core/judge.js';
import type { ProcessIdentity } from '../spec/daemon-record.js';
import { sightProcess } from './processes.js';

let here: Viewpoint | undefined;

/** Read once: none of it changes while a process lives. */
export function viewpoint(): Viewpoint {
  here ??= {
    bootId: readBootId(),
    pidNamespace: readNamespace('pid'),
    host: { name: hostname(), utsNamespace: readNamespace('uts') },
  };
  return here;
}

/** null for what this machine cannot tell. */
export function identityOf(pid: number): ProcessIdentity {
  const seen = sightProcess(pid);
  return { pid, startTime: seen.kind === 'process' ? seen.startTime : null, ...viewpoint() };
}

function readBootId(): string | null {
  if (process.platform === 'darwin') return readMacBootSession();
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    // No /proc: judged by host name and start time alone.
    return null;
  }
}

function readMacBootSession(): string | null {
  const value = Buffer.alloc(64);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  try {
    callLibc('sysctlbyname', cString('kern.bootsessionuuid'), value, length, 0, 0);
  } catch {
    // Older than macOS 10.14.4, or without our native module.
    return null;
  }
  return value.toString('latin1', 0, Number(length.readBigUInt64LE())).replace(/\0+$/, '');
}

/** "pid:[4026531836]": the number is the namespace's inode. */
function readNamespace(kind: 'pid' | 'uts'): string | null {
  try {
    return readlinkSync(`/proc/self/ns/${kind}`);
  } catch {
    // Not Linux, or no /proc.
    return null;
  }
}
