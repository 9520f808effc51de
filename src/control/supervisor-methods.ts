// What is told about each method of `supervisor.*`: the texts that supervisord's clients know, and the types that
// they find in its tags.
import type { RpcEntry } from './rpc.js';

export type SupervisorMethodName = keyof typeof supervisorMethods;

/** Everything of a method but what it does. */
export const supervisorMethods = {
  addProcessGroup: {
    signature: ['boolean', 'string'],
    help: ` Update the config for a running process from config file.

        @param string name         name of process group to add
        @return boolean result     true if successful
        `,
  },
  clearAllProcessLogs: {
    signature: ['array'],
    help: ` Clear all process log files

        @return array result   An array of process status info structs
        `,
  },
  clearLog: {
    signature: ['boolean'],
    help: ` Clear the main log.

        @return boolean result always returns True unless error
        `,
  },
  clearProcessLog: {
    signature: ['boolean', 'string'],
    help: ` Clear the stdout and stderr logs for the named process and
        reopen them.

        @param string name   The name of the process (or 'group:name')
        @return boolean result      Always True unless error
        `,
  },
  clearProcessLogs: {
    signature: ['boolean', 'string'],
    help: ` Clear the stdout and stderr logs for the named process and
        reopen them.

        @param string name   The name of the process (or 'group:name')
        @return boolean result      Always True unless error
        `,
  },
  getAPIVersion: {
    signature: ['string'],
    help: ` Return the version of the RPC API used by supervisord

        @return string version id
        `,
  },
  getAllConfigInfo: {
    signature: ['array'],
    help: ` Get info about all available process configurations. Each struct
        represents a single process (i.e. groups get flattened).

        @return array result  An array of process config info structs
        `,
  },
  getAllProcessInfo: {
    signature: ['array'],
    help: ` Get info about all processes

        @return array result  An array of process status results
        `,
  },
  getIdentification: {
    signature: ['string'],
    help: ` Return identifying string of supervisord

        @return string identifier identifying string
        `,
  },
  getPID: {
    signature: ['int'],
    help: ` Return the PID of supervisord

        @return int PID
        `,
  },
  getProcessInfo: {
    signature: ['struct', 'string'],
    help: ` Get info about a process named name

        @param string name The name of the process (or 'group:name')
        @return struct result     A structure containing data about the process
        `,
  },
  getState: {
    signature: ['struct'],
    help: ` Return current state of supervisord as a struct

        @return struct A struct with keys int statecode, string statename
        `,
  },
  getSupervisorVersion: {
    signature: ['string'],
    help: ` Return the version of the supervisor package in use by supervisord

        @return string version id
        `,
  },
  getVersion: {
    signature: ['string'],
    help: ` Return the version of the RPC API used by supervisord

        @return string version id
        `,
  },
  readLog: {
    signature: ['string', 'int', 'int'],
    help: ` Read length bytes from the main log starting at offset

        @param int offset         offset to start reading from.
        @param int length         number of bytes to read from the log.
        @return string result     Bytes of log
        `,
  },
  readMainLog: {
    signature: ['string', 'int', 'int'],
    help: ` Read length bytes from the main log starting at offset

        @param int offset         offset to start reading from.
        @param int length         number of bytes to read from the log.
        @return string result     Bytes of log
        `,
  },
  readProcessLog: {
    signature: ['string', 'string', 'int', 'int'],
    help: ` Read length bytes from name's stdout log starting at offset

        @param string name        the name of the process (or 'group:name')
        @param int offset         offset to start reading from.
        @param int length         number of bytes to read from the log.
        @return string result     Bytes of log
        `,
  },
  readProcessStderrLog: {
    signature: ['string', 'string', 'int', 'int'],
    help: ` Read length bytes from name's stderr log starting at offset

        @param string name        the name of the process (or 'group:name')
        @param int offset         offset to start reading from.
        @param int length         number of bytes to read from the log.
        @return string result     Bytes of log
        `,
  },
  readProcessStdoutLog: {
    signature: ['string', 'string', 'int', 'int'],
    help: ` Read length bytes from name's stdout log starting at offset

        @param string name        the name of the process (or 'group:name')
        @param int offset         offset to start reading from.
        @param int length         number of bytes to read from the log.
        @return string result     Bytes of log
        `,
  },
  reloadConfig: {
    signature: ['array'],
    help: `
        Reload the configuration.

        The result contains three arrays containing names of process
        groups:

        * \`added\` gives the process groups that have been added
        * \`changed\` gives the process groups whose contents have
          changed
        * \`removed\` gives the process groups that are no longer
          in the configuration

        @return array result  [[added, changed, removed]]

        `,
  },
  removeProcessGroup: {
    signature: ['boolean', 'string'],
    help: ` Remove a stopped process from the active configuration.

        @param string name         name of process group to remove
        @return boolean result     Indicates whether the removal was successful
        `,
  },
  restart: {
    signature: ['boolean'],
    help: ` Restart the supervisor process

        @return boolean result  always return True unless error
        `,
  },
  sendProcessStdin: {
    signature: ['boolean', 'string', 'string'],
    isExact: true,
    help: ` Send a string of chars to the stdin of the process name.
        If non-7-bit data is sent (unicode), it is encoded to utf-8
        before being sent to the process' stdin.  If chars is not a
        string or is not unicode, raise INCORRECT_PARAMETERS.  If the
        process is not running, raise NOT_RUNNING.  If the process'
        stdin cannot accept input (e.g. it was closed by the child
        process), raise NO_FILE.

        @param string name        The process name to send to (or 'group:name')
        @param string chars       The character data to send to the process
        @return boolean result    Always return True unless error
        `,
  },
  sendRemoteCommEvent: {
    signature: ['boolean', 'string', 'string'],
    help: ` Send an event that will be received by event listener
        subprocesses subscribing to the RemoteCommunicationEvent.

        @param  string  type  String for the "type" key in the event header
        @param  string  data  Data for the event body
        @return boolean       Always return True unless error
        `,
  },
  shutdown: {
    signature: ['boolean'],
    help: ` Shut down the supervisor process

        @return boolean result always returns True unless error
        `,
  },
  signalAllProcesses: {
    signature: ['array', 'string'],
    help: ` Send a signal to all processes in the process list

        @param string signal  Signal to send, as name ('HUP') or number ('1')
        @return array         An array of process status info structs
        `,
  },
  signalProcess: {
    signature: ['boolean', 'string', 'string'],
    help: ` Send an arbitrary UNIX signal to the process named by name

        @param string name    Name of the process to signal (or 'group:name')
        @param string signal  Signal to send, as name ('HUP') or number ('1')
        @return boolean
        `,
  },
  signalProcessGroup: {
    signature: ['array', 'string', 'string'],
    help: ` Send a signal to all processes in the group named 'name'

        @param string name    The group name
        @param string signal  Signal to send, as name ('HUP') or number ('1')
        @return array
        `,
  },
  startAllProcesses: {
    signature: ['array', 'boolean'],
    optional: 1,
    help: ` Start all processes listed in the configuration file

        @param boolean wait    Wait for each process to be fully started
        @return array result   An array of process status info structs
        `,
  },
  startProcess: {
    signature: ['boolean', 'string', 'boolean'],
    optional: 1,
    help: ` Start a process

        @param string name Process name (or \`\`group:name\`\`, or \`\`group:*\`\`)
        @param boolean wait Wait for process to be fully started
        @return boolean result     Always true unless error

        `,
  },
  startProcessGroup: {
    signature: ['array', 'string', 'boolean'],
    optional: 1,
    help: ` Start all processes in the group named 'name'

        @param string name     The group name
        @param boolean wait    Wait for each process to be fully started
        @return array result   An array of process status info structs
        `,
  },
  stopAllProcesses: {
    signature: ['array', 'boolean'],
    optional: 1,
    help: ` Stop all processes in the process list

        @param  boolean wait   Wait for each process to be fully stopped
        @return array result   An array of process status info structs
        `,
  },
  stopProcess: {
    signature: ['boolean', 'string', 'boolean'],
    optional: 1,
    help: ` Stop a process named by name

        @param string name  The name of the process to stop (or 'group:name')
        @param boolean wait        Wait for the process to be fully stopped
        @return boolean result     Always return True unless error
        `,
  },
  stopProcessGroup: {
    signature: ['array', 'string', 'boolean'],
    optional: 1,
    help: ` Stop all processes in the process group named 'name'

        @param string name     The group name
        @param boolean wait    Wait for each process to be fully stopped
        @return array result   An array of process status info structs
        `,
  },
  tailProcessLog: {
    signature: ['array', 'string', 'int', 'int'],
    help: `
        Provides a more efficient way to tail the (stdout) log than
        readProcessStdoutLog().  Use readProcessStdoutLog() to read
        chunks and tailProcessStdoutLog() to tail.

        Requests (length) bytes from the (name)'s log, starting at
        (offset).  If the total log size is greater than (offset +
        length), the overflow flag is set and the (offset) is
        automatically increased to position the buffer at the end of
        the log.  If less than (length) bytes are available, the
        maximum number of available bytes will be returned.  (offset)
        returned is always the last offset in the log +1.

        @param string name         the name of the process (or 'group:name')
        @param int offset          offset to start reading from
        @param int length          maximum number of bytes to return
        @return array result       [string bytes, int offset, bool overflow]
        `,
  },
  tailProcessStderrLog: {
    signature: ['array', 'string', 'int', 'int'],
    help: `
        Provides a more efficient way to tail the (stderr) log than
        readProcessStderrLog().  Use readProcessStderrLog() to read
        chunks and tailProcessStderrLog() to tail.

        Requests (length) bytes from the (name)'s log, starting at
        (offset).  If the total log size is greater than (offset +
        length), the overflow flag is set and the (offset) is
        automatically increased to position the buffer at the end of
        the log.  If less than (length) bytes are available, the
        maximum number of available bytes will be returned.  (offset)
        returned is always the last offset in the log +1.

        @param string name         the name of the process (or 'group:name')
        @param int offset          offset to start reading from
        @param int length          maximum number of bytes to return
        @return array result       [string bytes, int offset, bool overflow]
        `,
  },
  tailProcessStdoutLog: {
    signature: ['array', 'string', 'int', 'int'],
    help: `
        Provides a more efficient way to tail the (stdout) log than
        readProcessStdoutLog().  Use readProcessStdoutLog() to read
        chunks and tailProcessStdoutLog() to tail.

        Requests (length) bytes from the (name)'s log, starting at
        (offset).  If the total log size is greater than (offset +
        length), the overflow flag is set and the (offset) is
        automatically increased to position the buffer at the end of
        the log.  If less than (length) bytes are available, the
        maximum number of available bytes will be returned.  (offset)
        returned is always the last offset in the log +1.

        @param string name         the name of the process (or 'group:name')
        @param int offset          offset to start reading from
        @param int length          maximum number of bytes to return
        @return array result       [string bytes, int offset, bool overflow]
        `,
  },
} as const satisfies Readonly<Record<string, Omit<RpcEntry, 'run'>>>;
