// Failures that supervisorctl shows as a Python exception: `error: <class 'X'>, text: file: F line: N`. Ours has the
// same words up to the file, which is of no use to anybody; in its place stands the server's address.
import { ControlError, HttpError, SystemError } from '../../errors.js';
import { repr } from '../../spec/python-text.js';
import { faultError } from './faults.js';
import { type ResultError, ScriptError } from './script.js';

const errnos: Readonly<Record<string, readonly [type: string, text: string]>> = {
  EACCES: ['PermissionError', '[Errno 13] Permission denied'],
  EAGAIN: ['BlockingIOError', '[Errno 11] Resource temporarily unavailable'],
  ECONNREFUSED: ['ConnectionRefusedError', '[Errno 111] Connection refused'],
  ECONNRESET: ['ConnectionResetError', '[Errno 104] Connection reset by peer'],
  EHOSTUNREACH: ['OSError', '[Errno 113] No route to host'],
  EINVAL: ['OSError', 'AF_UNIX path too long'],
  ENETUNREACH: ['OSError', '[Errno 101] Network is unreachable'],
  ENOENT: ['FileNotFoundError', '[Errno 2] No such file or directory'],
  ENOTDIR: ['NotADirectoryError', '[Errno 20] Not a directory'],
  ENOTFOUND: ['socket.gaierror', '[Errno -2] Name or service not known'],
  EPERM: ['PermissionError', '[Errno 1] Operation not permitted'],
  EPIPE: ['BrokenPipeError', '[Errno 32] Broken pipe'],
  ETIMEDOUT: ['TimeoutError', '[Errno 110] Connection timed out'],
};

export interface ShownError {
  readonly line: string;
  readonly error: ResultError;
}

/** null: not for the user, but a mistake of ours. */
export function showError(error: unknown, serverUrl: string): ShownError | null {
  if (error instanceof ControlError) {
    const text = `<Fault ${error.fault}: ${repr(error.text)}>`;
    return show('xmlrpc.client.Fault', text, serverUrl, faultError(error.fault, error.text));
  }
  if (error instanceof HttpError) {
    const { status, reason } = error;
    return status === null
      ? show('http.client.HTTPException', reason, serverUrl, { code: 'ANSWER', text: reason })
      : show(
          'xmlrpc.client.ProtocolError',
          `<ProtocolError for 127.0.0.1/RPC2: ${status} ${reason}>`,
          serverUrl,
          {
            code: 'HTTP',
            text: `${status} ${reason}`,
          },
        );
  }
  if (error instanceof SystemError) {
    const [type, text] = errnos[error.errnoName] ?? ['OSError', error.errnoName];
    return show(type, text, serverUrl, { code: error.errnoName, text: error.message });
  }
  if (error instanceof ScriptError)
    return {
      line: `error: <class '${error.type}'>, ${error.message}`,
      error: { code: 'FAILED', text: error.message },
    };
  return null;
}

const show = (type: string, text: string, serverUrl: string, error: ResultError): ShownError => ({
  line: `error: <class '${type}'>, ${text}: ${serverUrl}`,
  error,
});
