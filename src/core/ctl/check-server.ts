// Whether anybody answers, and whether it is a supervisor: asked before most actions.
import { ControlError, SystemError } from '../../errors.js';
import { faultCodes as faults } from '../../spec/faults.js';
import { exits, faultError } from './faults.js';
import { call, type Script, type Session, say } from './script.js';

const API_VERSION = '3.0';

/** The exit code; 0 where all is well, otherwise the reason has been said. */
export function* checkServer(session: Session): Script<number> {
  try {
    const version = yield* call('getVersion');
    if (version === API_VERSION) return exits.success;
    const text =
      `Sorry, this version of supervisorctl expects to talk to a server with API version ${API_VERSION}, ` +
      `but the remote version is ${String(version)}.`;
    yield* say(text, { error: { code: 'API_VERSION', text } });
    return exits.notInstalled;
  } catch (error) {
    if (error instanceof ControlError && error.fault === faults.UNKNOWN_METHOD) {
      const text =
        'Sorry, supervisord responded but did not recognize the supervisor namespace commands that ' +
        'supervisorctl uses to control it.  Please check that the [rpcinterface:supervisor] section is ' +
        'enabled in the configuration file (see sample.conf).';
      yield* say(text, { error: faultError(error.fault, text) });
      return exits.unimplemented;
    }
    if (!(error instanceof SystemError)) throw error;
    const { errnoName } = error;
    if (errnoName !== 'ECONNREFUSED' && errnoName !== 'ENOENT') throw error;
    const isRefused = errnoName === 'ECONNREFUSED';
    const text = `${session.serverUrl} ${isRefused ? 'refused connection' : 'no such file'}`;
    yield* say(text, { error: { code: errnoName, text } });
    return isRefused ? exits.refused : exits.notRunning;
  }
}
