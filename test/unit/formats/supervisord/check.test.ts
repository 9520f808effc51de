import assert from 'node:assert/strict';
import test from 'node:test';
import { checkSupervisordConfig } from '../../../../src/formats/supervisord/check.js';
import { MAIN, sourceOf } from '../../../support/config-texts.js';

/** `LINE severity: message (suggestion)`. */
const check = (files: Parameters<typeof sourceOf>[0]): string[] =>
  checkSupervisordConfig(sourceOf(files)).map(
    ({ line, severity, message, suggestion }) =>
      `${line} ${severity}: ${message}${suggestion === undefined ? '' : ` (${suggestion})`}`,
  );

/** [program:x] with these lines, the first of which is line 4. */
const checkProgram = (...lines: readonly string[]): string[] =>
  check(['[supervisord]', '[program:x]', 'command=x', ...lines].join('\n'));

test('nothing is said of a good file', () => {
  assert.deepEqual(
    check(
      '[supervisord]\n[unix_http_server]\nfile=/tmp/s\n[supervisorctl]\nserverurl=unix:///tmp/s\n[rpcinterface:supervisor]\n' +
        'supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n[program:x]\ncommand=x\nready=notify',
    ),
    [],
  );
});

test('every mistake is told, each once, in the order of lines', () => {
  const inSection = `in section 'program:x' (file: '${MAIN}')`;
  assert.deepEqual(
    check(
      '[supervisord]\nloglevel=loud\n[program:x]\nnumprocs=3\nprocess_name=%(process_num)s\nstdout_logfile=/no/x\nuser=nobody\n[unix_http_server]',
    ),
    [
      "2 error: bad logging level name 'loud'",
      `3 error: program section program:x does not specify a command ${inSection}`,
      `6 error: The directory named as part of the path /no/x does not exist ${inSection}`,
      `7 error: Invalid user name nobody ${inSection}`,
      '8 error: section [unix_http_server] has no file value',
    ],
  );
});

test('a file that cannot be parsed is told as far as that', () => {
  assert.deepEqual(check('[supervisord\nx'), [
    `1 error: File contains no section headers.\nfile: '${MAIN}', line: 1\n'[supervisord\\n'`,
  ]);
  assert.deepEqual(check({}), [`1 error: could not find config file ${MAIN}`]);
});

const findings: readonly (readonly [promise: string, lines: readonly string[], finding: string])[] = [
  ['an unknown key', ['autostrat=true'], '4 warning: unknown key autostrat in [program:x] (autostart)'],
  ['an unknown key like none', ['colour=red'], '4 warning: unknown key colour in [program:x]'],
  [
    'a key written twice',
    ['user=me', 'user=web'],
    '5 warning: user is written twice in [program:x], and the last one counts',
  ],
  ['an unknown section', ['[progam:y]', 'command=y'], '4 warning: unknown section [progam:y] ([program:y])'],
  [
    'a section without its name',
    ['[program]'],
    '4 warning: section [program] is not used: it has no name ([program:NAME])',
  ],
  [
    'a name too many',
    ['[supervisorctl:x]'],
    '4 warning: unknown section [supervisorctl:x] ([supervisorctl])',
  ],
  [
    'a % without a name',
    ['environment=A="%s"'],
    '4 warning: environment has a % without a name, which shows all variables (%% for a percent sign)',
  ],
  ['a folder that is not there', ['directory=/no'], '4 warning: /no is not an existing directory'],
  [
    'AUTO without rotation',
    ['stdout_logfile_maxbytes=0'],
    '4 warning: For [program:x], AUTO logging used for stdout_logfile without rollover, set maxbytes > 0 to avoid filling up filesystem unintentionally',
  ],
  [
    'a terminal that is to be rotated',
    ['stdout_logfile=/dev/stdout'],
    '4 warning: /dev/stdout cannot be rotated (stdout_logfile_maxbytes=0)',
  ],
  [
    'one file for both streams',
    ['stdout_logfile=/tmp/a', 'stderr_logfile=/tmp/a'],
    '5 warning: /tmp/a is rotated by x (stdout) too (stderr_logfile_maxbytes=0)',
  ],
  [
    'one file for all processes',
    ['stderr_logfile=NONE', 'stdout_logfile=/tmp/a', 'numprocs=3', 'process_name=%(process_num)s'],
    '5 warning: /tmp/a is rotated by 0 (stdout) too (stdout_logfile_maxbytes=0)',
  ],
  [
    'a process that is there twice',
    ['[program:y]', 'command=y', 'process_name=x', '[group:g]', 'programs=x,y'],
    '6 error: there is another process x in group g',
  ],
  [
    'a program in two groups',
    ['[group:g]', 'programs=x', '[group:h]', 'programs=x'],
    '2 warning: [program:x] runs twice: in group g and in group h',
  ],
  [
    'two groups of a name',
    ['[group:x]', 'programs=y', '[program:y]', 'command=y'],
    '2 warning: there is another group x: only the first will be started',
  ],
  [
    'an include without a file',
    ['[include]', 'files=/no/*'],
    '5 warning: No file matches via include "/no/*"',
  ],
];

for (const [promise, lines, finding] of findings)
  test(`${promise} is told`, () => assert.deepEqual(checkProgram(...lines), [finding]));

test('a comment that cuts a quoted text is told, with what is lost', () => {
  assert.deepEqual(checkProgram("command=sh -c 'a ; b'"), [
    '4 warning: command is written twice in [program:x], and the last one counts',
    "4 warning: command ends within quotes: a blank and ; begin a comment, which cut off '; b''",
    '4 error: can\'t parse command "sh -c \'a": No closing quotation',
  ]);
});

test('a server that listens elsewhere than it says, and one that nobody can use, are told', () => {
  assert.deepEqual(check('[supervisord]\n[inet_http_server]\nport=9001'), [
    '2 warning: no client can do anything without [rpcinterface:supervisor] (supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface)',
    '3 warning: [inet_http_server] listens on 127.0.0.1:9001 only, not on *: it has no password, nor allow_remote_without_password=true (port=127.0.0.1:9001)',
  ]);
  for (const more of ['allow_remote_without_password=true', 'username=me\npassword=secret'])
    assert.equal(check(`[supervisord]\n[inet_http_server]\nport=9001\n${more}`).length, 1, more);
});

test('what names Python code is told, for what supervisord can load cannot be had here', () => {
  const text = (handler: string): string =>
    `[supervisord]
[eventlistener:l]
command=cat
events=TICK_5
result_handler=${handler}
`;
  assert.deepEqual(check(text('supervisor.dispatchers:default_handler')), []);
  assert.deepEqual(
    check(`${text('a:b')}[rpcinterface:x]
supervisor.rpcinterface_factory=c:d
[ctlplugin:x]
supervisor.ctl_factory=e:f`),
    [
      '5 error: a:b cannot be resolved within [eventlistener:l] (supervisor.dispatchers:default_handler)',
      '5 warning: result_handler of [eventlistener:l] names Python code, and there is no Python in here',
      '7 error: c:d cannot be resolved within [rpcinterface:x] (supervisor.rpcinterface:make_main_rpcinterface)',
      '7 warning: supervisor.rpcinterface_factory of [rpcinterface:x] names Python code, and there is no Python in here',
      '9 warning: supervisor.ctl_factory of [ctlplugin:x] names Python code, and there is no Python in here',
    ],
  );
});
