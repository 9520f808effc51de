// Methods that supervisord does not have.
import { ConfigError } from '../errors.js';
import type { AddedPrograms } from '../runtime/added-programs.js';
import type { SupervisorDaemon } from '../runtime/supervisor-daemon.js';
import type { EpochMs } from '../spec/time.js';
import { RpcError } from './faults.js';
import type { RpcEntry, RpcMethods } from './rpc.js';
import { inOrder, stateRow } from './told-process.js';

export function tsdaemonNamespace(daemon: SupervisorDaemon, added: AddedPrograms): RpcMethods {
  const guarded = async (act: () => Promise<boolean>, name: string): Promise<boolean> => {
    if (daemon.isEnding) throw new RpcError('SHUTDOWN_STATE');
    try {
      if (!(await act())) throw new RpcError('BAD_NAME', name);
      return true;
    } catch (error) {
      if (error instanceof ConfigError) throw new RpcError('BAD_ARGUMENTS', error.message);
      throw error;
    }
  };
  return new Map<string, RpcEntry>([
    [
      'tsdaemon.getAllStates',
      {
        signature: ['array'],
        help: ` What status shows of all processes, in the order of getAllProcessInfo

        @return array result       arrays of group:name, a state and a description
        `,
        run: () => {
          if (daemon.isEnding) throw new RpcError('SHUTDOWN_STATE');
          const now = Date.now() as EpochMs;
          return inOrder(daemon.supervisor.processes).map((process) => stateRow(daemon, process, now));
        },
      },
    ],
    [
      'tsdaemon.addProgram',
      {
        signature: ['boolean', 'string'],
        help: ` Add programs without a file, or change added ones; they are kept over restarts

        @param string json         an object with a name and keys of [program:x], or a list of them
        @return boolean result     true if successful
        `,
        run: (json) => guarded(() => added.add(json as string).then(() => true), ''),
      },
    ],
    [
      'tsdaemon.removeProgram',
      {
        signature: ['boolean', 'string'],
        help: ` Stop and forget a program that was added without a file

        @param string name         name of the program
        @return boolean result     true if successful
        `,
        run: (name) => guarded(() => added.remove(name as string), name as string),
      },
    ],
  ]);
}
