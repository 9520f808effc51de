// Detaching as a list of steps. planDetach decides; runtime/detach performs; --dry-run prints. The order is the
// knowledge, and every reason stands beside its step.
//
// No JavaScript ever runs in a forked child (Node maps its heap MADV_DONTFORK), so there is no double fork here.
// The launcher is disposable: it leaves the session itself, becomes what the program must inherit, and lets libc's
// posix_spawn do the one fork+exec. When it exits, the program is an orphan in a session whose leader is gone,
// which is what the double fork is for: it can never acquire a controlling terminal.
import { visible } from '../spec/byte-text.js';
import type { Limit, ServiceSpec, Sink, UserName } from '../spec/service-spec.js';

export type DetachStep =
  | { readonly name: 'copy-launcher' }
  | { readonly name: 'join-group'; readonly group: number }
  | { readonly name: 'leave-session' }
  | { readonly name: 'take-lock'; readonly pidfile: string | null }
  | { readonly name: 'write-intent'; readonly service: string }
  | { readonly name: 'set-hangup'; readonly hangup: 'ignore' | 'default' }
  | { readonly name: 'take-user'; readonly user: UserName }
  | { readonly name: 'open-stdout'; readonly sink: Sink }
  | { readonly name: 'open-stderr'; readonly sink: Sink }
  | { readonly name: 'set-umask'; readonly umask: number }
  | { readonly name: 'change-directory'; readonly path: string }
  | { readonly name: 'set-nice'; readonly nice: number }
  | { readonly name: 'restore-open-files'; readonly soft: number }
  | { readonly name: 'close-descriptors'; readonly keep: readonly number[] }
  | { readonly name: 'spawn'; readonly argv: readonly string[]; readonly limits: readonly Limit[] }
  | { readonly name: 'write-pidfile'; readonly path: string }
  | { readonly name: 'write-record'; readonly service: string };

/** What the plan needs to know about the launcher and its caller. */
export interface LauncherFacts {
  readonly pid: number;
  readonly processGroup: number;
  readonly session: number;
  /** The process group of the parent; null where the parent is not in our session, or cannot be seen. */
  readonly parentGroup: number | null;
  /** The soft RLIMIT_NOFILE of whoever called us; null where nobody noted it before Node raised it. */
  readonly callerOpenFiles: number | null;
}

export function planDetach(spec: ServiceSpec, facts: LauncherFacts): readonly DetachStep[] {
  const { command, detach, stdio, user } = spec;
  const steps: (DetachStep | false)[] = [
    ...planLeaving(facts),
    { name: 'take-lock', pidfile: detach.pidfile },
    { name: 'write-intent', service: spec.name },
    { name: 'set-hangup', hangup: detach.hangup },
    command.nice !== null && { name: 'set-nice', nice: command.nice },
    user !== null && { name: 'take-user', user },
    { name: 'open-stdout', sink: stdio.stdout },
    stdio.stderr !== 'as-stdout' && { name: 'open-stderr', sink: stdio.stderr },
    command.cwd !== null && { name: 'change-directory', path: command.cwd },
    command.umask !== null && { name: 'set-umask', umask: command.umask },
    facts.callerOpenFiles !== null && { name: 'restore-open-files', soft: facts.callerOpenFiles },
    { name: 'close-descriptors', keep: detach.keepFds },
    { name: 'spawn', argv: command.argv, limits: command.limits },
    detach.pidfile !== null && { name: 'write-pidfile', path: detach.pidfile },
    { name: 'write-record', service: spec.name },
  ];
  return steps.filter((step) => step !== false);
}

/** setsid is refused to a process group leader, so a leader first steps into its parent's group, if it may. */
function planLeaving(facts: LauncherFacts): DetachStep[] {
  if (facts.processGroup !== facts.pid) return [{ name: 'leave-session' }];
  if (facts.session === facts.pid || facts.parentGroup === null) return [{ name: 'copy-launcher' }];
  return [{ name: 'join-group', group: facts.parentGroup }, { name: 'leave-session' }];
}

