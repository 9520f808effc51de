import { RLIM_INFINITY, resourceLimits } from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { callLibc } from '../../native-bindings/libc.js';
import { rlimit } from '../../native-bindings/structs.js';
import { SystemError } from '../errors.js';
import type { Limit, LimitValue } from '../spec/service-spec.js';

export function isResource(name: string): boolean {
  return Object.hasOwn(resourceLimits, name);
}

export const resourceNames: readonly string[] = Object.keys(resourceLimits);

/** Sets both halves of a limit of this process, and so of what it starts. */
export function setLimit({ resource, soft, hard }: Limit): void {
  try {
    callLibc(
      'setrlimit',
      resourceLimits[resource]!,
      rlimit.write({ soft: toKernel(soft), hard: toKernel(hard) }),
    );
  } catch (error) {
    if (!(error instanceof LibcError)) throw error;
    const attempt = `cannot set limit ${resource}=${soft === hard ? soft : `${soft}:${hard}`}`;
    throw new SystemError(attempt, { syscall: 'setrlimit', errnoName: error.code }, error);
  }
}

/** Sets the soft half alone, at most to the hard one. Returns the way back. */
export function setSoftOpenFiles(soft: number): () => void {
  const before = rlimit.empty();
  callLibc('getrlimit', resourceLimits.nofile!, before);
  const { soft: current, hard } = rlimit.read(before);
  const wanted = toKernel(soft) < hard ? toKernel(soft) : hard;
  if (wanted === current) return () => undefined;
  callLibc('setrlimit', resourceLimits.nofile!, rlimit.write({ soft: wanted, hard }));
  return () => callLibc('setrlimit', resourceLimits.nofile!, before);
}

const toKernel = (value: LimitValue): bigint =>
  value === 'unlimited' || value === Number.POSITIVE_INFINITY ? RLIM_INFINITY : BigInt(value);

/**
 * Raises a limit of this process to at least so much: the soft half, and as root the hard one. Throws SystemError
 * where that is not allowed.
 */
export function raiseLimit(resource: 'nofile' | 'nproc', least: number): void {
  const now = rlimit.empty();
  callLibc('getrlimit', resourceLimits[resource]!, now);
  const { soft, hard } = rlimit.read(now);
  const wanted = BigInt(least);
  if (soft >= wanted) return;
  const limits = rlimit.write({ soft: wanted, hard: hard < wanted ? wanted : hard });
  try {
    callLibc('setrlimit', resourceLimits[resource]!, limits);
  } catch (error) {
    if (!(error instanceof LibcError)) throw error;
    throw new SystemError(
      `cannot raise limit ${resource} to ${least}`,
      { syscall: 'setrlimit', errnoName: error.code },
      error,
    );
  }
}
