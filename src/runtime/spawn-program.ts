// The last steps before a program runs, the same for a launcher that exits and for a watchdog that stays.
import { closeSync, openSync } from 'node:fs';
import { commandCandidates } from '../core/command-path.js';
import { variable } from '../core/environment.js';
import { type DescriptorMap, looksInvokable, spawn } from '../os/invoke.js';
import { setSoftOpenFiles } from '../os/limits.js';
import type { ServiceSpec } from '../spec/service-spec.js';
import { spawnWithLimits } from './stage.js';

export interface ProgramSetting {
  readonly spec: ServiceSpec;
  /** What a relative command means; null where it has been removed. */
  readonly cwd: string | null;
  readonly umask: number;
  readonly softOpenFiles: number | null;
  /** What it gets beside what spec.detach keeps: descriptor there -> descriptor here. Without a 0 it is /dev/null. */
  readonly descriptors: DescriptorMap;
  /** Of its own, so that it can be signalled as a whole; else it stays in ours. */
  readonly ownGroup: boolean;
  /** What this process must not take on itself. */
  readonly nice: number | null;
  /** Gives up the program's user, if it has been taken on for this thread. */
  readonly leaveUser: () => void;
  /** Called when there is something to exec: a program that is not there must not cost a log its content. */
  readonly whenInvokable: () => void;
}

/** Returns the pid. Whatever was changed of this process for the program's sake is as before afterwards. */
export function spawnProgram(setting: ProgramSetting): number {
  const { spec, softOpenFiles, leaveUser, ownGroup } = setting;
  const { command, detach, user } = spec;
  const invocation = {
    candidates: commandCandidates(command.argv[0], variable(command.env, 'PATH'), setting.cwd),
    argv: command.argv,
    env: command.env,
  };
  if (looksInvokable(invocation)) setting.whenInvokable();
  const stdin = setting.descriptors.has(0) ? null : openSync('/dev/null', 'r+');
  const kept = detach.keepFds.map((descriptor) => [descriptor, descriptor] as const);
  const descriptors = new Map([
    ...(stdin === null ? [] : [[0, stdin] as const]),
    ...kept,
    ...setting.descriptors,
  ]);
  const ours = process.umask(command.umask ?? setting.umask);
  let raiseAgain = (): unknown => undefined;
  try {
    if (command.limits.length > 0 || setting.nice !== null) {
      // The stage is our own file and may be out of the user's reach, so it takes the user on itself.
      leaveUser();
      const touches = {
        limits: command.limits,
        softOpenFiles,
        hangup: detach.hangup,
        user,
        nice: setting.nice,
      };
      return spawnWithLimits(invocation, descriptors, touches, ownGroup);
    }
    if (softOpenFiles !== null) raiseAgain = setSoftOpenFiles(softOpenFiles);
    return spawn(invocation, descriptors, detach.hangup, ownGroup);
  } finally {
    raiseAgain();
    process.umask(ours);
    leaveUser();
    if (stdin !== null) closeSync(stdin);
  }
}
