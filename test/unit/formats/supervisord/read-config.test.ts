import assert from 'node:assert/strict';
import test from 'node:test';
import { ConfigError } from '../../../../src/errors.js';
import type { ProcessConfig, SupervisordConfig } from '../../../../src/formats/supervisord/config.js';
import {
  readSupervisorctlConfig,
  readSupervisordConfig,
} from '../../../../src/formats/supervisord/read-config.js';
import { MAIN, sourceOf } from '../../../support/config-texts.js';

type Files = Parameters<typeof sourceOf>[0];

const read = (files: Files): SupervisordConfig => readSupervisordConfig(sourceOf(files));

const processesOf = (files: Files): readonly ProcessConfig[] =>
  read(files).groups.flatMap((group) => group.processes);

/** [program:x] with these lines. */
const program = (...lines: readonly string[]): ProcessConfig =>
  processesOf(['[supervisord]', '[program:x]', 'command=/bin/x', ...lines].join('\n'))[0]!;

function refusal(files: Files): ConfigError {
  try {
    read(files);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error;
  }
  throw assert.fail('it was read');
}

test('an empty [supervisord] is enough, and has every default', () => {
  const config = read('[supervisord]');
  assert.equal(config.supervisord.logfile, '/work/supervisord.log');
  assert.equal(config.supervisord.childlogdir, '/tmp');
  assert.equal(config.supervisord.loglevel, 'info');
  assert.deepEqual([config.groups, config.servers, config.serverUrl], [[], [], null]);
});

test('the configuration is frozen to its last list', () => {
  const config = read('[supervisord]\n[program:x]\ncommand=x\nexitcodes=0,2');
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    assert.ok(Object.isFrozen(value));
    for (const inner of Object.values(value)) walk(inner);
  };
  walk(config);
});

test("a mistake is told in Supervisor's words, and is known by file and line", () => {
  const error = refusal('[supervisord]\n\n[program:x]\ncommand=x\nautostart=maybe');
  assert.equal(error.message, `not a valid boolean value: 'maybe' in section 'program:x' (file: '${MAIN}')`);
  assert.deepEqual(error.diagnostics, [{ severity: 'error', file: MAIN, line: 5, message: error.message }]);
});

const refusals: readonly (readonly [promise: string, text: string, message: string])[] = [
  ['[supervisord] is needed', '[program:x]', '.ini file does not include supervisord section'],
  [
    'a program needs a command',
    '[supervisord]\n[program:x]',
    `program section program:x does not specify a command in section 'program:x' (file: '${MAIN}')`,
  ],
  [
    'a group names the section that is wrong, which Supervisor does not',
    '[supervisord]\n[program:a]\ncommand=a\n[group:g]\nprograms=a,b',
    '[group:g] names unknown program or fcgi-program b',
  ],
  [
    'a socket is shown as a text, where Supervisor shows a tuple',
    '[supervisord]\n[fcgi-program:x]\ncommand=x\nsocket=file:x',
    'Bad socket format file:x in [fcgi-program:x] socket',
  ],
  [
    '[include] needs files',
    '[supervisord]\n[include]',
    '.ini file has [include] section, but no files setting',
  ],
  ['the user is looked for', '[supervisord]\nuser=nobody', 'Invalid user name nobody'],
  [
    'nobody has time for a million processes',
    '[supervisord]\n[program:x]\ncommand=x\nprocess_name=%(process_num)s\nnumprocs=1000000',
    `numprocs is above 100000 in section 'program:x' (file: '${MAIN}')`,
  ],
];

for (const [promise, text, message] of refusals)
  test(promise, () => assert.equal(refusal(text).message, message));

test('a missing file and one that may not be read are told apart', () => {
  assert.equal(refusal({}).message, `could not find config file ${MAIN}`);
  const readFile = (): never => {
    throw new Error('EACCES');
  };
  assert.throws(() => readSupervisordConfig(sourceOf('', { readFile })), {
    message: `could not read config file ${MAIN}`,
  });
});