/** One step as --dry-run shows it: the system call and why it is made. Nothing in it can break the line. */
export function describeStep(step: DetachStep): { readonly call: string; readonly reason: string } {
  const { call, reason } = describe(step);
  return { call: visible(call), reason };
}

function describe(step: DetachStep): { readonly call: string; readonly reason: string } {
  switch (step.name) {
    case 'copy-launcher':
      return {
        call: 'posix_spawn(self), setsid() in the copy',
        reason: 'this process leads its session or group, and setsid is refused to a leader',
      };
    case 'join-group':
      return {
        call: `setpgid(0, ${step.group})`,
        reason: 'setsid is refused to the leader of a process group',
      };
    case 'leave-session':
      return { call: 'setsid()', reason: 'leave the session and its controlling terminal' };
    case 'take-lock':
      return {
        call: `flock(state directory${step.pidfile === null ? '' : ` and the directory of ${step.pidfile}`}, LOCK_EX)`,
        reason: 'one start at a time; refuse if the daemon lives',
      };
    case 'write-intent':
      return {
        call: `write(record of ${step.service})`,
        reason: 'a launcher killed half-way must leave a trace of what it started',
      };
    case 'set-hangup':
      return step.hangup === 'ignore'
        ? {
            call: 'signal(SIGHUP, SIG_IGN)',
            reason: 'survive a hangup; ignored signals stay ignored across exec',
          }
        : { call: 'signal(SIGHUP, SIG_DFL)', reason: 'asked for with --hup default' };
    case 'take-user':
      return {
        call: `setgroups(), setresgid(), setresuid(${userText(step.user)})`,
        reason: 'group before user: afterwards we may not change groups',
      };
    case 'open-stdout':
      return {
        call: `open(${sinkText(step.sink)})`,
        reason: 'standard output, and standard error if not given',
      };
    case 'open-stderr':
      return { call: `open(${sinkText(step.sink)})`, reason: 'standard error' };
    case 'set-umask':
      return { call: `umask(${step.umask.toString(8).padStart(4, '0')})`, reason: 'asked for with --umask' };
    case 'change-directory':
      return { call: `chdir(${step.path})`, reason: 'after every relative path has been resolved' };
    case 'set-nice':
      return {
        call: `setpriority(PRIO_PROCESS, 0, ${step.nice})`,
        reason: 'after setsid, which makes a new autogroup',
      };
    case 'restore-open-files':
      return {
        call: `setrlimit(RLIMIT_NOFILE, ${step.soft})`,
        reason: 'Node raised the soft limit at its start',
      };
    case 'close-descriptors':
      return {
        call: `close_range(3, ~0, CLOSE_RANGE_CLOEXEC)${step.keep.length === 0 ? '' : `, but keep ${step.keep.join(', ')}`}`,
        reason: 'a leaked pipe would keep ssh or CI waiting, a leaked socket its port',
      };
    case 'spawn':
      return {
        call: `posix_spawn(${step.argv.join(' ')})${step.limits.map(limitText).join('')}`,
        reason: 'stdin is /dev/null; the signal mask is empty; no signal but SIGHUP may stay ignored',
      };
    case 'write-pidfile':
      return { call: `rename(${step.path})`, reason: 'a reader sees the whole pidfile or none' };
    case 'write-record':
      return {
        call: `rename(record of ${step.service})`,
        reason: 'pid, start time and boot id tell this process from any other',
      };
  }
}

const userText = ({ user, group }: UserName): string => (group === null ? user : `${user}:${group}`);
const limitText = ({ resource, soft, hard }: Limit): string =>
  `, setrlimit(${resource}, ${soft}, ${hard}) before exec`;
const sinkText = (sink: Sink): string =>
  sink.kind === 'file' ? `${sink.path}, ${sink.open}` : `${sink.candidates.join(' or ')}, ${sink.open}`;
