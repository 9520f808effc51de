// Users and groups: looked up through libc (so LDAP and other name services count), taken on by one thread only.
import { readFileSync } from 'node:fs';
import { linuxSyscalls } from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { addressOf, callLibc, whileReferenced } from '../../native-bindings/libc.js';
import { cString, groupFields, passwdFields, readCString } from '../../native-bindings/structs.js';
import { SystemError, UsageError } from '../errors.js';
import { decodeBytes } from '../spec/byte-text.js';
import type { UserName } from '../spec/service-spec.js';

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** Every group the account is in, gid among them. */
  readonly groups: readonly number[];
  readonly home: string;
  readonly shell: string;
}

/** Throws UsageError for an unknown user or group. A uid or gid that has no name may be given as a number with both parts. */
export function findAccount({ user, group }: UserName): Account {
  const found = lookUpUser(user);
  if (found === null) throw new UsageError(`cannot run as user '${user}': no such user`, '--user');
  const gid = group === null ? found.gid : findGroup(group);
  return { ...found, gid, groups: groupsOf(found.name, gid) };
}

function passwdEntry(by: 'getpwnam_r', key: string): Omit<Account, 'groups'> | null;
function passwdEntry(by: 'getpwuid_r', key: number): Omit<Account, 'groups'> | null;
function passwdEntry(by: 'getpwnam_r' | 'getpwuid_r', key: string | number): Omit<Account, 'groups'> | null {
  const entry = Buffer.alloc(passwdFields.bytes);
  const strings = Buffer.alloc(65536);
  const result = Buffer.alloc(8);
  if (by === 'getpwnam_r') callLibc(by, cString(String(key)), entry, strings, strings.length, result);
  else callLibc(by, Number(key), entry, strings, strings.length, result);
  if (result.readBigUInt64LE() === 0n) return null;
  return {
    name: readText(entry, passwdFields.name),
    uid: entry.readUInt32LE(passwdFields.uid),
    gid: entry.readUInt32LE(passwdFields.gid),
    home: readText(entry, passwdFields.directory),
    shell: readText(entry, passwdFields.shell),
  };
}

function readText(struct: Buffer, offset: number): string {
  return decodeBytes(readCString(Number(struct.readBigUInt64LE(offset)), 4096));
}

/** null: there is no such account. */
export function lookUpUser(nameOrUid: string): Omit<Account, 'groups'> | null {
  return /^\d+$/.test(nameOrUid)
    ? passwdEntry('getpwuid_r', Number(nameOrUid))
    : passwdEntry('getpwnam_r', nameOrUid);
}

function findGroup(group: string): number {
  const gid = lookUpGroup(group);
  if (gid === null) throw new UsageError(`cannot run as group '${group}': no such group`, '--user');
  return gid;
}

/** The gid; null: there is no such group. A number is taken as it is. */
export function lookUpGroup(nameOrGid: string | number): number | null {
  const group = String(nameOrGid);
  if (/^\d+$/.test(group)) return Number(group);
  const entry = Buffer.alloc(groupFields.bytes);
  // A group of ten thousand members has an entry of this size.
  const strings = Buffer.alloc(1 << 20);
  const result = Buffer.alloc(8);
  callLibc('getgrnam_r', cString(group), entry, strings, strings.length, result);
  return result.readBigUInt64LE() === 0n ? null : entry.readUInt32LE(groupFields.gid);
}

function groupsOf(user: string, gid: number): number[] {
  // NGROUPS_MAX on Linux.
  const capacity = 65536;
  const groups = Buffer.alloc(4 * capacity);
  const count = Buffer.alloc(4);
  count.writeInt32LE(capacity);
  callLibc('getgrouplist', cString(user), gid, groups, count);
  return Array.from({ length: count.readInt32LE() }, (_, index) => groups.readUInt32LE(4 * index));
}

/**
 * Acts as the account until the returned function is called. Raw system calls, so only this thread changes (libc's
 * wrappers would change every thread, the ones that do file work in the background included); posix_spawn passes
 * this thread's ids on. The saved uid stays ours to come back by; exec overwrites it with the new one, so the
 * program cannot.
 */
export function actAs(account: Account): () => void {
  if (process.geteuid?.() === account.uid && process.getegid?.() === account.gid && process.getuid?.() !== 0)
    return () => undefined;
  if (process.platform !== 'linux')
    throw new UsageError(
      'cannot change the user: only Linux lets a launcher do so and write its pidfile',
      '--user',
    );
  const before = { groups: ownGroups(), gid: process.getegid!(), uid: process.geteuid!() };
  try {
    setGroups(account.groups);
    rawSyscall('setresgid', account.gid, account.gid, account.gid);
    rawSyscall('setresuid', account.uid, account.uid, before.uid);
  } catch (error) {
    if (!(error instanceof LibcError)) throw error;
    throw new SystemError(
      `cannot run as user '${account.name}'`,
      { syscall: 'setresuid', errnoName: error.code },
      error,
    );
  }
  return () => {
    rawSyscall('setresuid', before.uid, before.uid, before.uid);
    rawSyscall('setresgid', before.gid, before.gid, before.gid);
    setGroups(before.groups);
  };
}

/** process.getgroups() adds the effective group to them, which must not be handed on to programs for that. */
function ownGroups(): number[] {
  const line = /^Groups:(.*)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '';
  return line.split(/\s+/).filter(Boolean).map(Number);
}

function setGroups(groups: readonly number[]): void {
  const list = Buffer.alloc(4 * Math.max(1, groups.length));
  groups.forEach((group, index) => {
    list.writeUInt32LE(group, 4 * index);
  });
  whileReferenced([list], () => rawSyscall('setgroups', groups.length, addressOf(list), 0));
}

function rawSyscall(name: 'setgroups' | 'setresuid' | 'setresgid', a: number, b: number, c: number): void {
  callLibc('syscall', linuxSyscalls[name], a, b, c, 0, 0, 0);
}

/** Becomes the account for good, with all of this process's threads, root's rights and ways back given up. */
export function becomeForGood({ uid, gid, groups }: Account): void {
  process.setgroups!([...groups]);
  process.setgid!(gid);
  process.setuid!(uid);
}
