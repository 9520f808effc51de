// One attempt each to find out from outside whether a program answers. Bounded by a timeout; that it does not
// answer is a result with its reason, never an exception. What an attempt needs of Node is loaded when it is
// first made.
import { closeSync, openSync } from 'node:fs';
import type { ClientRequest } from 'node:http';
import { errnoNameOf, errnoText, reasonOf, TsdaemonError } from '../errors.js';
import type { ProbeTarget } from '../spec/service-spec.js';
import { type Invocation, type ProcessEnd, reap, spawn } from './invoke.js';
import { ProcessHandle } from './process-handle.js';
import { killTree } from './process-tree.js';
import { signalGroup, signalName } from './signals.js';

export type ProbeOutcome = { readonly isReady: true } | { readonly isReady: false; readonly reason: string };

export interface ProbeSetting {
  /** `NAME=value`: the environment of a command. */
  readonly env: readonly string[];
  /** Where a command's output goes; null: nowhere. */
  readonly output: number | null;
  /**
   * Resolves when the child of this pid has ended and been reaped, with how; null: nobody could see. For a
   * caller that reaps every child itself. It is asked as soon as the command runs, so it also says that this
   * child of the caller's is not a part of the program that is watched. Default: a pidfd and waitpid for this
   * one.
   */
  readonly whenEnded?: (pid: number) => Promise<ProcessEnd | null>;
}

export function probe(target: ProbeTarget, timeoutMs: number, setting: ProbeSetting): Promise<ProbeOutcome> {
  switch (target.kind) {
    case 'tcp':
      return probeTcp(target, timeoutMs);
    case 'http':
      return probeHttp(target.url, timeoutMs);
    case 'command':
      return probeCommand(
        { candidates: ['/bin/sh'], argv: ['sh', '-c', target.script], env: setting.env },
        timeoutMs,
        setting,
      );
  }
}

const ready: ProbeOutcome = { isReady: true };
const notReady = (reason: string): ProbeOutcome => ({ isReady: false, reason });
const noAnswer = (timeoutMs: number): ProbeOutcome => notReady(`no answer within ${timeoutMs / 1000} s`);

/** Somebody accepts connections at host:port. Nothing is sent. */
export async function probeTcp(
  { host, port }: { readonly host: string; readonly port: number },
  timeoutMs: number,
): Promise<ProbeOutcome> {
  const { connect } = await import('node:net');
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (outcome: ProbeOutcome): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => settle(noAnswer(timeoutMs)), timeoutMs);
    socket.on('error', (error) => settle(notReady(failureText(error))));
    socket.once('connect', () => {
      // Where nobody listens on a port of the range from which the kernel takes the caller's, it may take the
      // very same one: then the connection is to ourselves (simultaneous open).
      const isOwnEcho =
        socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress;
      settle(isOwnEcho ? notReady(errnoText('ECONNREFUSED')) : ready);
    });
  });
}

/** A GET is answered with 2xx or 3xx; a redirection is an answer and is not followed. */
export async function probeHttp(url: string, timeoutMs: number): Promise<ProbeOutcome> {
  const isSecure = /^https:/i.test(url);
  const { request } = isSecure ? await import('node:https') : await import('node:http');
  return new Promise((resolve) => {
    let question: ClientRequest;
    try {
      question = request(url, {
        agent: false,
        headers: { 'User-Agent': 'tsdaemon', Accept: '*/*', Connection: 'close' },
        // A service is asked by its local address, for which its certificate does not stand. The question is
        // whether it answers, not who it is.
        ...(isSecure ? { rejectUnauthorized: false } : {}),
      });
    } catch (error) {
      // Not every text that looks like a URL is one: http://999.1.1.1/
      return resolve(notReady(failureText(error)));
    }
    const settle = (outcome: ProbeOutcome): void => {
      clearTimeout(timer);
      question.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => settle(noAnswer(timeoutMs)), timeoutMs);
    question.on('error', (error) => settle(notReady(failureText(error))));
    question.once('response', ({ statusCode = 0 }) =>
      settle(statusCode >= 200 && statusCode < 400 ? ready : notReady(`answered with ${statusCode}`)),
    );
    question.end();
  });
}

/** With both address families tried, Node wraps one error for each; the first one's is told. */
function failureText(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const errnoName = errnoNameOf(first);
  if (errnoName !== null) return errnoText(errnoName);
  return reasonOf(first);
}

/**
 * A command exits with 0 in time; else it is killed with all that it started. It is started before this
 * returns its promise, so it runs as whoever this thread is at the moment. It leads a process group of its
 * own.
 */
export async function probeCommand(
  invocation: Invocation,
  timeoutMs: number,
  { output, whenEnded = endOfChild }: Omit<ProbeSetting, 'env'>,
): Promise<ProbeOutcome> {
  let pid: number;
  try {
    pid = start(invocation, output);
  } catch (error) {
    if (error instanceof TsdaemonError) return notReady(error.message);
    throw error;
  }
  // What it leaves in the background would pass for a part of the program: its group goes with it. The kernel
  // gives out numbers in turn, so that of a process which has just been reaped is nobody else's yet.
  const ended = whenEnded(pid).finally(() => killGroup(pid));
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<'too-late'>((resolve) => {
    timer = setTimeout(resolve, timeoutMs, 'too-late');
  });
  const end = await Promise.race([ended, tooLate]);
  clearTimeout(timer);
  if (end !== 'too-late') return judge(end);
  killTree(pid);
  killGroup(pid);
  // Its end is not awaited: one that hangs in the kernel would make this hang with it.
  return notReady(`did not end within ${timeoutMs / 1000} s`);
}

async function endOfChild(pid: number): Promise<ProcessEnd | null> {
  // No child of ours is gone before we reap it, so the handle is for this process. null: it is a zombie
  // already.
  const handle = ProcessHandle.open(pid, null);
  await handle?.ended(Number.POSITIVE_INFINITY);
  handle?.[Symbol.dispose]();
  return reap(pid, false);
}

/** A command and all that it started, which stays in its group. */
export function killGroup(group: number): void {
  try {
    signalGroup(group, 'SIGKILL');
  } catch (error) {
    // EPERM: it became another user, and goes on where we have no say.
    if (errnoNameOf(error) !== 'EPERM') throw error;
  }
}

function start(invocation: Invocation, output: number | null): number {
  const nowhere = openSync('/dev/null', 'r+');
  try {
    const sink = output ?? nowhere;
    const descriptors = new Map([
      [0, nowhere],
      [1, sink],
      [2, sink],
    ]);
    return spawn(invocation, descriptors, 'default', true);
  } finally {
    closeSync(nowhere);
  }
}

function judge(end: ProcessEnd | null): ProbeOutcome {
  if (end === null) return notReady('its exit was not seen');
  if (end.signal !== null) return notReady(`was killed by ${signalName(end.signal)}`);
  return end.code === 0 ? ready : notReady(`exited with ${end.code}`);
}
