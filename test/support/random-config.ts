// Files of the kind of supervisord.conf, with everything in them that can be right or wrong.
import type { Random } from '../unit/random.js';

/** Each key with what may stand after it; what is refused stands last. */
const keyPools: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  supervisord: {
    logfile: ['/tmp/x.log', 'syslog', 'rel.log', '%(here)s/y.log', '/nope/x.log', '%(host_node_name)s'],
    environment: ['A="1",B=%(ENV_HOME)s', 'C=d/e', 'A', 'A=1 B=2', '%(nope)s'],
    loglevel: ['debug', 'INFO', 'loud'],
    umask: ['077'],
    minfds: ['10', 'x'],
    user: ['root', 'nosuch'],
    nodaemon: ['true', 'maybe'],
    directory: ['/tmp', '~', '/nope'],
    identifier: ['me %%', '%(ENV_ODD)s', '%(x'],
  },
  'program:a': {
    command: [
      '/bin/cat',
      'cat "%(program_name)s" %(process_num)d',
      'x %(ENV_HOME)s',
      'x %(ENV_A)s',
      'y %(nope)s',
      'z 100%',
    ],
    process_name: [
      '%(program_name)s_%(process_num)02d',
      '%(group_name)s-%(process_num)s',
      'fix',
      '%(numprocs)s',
      'a b',
      '%(process_num)',
    ],
    numprocs: ['1', '2', '3', '0', '-1', 'many'],
    numprocs_start: ['5'],
    priority: ['1', '-7', '%(process_num)s'],
    autostart: ['no', 'maybe'],
    autorestart: ['true', 'false', 'unexpected', 'sometimes'],
    startsecs: ['0', '1s'],
    stopsignal: ['HUP', 'usr1', '9', 'NOPE', '77'],
    stopasgroup: ['true', 'false'],
    killasgroup: ['true', 'false'],
    exitcodes: ['0,2', '', '300'],
    redirect_stderr: ['true', 'false'],
    user: ['nobody', '0', 'nosuch'],
    umask: ['022', 'x'],
    stdout_logfile: [
      'AUTO',
      'none',
      '/tmp/%(process_num)d.log',
      'syslog',
      '/nope/x',
      'rel.log',
      '%(ENV_HOME)s/x',
    ],
    stderr_logfile: ['/tmp/e.log', 'off', 'AUTO'],
    stdout_logfile_maxbytes: ['0', '1KB', 'big'],
    stderr_logfile_backups: ['3', '%(process_num)s', 'x'],
    stdout_syslog: ['true', 'si'],
    environment: ['A="x",N="%(process_num)d"', 'B=%(ENV_HOME)s', 'A=', '"'],
    directory: ['%(here)s', '~', '/nope'],
    serverurl: ['auto', 'http://x', ''],
    stdout_capture_maxbytes: ['1MB', '-'],
    unknown_key: ['%(nope)s'],
  },
  'program:b c': { command: ['x'] },
  'program:b': { command: ['b'], priority: ['2'] },
  'group:g': { programs: ['a', 'a,b', 'b, a', 'nope', '', 'a,'], priority: ['3', 'x'] },
  'eventlistener:l': {
    command: ['l'],
    events: ['TICK_5', 'tick,PROCESS_LOG', '', 'NOPE'],
    buffer_size: ['1', '20', '0', 'x'],
    priority: ['4'],
    redirect_stderr: ['false', 'true'],
    result_handler: ['supervisor.dispatchers:default_handler', 'no.such:thing'],
  },
  'fcgi-program:f': {
    command: ['f'],
    socket: ['unix:///tmp/f.sock', 'unix:///tmp/%(program_name)s', 'tcp://h:1', 'tcp://H:70000', ''],
    socket_backlog: ['5', '65535', '0', '99999', 'x'],
    user: ['nobody', 'root', 'nosuch'],
    numprocs: ['2'],
    process_name: ['%(process_num)s'],
  },
  unix_http_server: {
    file: ['/tmp/s', '~/s', 's', '%(here)s/s', '%(nope)s'],
    chmod: ['0777', '8'],
    chown: ['root', 'nobody:root', 'x:y'],
    'username = u\npassword': ['p'],
  },
  'inet_http_server:2': {
    port: ['1', 'h:2', '*:3', 'x', '0', '%(here)s'],
    'username = %(ENV_USER_NAME)s\npassword': ['p'],
  },
  'rpcinterface:supervisor': {
    'supervisor.rpcinterface_factory': ['supervisor.rpcinterface:make_main_rpcinterface', 'no_such_module:x'],
    extra: ['1'],
  },
  include: { files: ['%(here)s/nothing', 'none*.x', '%(nope)s'] },
};

const always: readonly string[] = ['supervisord', 'program:a', 'program:b'];

/** Mostly what is needed and right, so that reading goes far; at most a mistake or two. */
export function randomConfig(random: Random): string {
  const sections = Object.keys(keyPools).filter(
    (name) => always.includes(name) || random.oneIn(name === 'program:b c' ? 30 : 2),
  );
  const body = sections.map((name) => {
    const keys = Object.entries(keyPools[name]!).filter(([key]) => isNeeded(key) || random.oneIn(4));
    return [
      `[${name}]`,
      ...keys.map(
        ([key, pool]) =>
          `${key} = ${random.oneIn(14) ? random.pick(pool) : pool[random.below(Math.ceil(pool.length / 2))]}`,
      ),
    ];
  });
  return body
    .flat()
    .filter((line) => isNeededLine(line) || !random.oneIn(90))
    .join('\n');
}

const isNeeded = (key: string): boolean =>
  ['command', 'events', 'socket', 'file', 'port', 'process_name', 'files'].includes(key) ||
  key.includes('factory');
const isNeededLine = (line: string): boolean => line === '[supervisord]';