const included = {
  [MAIN]:
    '[supervisord]\n[include]\nfiles=*.ini\n  none/*.x\n[program:m]\ncommand=%(here)s/m\n[program:a]\ncommand=no',
  '/etc/sv/sub/b.ini': '[program:b]\ncommand=%(here)s/b',
  '/etc/sv/a.ini': '[program:a]\ncommand=%(here)s/a\n[include]\nfiles=sub/*',
};

test('included files are read in order, later values win, and %(here)s is the folder of each', () => {
  const commands = processesOf(included).map(({ name, command }) => [name, command]);
  assert.deepEqual(commands, [
    ['a', '/etc/sv/a'],
    ['b', '/etc/sv/sub/b'],
    ['m', '/etc/sv/m'],
  ]);
  const config = read(included);
  assert.deepEqual(config.files, [MAIN, '/etc/sv/a.ini', '/etc/sv/sub/b.ini']);
  assert.deepEqual(config.messages, [
    { level: 'info', text: 'Included extra file "/etc/sv/a.ini" during parsing' },
    { level: 'info', text: 'Included extra file "/etc/sv/sub/b.ini" during parsing' },
    { level: 'warn', text: 'No file matches via include "/etc/sv/none/*.x"' },
  ]);
});

test('a mistake in an included file names that file', () => {
  const error = refusal({ ...included, '/etc/sv/a.ini': '[program:z]\ncommand=z\nstartsecs=x' });
  assert.match(error.message, / in section 'program:z' \(file: '\/etc\/sv\/a\.ini'\)$/);
  assert.deepEqual([error.diagnostics[0]?.file, error.diagnostics[0]?.line], ['/etc/sv/a.ini', 3]);
});

test('groups and their processes stand in the order of priority and name', () => {
  const text =
    '[supervisord]\n[program:c]\ncommand=c\n[program:b]\ncommand=b\npriority=2000\n[program:a]\ncommand=a\n' +
    '[eventlistener:z]\ncommand=z\nevents=tick_5,TICK_5,event\n[group:y]\nprograms=c,a\npriority=5';
  const groups = read(text).groups.map(({ kind, name, processes }) => [
    kind,
    name,
    processes.map((one) => one.name),
  ]);
  assert.deepEqual(groups, [
    ['eventlisteners', 'z', ['z']],
    ['programs', 'y', ['c', 'a']],
    ['programs', 'b', ['b']],
  ]);
});

test('numprocs makes processes that differ by process_num wherever it may stand', () => {
  const lines = [
    'process_name=%(program_name)s_%(process_num)02d',
    'numprocs=2',
    'numprocs_start=9',
    'directory=/srv/%(process_num)d',
    'stdout_logfile=/var/log/%(process_num)d.log',
    'environment=N="%(process_num)d"',
    'ready=tcp:127.0.0.1:80%(process_num)02d',
  ];
  const text = ['[supervisord]', '[program:x]', 'command=x %(ENV_N)s of %(numprocs)d', ...lines].join('\n');
  const found = processesOf(text).map((one) => [
    one.name,
    one.command,
    one.directory,
    one.stdout_logfile,
    one.environment,
    one.ready,
  ]);
  assert.deepEqual(found, [
    [
      'x_09',
      'x 9 of 2',
      '/srv/9',
      { kind: 'file', path: '/var/log/9.log' },
      ['N=9'],
      { kind: 'tcp', host: '127.0.0.1', port: 8009 },
    ],
    [
      'x_10',
      'x 10 of 2',
      '/srv/10',
      { kind: 'file', path: '/var/log/10.log' },
      ['N=10'],
      { kind: 'tcp', host: '127.0.0.1', port: 8010 },
    ],
  ]);
});

test("variables of [supervisord], of env_file and of the program are merged, and the program's win", () => {
  const [x] = processesOf({
    [MAIN]:
      '[supervisord]\nenvironment=A="0",B="0",C="0"\n[program:x]\ncommand=x %(ENV_A)s\nenv_file=x.env\nenvironment=C="2",D="2"',
    '/etc/sv/x.env': 'B=1\nC=1\n',
  });
  assert.deepEqual(x!.environment, ['A=0', 'B=1', 'C=2', 'D=2']);
  assert.equal(x!.command, 'x 0');
});

