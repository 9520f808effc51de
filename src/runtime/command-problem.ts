// Why a program cannot be started, told before anything is tried, in supervisord's words.
import { findProgramFile } from '../os/program-file.js';
import { repr } from '../spec/python-text.js';
import type { SupervisedService } from '../spec/supervision.js';

export interface CommandProblem {
  readonly fault: 'NO_FILE' | 'NOT_EXECUTABLE';
  readonly text: string;
}

/** null: there is something to execute. */
export function commandProblem({ spec, commandFault }: SupervisedService): CommandProblem | null {
  if (commandFault !== null) return { fault: 'NOT_EXECUTABLE', text: commandFault };
  const { command } = spec;
  const path = command.env.findLast((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? null;
  const file = findProgramFile(command.argv[0], path, null);
  switch (file.is) {
    case 'executable':
      return null;
    case 'absent':
      return { fault: 'NO_FILE', text: `can't find command ${repr(file.path)}` };
    case 'a directory':
      return { fault: 'NOT_EXECUTABLE', text: `command at ${repr(file.path)} is a directory` };
    case 'not executable':
      return { fault: 'NOT_EXECUTABLE', text: `command at ${repr(file.path)} is not executable` };
    case 'forbidden':
      return { fault: 'NOT_EXECUTABLE', text: `no permission to run command ${repr(file.path)}` };
  }
}
