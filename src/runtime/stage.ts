// The two things that need a process of their own, and the orders they are given. dist/stage.cjs is this file's
// other side. An order arrives as descriptor 3, the verdict leaves through descriptor 4; neither is inherited any
// further, because Node marks them close-on-exec when it starts.
import {
  AlreadyRunningError,
  BugError,
  ConfigError,
  DetachError,
  IdentityError,
  NotReadyError,
  SpawnError,
  SystemError,
  type TsdaemonError,
  UsageError,
} from '../errors.js';
import { currentEnvironment } from '../os/caller.js';
import { closeDescriptor, makePipe } from '../os/descriptors.js';
import { type DescriptorMap, type Invocation, reap, spawn } from '../os/invoke.js';
import { makeMessage, readToEnd } from '../os/message.js';
import { packageFile } from '../os/package-file.js';
import type { Limit, UserName } from '../spec/service-spec.js';
import type { StartedDaemon, StartRequest } from './start-request.js';

export const ORDER_DESCRIPTOR = 3;
export const VERDICT_DESCRIPTOR = 4;

export type StageOrder =
  | { readonly do: 'start'; readonly request: StartRequest }
  | { readonly do: 'start-watched'; readonly request: StartRequest; readonly readyTimeoutMs: number }
  | ({ readonly do: 'exec'; readonly invocation: Invocation } & LastTouches);

/** What only the last process before the program can do, as Node undoes it or could not live with it. */
export interface LastTouches {
  readonly limits: readonly Limit[];
  readonly softOpenFiles: number | null;
  readonly hangup: 'ignore' | 'default';
  readonly user: UserName | null;
  /** Of the program alone; what has been lowered can only be raised again by root. */
  readonly nice: number | null;
}

/** An order as it travels: with what the program is to inherit, program's descriptor -> stage's descriptor. */
export type SentOrder = StageOrder & { readonly passed: readonly (readonly [number, number])[] };

/** Where passed descriptors lie in the stage: far above what Node opens for itself at its start. */
const FIRST_PASSED = 40;

export type StageVerdict =
  | { readonly started: StartedDaemon }
  | { readonly failed: { readonly message: string; readonly fields: RemoteFacts } };

type RemoteFacts = { readonly code: `TSD_${string}`; readonly exitCode?: number };

/** An error of the other process as it was there: class, code, message and facts. */
function revive(message: string, facts: RemoteFacts): Error {
  const error = Object.assign(new Error(message), facts);
  // The facts are complete, so the constructor, which would make the message anew, has nothing to do.
  return Object.setPrototypeOf(error, (errorClasses[facts.code] ?? BugError).prototype) as Error;
}

const errorClasses: Readonly<Record<string, { readonly prototype: TsdaemonError }>> = {
  TSD_USAGE: UsageError,
  TSD_CONFIG: ConfigError,
  TSD_ALREADY_RUNNING: AlreadyRunningError,
  TSD_IDENTITY: IdentityError,
  TSD_SYSTEM: SystemError,
  TSD_DETACH: DetachError,
  TSD_SPAWN: SpawnError,
  TSD_NOT_READY: NotReadyError,
};

interface Stage {
  readonly pid: number;
  /** The end of the verdict's pipe that we read. */
  readonly verdict: number;
}

/** Starts the stage and leaves it at work; `descriptors` are the program's. */
export function startStage(
  order: StageOrder,
  descriptors: DescriptorMap,
  hangup: 'ignore' | 'default',
  extra: DescriptorMap = new Map(),
  ownGroup = false,
): Stage {
  const inherited = new Map<number, number>();
  const passed: (readonly [number, number])[] = [];
  const pass = (there: number, here: number): void => {
    const middle = FIRST_PASSED + passed.length;
    passed.push([there, middle]);
    inherited.set(middle, here);
  };
  for (const [there, here] of descriptors) {
    if (there > 2) pass(there, here);
    else inherited.set(there, here);
  }
  // Of these even 0, 1 and 2 are the program's alone: the stage keeps the standard streams it was given.
  for (const [there, here] of extra) pass(there, here);
  const message = makeMessage('tsdaemon-order', { ...order, passed } satisfies SentOrder);
  const pipe = makePipe();
  inherited.set(ORDER_DESCRIPTOR, message).set(VERDICT_DESCRIPTOR, pipe.write);
  try {
    const invocation = {
      candidates: [process.execPath],
      argv: [process.execPath, packageFile('stage.cjs')],
      // Options and certificates that are meant for the program, not for our own Node.
      env: currentEnvironment().filter((entry) => !/^NODE_(OPTIONS|EXTRA_CA_CERTS)=/.test(entry)),
    };
    return { pid: spawn(invocation, inherited, hangup, ownGroup), verdict: pipe.read };
  } finally {
    closeDescriptor(message);
    closeDescriptor(pipe.write);
  }
}

/** A plain child can always leave the session; it does the whole start, and we pass on its verdict. */
export function startInCopy(request: StartRequest, extra: DescriptorMap): StartedDaemon {
  const kept = request.spec.detach.keepFds.map((descriptor) => [descriptor, descriptor] as const);
  const descriptors = new Map([[0, 0], [1, 1], [2, 2], ...kept]);
  const stage = startStage({ do: 'start', request }, descriptors, 'default', extra);
  const text = readToEnd(stage.verdict).toString();
  closeDescriptor(stage.verdict);
  const end = reap(stage.pid, true);
  if (text === '')
    throw new DetachError(
      'copy-launcher',
      `cannot detach: the launcher's copy ended${endText(end)} without a verdict`,
    );
  return readVerdict(text);
}

function endText(end: ReturnType<typeof reap>): string {
  if (end === null) return '';
  return end.signal === null ? ` with code ${end.code}` : ` of signal ${end.signal}`;
}

/** Returns what was started or throws what went wrong there. */
export function readVerdict(text: string): StartedDaemon {
  const verdict = JSON.parse(text) as StageVerdict;
  if ('started' in verdict) return verdict.started;
  const { message, fields } = verdict.failed;
  throw revive(message, fields);
}

/** Limits that would break the launcher are set by a small stage that then becomes the program. */
export function spawnWithLimits(
  invocation: Invocation,
  descriptors: DescriptorMap,
  touches: LastTouches,
  ownGroup: boolean,
): number {
  const stage = startStage(
    { do: 'exec', invocation, ...touches },
    descriptors,
    touches.hangup,
    new Map(),
    ownGroup,
  );
  // The pipe closes by exec; bytes before that are an error.
  const text = readToEnd(stage.verdict).toString();
  closeDescriptor(stage.verdict);
  if (text === '') return stage.pid;
  reap(stage.pid, true);
  const { failed } = JSON.parse(text) as Extract<StageVerdict, { failed: unknown }>;
  throw revive(failed.message, failed.fields);
}
