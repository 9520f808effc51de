// What nohup does with the three standard streams, by which of them are terminals. Facts from GNU coreutils 9.1,
// each row tried against it.

export type StreamKind = 'terminal' | 'other' | 'closed';

export interface NohupPlan {
  /** A terminal as stdin becomes /dev/null opened write-only, so that a read fails instead of giving EOF. */
  readonly closeInput: boolean;
  /** Which streams go to nohup.out. */
  readonly openOutput: 'stdout' | 'stderr' | null;
  /** Whether stderr becomes a copy of stdout. */
  readonly joinError: boolean;
  /** Written to the original stderr, each behind `nohup: `; FILE stands for the output file's name. */
  readonly notices: readonly string[];
}

export function planNohup(stdin: StreamKind, stdout: StreamKind, stderr: StreamKind): NohupPlan {
  const closeInput = stdin === 'terminal';
  const outputNeedsFile = stdout === 'terminal' || (stderr === 'terminal' && stdout === 'closed');
  const joinError = stderr === 'terminal';
  const notices: string[] = [];
  if (outputNeedsFile) {
    notices.push(closeInput ? 'ignoring input and appending output to FILE' : 'appending output to FILE');
  } else if (closeInput && !joinError) notices.push('ignoring input');
  if (joinError && stdout !== 'terminal') {
    notices.push(
      closeInput ? 'ignoring input and redirecting stderr to stdout' : 'redirecting stderr to stdout',
    );
  }
  const openOutput = !outputNeedsFile ? null : stdout === 'closed' ? 'stderr' : 'stdout';
  return { closeInput, openOutput, joinError, notices };
}