test('an env_file that is missing, or has a bad line, is refused with its place', () => {
  const text = '[supervisord]\n[program:x]\ncommand=x\nenv_file=x.env';
  assert.match(refusal(text).message, /^could not find env_file \/etc\/sv\/x\.env in section/);
  const { file, line } = refusal({ [MAIN]: text, '/etc/sv/x.env': 'A=1\nB' }).diagnostics[0]!;
  assert.deepEqual([file, line], ['/etc/sv/x.env', 2]);
});

test('what Supervisor expands twice may hold a percent sign all the same', () => {
  const config = read(
    '[supervisord]\nenvironment=A="50%%",H="%(host_node_name)s"\n[program:x]\ncommand=x\nstdout_logfile=/tmp/50%%.log\nstderr_logfile=/tmp/%%(program_name)s.log',
  );
  assert.deepEqual(config.supervisord.environment, ['A=50%', 'H=node1']);
  const { stdout_logfile, stderr_logfile } = config.groups[0]!.processes[0]!;
  assert.deepEqual(stdout_logfile, { kind: 'file', path: '/tmp/50%.log' });
  assert.deepEqual(stderr_logfile, { kind: 'file', path: '/tmp/x.log' });
});

test('a command that cannot be split is no mistake yet: every start will fail with its fault', () => {
  const { argv, commandFault } = program("command=it's");
  assert.deepEqual([argv, commandFault], [[], 'can\'t parse command "it\'s": No closing quotation']);
  assert.equal(program('command=').commandFault, 'command is empty');
  assert.deepEqual(program('command=a "b c"').argv, ['a', 'b c']);
});

test('syslog as a log file means stdout_syslog, and stderr follows stdout where it is asked to', () => {
  const { stdout_logfile, stdout_syslog, stderr_logfile } = program(
    'stdout_logfile=syslog',
    'redirect_stderr=1',
  );
  assert.deepEqual(
    [stdout_logfile, stdout_syslog, stderr_logfile],
    [{ kind: 'none' }, true, { kind: 'none' }],
  );
});

test('without our keys a program is what it is under Supervisor', () => {
  const {
    depends_on,
    ready,
    liveness,
    heartbeat,
    max_memory,
    cron,
    restart_delay,
    limit,
    nice,
    exit_on,
    killmode,
    pid_file,
  } = program();
  const ours = {
    depends_on,
    ready,
    liveness,
    heartbeat,
    max_memory,
    cron,
    restart_delay,
    limit,
    nice,
    exit_on,
    killmode,
    pid_file,
  };
  assert.deepEqual(ours, {
    depends_on: [],
    ready: null,
    liveness: null,
    heartbeat: null,
    max_memory: null,
    cron: null,
    restart_delay: null,
    limit: [],
    nice: null,
    exit_on: null,
    killmode: null,
    pid_file: null,
  });
});

const extras: readonly (readonly [line: string, key: keyof ProcessConfig, value: unknown])[] = [
  ['ready=notify', 'ready', { kind: 'notify' }],
  ['ready=log:listening on \\d+', 'ready', { kind: 'log', pattern: 'listening on \\d+' }],
  ['ready_timeout=2m', 'ready_timeout', 120_000],
  ['liveness=http://localhost/health', 'liveness', { kind: 'http', url: 'http://localhost/health' }],
  ['liveness_interval=500ms', 'liveness_interval', 500],
  ['heartbeat=1.5', 'heartbeat', 1500],
  ['max_memory=100MB', 'max_memory', 104_857_600],
  ['cron=*/5 * * * *', 'cron', '*/5 * * * *'],
  ['restart_delay=1h', 'restart_delay', 3_600_000],
  ['backoff_factor=1.5', 'backoff_factor', 1.5],
  ['backoff_max=1d', 'backoff_max', 86_400_000],
  ['jitter=0.25', 'jitter', 0.25],
  [
    'limit=nofile=1024:4096\n  core=unlimited',
    'limit',
    [
      { resource: 'nofile', soft: 1024, hard: 4096 },
      { resource: 'core', soft: 'unlimited', hard: 'unlimited' },
    ],
  ],
  ['nice=-5', 'nice', -5],
  ['essential=true', 'exit_on', 'exited'],
  ['essential=true\nexit_on=fatal', 'exit_on', 'fatal'],
  ['killmode=tree', 'killmode', 'tree'],
  ['log_compress=yes', 'log_compress', true],
  ['log_max_age=7d', 'log_max_age', 604_800_000],
  ['reload_signal=HUP', 'reload_signal', 'SIGHUP'],
  ['pid_file=/run/x.pid', 'pid_file', '/run/x.pid'],
  ['startretries=-1', 'startretries', -1],
];

