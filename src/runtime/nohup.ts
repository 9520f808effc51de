// nohup as GNU coreutils 9.1 does it: messages, exit codes, order and all. Nothing but SIGHUP and the terminal's
// streams changes; the process becomes the command.
import { closeSync, fchmodSync, openSync, writeSync } from 'node:fs';
import { commandCandidates } from '../core/command-path.js';
import { variable } from '../core/environment.js';
import { type NohupPlan, planNohup, type StreamKind } from '../core/nohup-plan.js';
import { errnoNameOf, SpawnError } from '../errors.js';
import type { Caller } from '../os/caller.js';
import { copyCloseOnExec, duplicate, keepOnExec } from '../os/descriptors.js';
import { strerror } from '../os/error-text.js';
import { exec } from '../os/invoke.js';
import { setSoftOpenFiles } from '../os/limits.js';
import { setIgnoredSignals, setSignalMask } from '../os/signals.js';
import { isTerminal } from '../os/terminal.js';
import { encodeBytes } from '../spec/byte-text.js';

/** Becomes the command; returns an exit code only where it could not. */
export function nohup(argv: readonly string[], caller: Caller): number {
  const failureCode = variable(caller.environment, 'POSIXLY_CORRECT') === null ? 125 : 127;
  const [stdin, stdout, stderr] = [0, 1, 2].map((fd) => streamKind(fd, caller)) as [
    StreamKind,
    StreamKind,
    StreamKind,
  ];
  const plan = planNohup(stdin, stdout, stderr);
  // The terminal, kept for the one message that may still be due; close-on-exec, else an ssh session would hang.
  const terminal = stderr === 'closed' ? null : copyCloseOnExec(2);
  if (plan.closeInput) duplicate(openSync('/dev/null', 'w'), 0);
  const output = plan.openOutput === null ? null : openNohupOut(caller, terminal);
  if (plan.openOutput !== null && output === null) return failureCode;
  for (const notice of plan.notices) {
    const text = notice.replace('FILE', () => quoted(output?.shownAs ?? ''));
    if (!say(text, terminal)) return failureCode;
  }
  redirect(plan, output?.descriptor ?? null);
  return become(argv, caller, plan, terminal);
}

function streamKind(descriptor: 0 | 1 | 2 | number, caller: Caller): StreamKind {
  if (caller.openStandard[descriptor as 0 | 1 | 2] === false) return 'closed';
  return isTerminal(descriptor) ? 'terminal' : 'other';
}

/** nohup.out here, else in $HOME; null after both refusals have been told. */
function openNohupOut(
  caller: Caller,
  terminal: number | null,
): { descriptor: number; shownAs: string } | null {
  const home = variable(caller.environment, 'HOME');
  const failures: string[] = [];
  for (const path of ['nohup.out', ...(home === null ? [] : [inFolder(home, 'nohup.out')])]) {
    try {
      return { descriptor: openAppending(path), shownAs: path };
    } catch (error) {
      failures.push(`failed to open ${quoted(path)}: ${strerror(errnoNameOf(error) ?? 'EIO')}`);
    }
  }
  for (const failure of failures) say(failure, terminal);
  return null;
}

/** 0600 whatever the umask; the command keeps the caller's. A link is followed, a FIFO waited for, as by nohup. */
function openAppending(path: string): number {
  const bytes = encodeBytes(path);
  try {
    const descriptor = openSync(bytes, 'ax', 0o600);
    fchmodSync(descriptor, 0o600);
    return descriptor;
  } catch (error) {
    if (errnoNameOf(error) !== 'EEXIST') throw error;
    return openSync(bytes, 'a', 0o600);
  }
}

function redirect(plan: NohupPlan, output: number | null): void {
  if (plan.openOutput === 'stdout') duplicate(output!, 1);
  if (plan.joinError) duplicate(plan.openOutput === 'stderr' ? output! : 1, 2);
}

function become(argv: readonly string[], caller: Caller, plan: NohupPlan, terminal: number | null): number {
  const candidates = commandCandidates(argv[0]!, variable(caller.environment, 'PATH'), null);
  try {
    exec({ candidates, argv, env: caller.environment }, () => {
      const reopened = [plan.closeInput, plan.openOutput === 'stdout', plan.joinError];
      for (const standard of [0, 1, 2] as const) {
        // Node opened /dev/null in the place of what the caller had closed.
        if (caller.openStandard[standard] || reopened[standard]) keepOnExec(standard);
        else closeSync(standard);
      }
      for (const descriptor of caller.inherited() ?? []) keepOnExec(descriptor);
      if (caller.softOpenFiles !== null) setSoftOpenFiles(caller.softOpenFiles);
      setIgnoredSignals([...caller.ignoredSignals, 1]);
      setSignalMask(caller.blockedSignals);
    });
  } catch (error) {
    if (!(error instanceof SpawnError)) throw error;
    say(`failed to run command ${quoted(argv[0]!)}: ${strerror(error.errnoName)}`, terminal);
    return error.exitCode;
  }
}

/** False where it could not be written: nohup gives up then, though the output file is there already. */
function say(text: string, terminal: number | null): boolean {
  if (terminal === null) return false;
  try {
    writeSync(terminal, encodeBytes(`nohup: ${text}\n`));
    return true;
  } catch (error) {
    if (errnoNameOf(error) === null) throw error;
    return false;
  }
}

/** The folder as it is spelled, as coreutils' file_name_concat has it: join() would tidy it up. */
function inFolder(folder: string, file: string): string {
  if (folder === '') return file;
  return `${folder.replace(/\/+$/, '')}/${file}`;
}

/** As coreutils quotes file names: for a shell. */
function quoted(text: string): string {
  if (text.includes("'") && !/["$`\\\n]/.test(text)) return `"${text}"`;
  return `'${text.replaceAll("'", "'\\''").replaceAll('\n', () => "'$'\\n''")}'`;
}