for (const [line, key, value] of extras)
  test(`${line.replace('\n', ' ')} is understood`, () => assert.deepEqual(program(line)[key], value));

const wrong: readonly (readonly [line: string, message: string])[] = [
  ['ready=soon', "not a valid sign of readiness: 'soon': it is none of"],
  ['liveness=notify', "not a valid probe: 'notify' cannot be asked again"],
  ['heartbeat=often', "not a valid duration: 'often' (expected seconds, or as 500ms, 5m, 2h)"],
  ['cron=daily', "not a valid cron expression: 'daily': it has not five fields"],
  ['jitter=2', "not a valid share: '2' (expected a number from 0 to 1)"],
  ['backoff_factor=0.5', "not a valid factor: '0.5'"],
  ['nice=1.5', "not a valid nice value: '1.5'"],
  ['limit=files=1', "not a valid limit: 'files=1' (known are nofile, core)"],
  ['limit=core=2:1', "not a valid limit: 'core=2:1' (the soft half is above the hard one)"],
  ['limit=core', "not a valid limit: 'core' (expected NAME=SOFT or NAME=SOFT:HARD)"],
  ['killmode=all', "not a valid killmode: 'all' (expected process, group, tree)"],
  ['exit_on=never', "not a valid exit_on: 'never' (expected fatal, exited)"],
];

for (const [line, message] of wrong)
  test(`${line} is refused`, () => {
    const error = refusal(`[supervisord]\n[program:x]\ncommand=x\n${line}`);
    assert.equal(error.message.slice(0, message.length), message);
    assert.equal(error.diagnostics[0]?.line, 4);
  });

const two = (a: string, b: string): string =>
  `[supervisord]\n[program:a]\ncommand=a\ndepends_on=${a}\n[program:b]\ncommand=b\ndepends_on=${b}`;

test('depends_on names what is there, with what is waited for', () => {
  const [a, b] = processesOf(two('b:started', ''));
  assert.deepEqual([a!.depends_on, b!.depends_on], [[{ name: 'b', until: 'started' }], []]);
  assert.deepEqual(processesOf(two('b:ready', ''))[0]!.depends_on, processesOf(two('b', ''))[0]!.depends_on);
});

test('depends_on of an unknown name, or in a circle, is refused', () => {
  const unknown = refusal(two('bb', ''));
  assert.equal(unknown.message, 'depends_on of [program:a] names unknown program bb');
  assert.equal(unknown.diagnostics[0]?.suggestion, 'b');
  assert.equal(refusal(two('b', 'a')).message, 'depends_on goes in a circle: a -> b -> a');
  assert.equal(refusal(two('a', '')).message, 'depends_on goes in a circle: a -> a');
});

test('programs are told of the first unix server, else of the last one over TCP', () => {
  const inet = '[supervisord]\n[inet_http_server:a]\nport=1\n[inet_http_server:b]\nport=h:2\n';
  assert.equal(read(inet).serverUrl, 'http://h:2');
  assert.equal(read(`${inet}[unix_http_server]\nfile=%(here)s/s\n`).serverUrl, 'unix:///etc/sv/s');
});

test('supervisorctl finds its section in an included file too', () => {
  const source = sourceOf({
    [MAIN]: '[include]\nfiles=*.ini',
    '/etc/sv/c.ini': '[supervisorctl]\nserverurl=unix://%(here)s/x.sock',
  });
  assert.deepEqual(readSupervisorctlConfig(source), {
    serverurl: 'unix:///etc/sv/x.sock',
    prompt: 'supervisor',
    username: null,
    password: null,
    history_file: null,
  });
});
