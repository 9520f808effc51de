// Ours beside Python's configparser, shlex and % operator, and beside the real Supervisor on whole files.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConfigError } from '../../src/errors.js';
import { emptyIni, findValue, keysOf, mergeIni } from '../../src/formats/ini.js';
import { formatText } from '../../src/formats/python-format.js';
import { splitShellWords } from '../../src/formats/shlex.js';
import type {
  GroupConfig,
  HttpServer,
  LogFile,
  ProcessConfig,
  SupervisordConfig,
} from '../../src/formats/supervisord/config.js';
import type { Directive } from '../../src/formats/supervisord/directives.js';
import { readSupervisorctlConfig, readSupervisordConfig } from '../../src/formats/supervisord/read-config.js';
import { sections } from '../../src/formats/supervisord/sections.js';
import * as types from '../../src/formats/supervisord/value-types.js';
import { signalNumbers } from '../../src/os/signals.js';
import { repr } from '../../src/spec/python-text.js';
import { realSource } from '../support/config-source.js';
import { packageRoot } from '../support/package-root.js';
import { randomConfig } from '../support/random-config.js';
import { askSupervisor, needsSupervisor, type Question } from '../support/supervisor-oracle.js';
import { makeRandom, type Random } from '../unit/random.js';

const skip = needsSupervisor;

function sequence<T>(random: Random, pool: readonly T[], most: number): T[] {
  return Array.from({ length: random.below(most + 1) }, () => random.pick(pool));
}

/** Asks about random texts of these parts, and compares each answer with ours. */
function compareTexts(
  question: (text: string) => Question,
  ours: (text: string) => unknown,
  { parts, count, most, seed }: { parts: readonly string[]; count: number; most: number; seed: number },
): void {
  const random = makeRandom(seed);
  const texts = Array.from({ length: count }, () => sequence(random, parts, most).join(''));
  const answers = askSupervisor(texts.map(question));
  for (const [index, text] of texts.entries())
    assert.deepEqual(ours(text), answers[index], JSON.stringify(text));
}

test('random INI files are read as RawConfigParser reads them', { skip }, () => {
  const parts = [
    '[a]\n',
    '[b]\n',
    ' [c] ; x\n',
    '[DEFAULT]\n',
    '[a]b]\n',
    '[]\n',
    '[a\n',
    'k=v\n',
    'K : w\n',
    'k=\n',
    '=v\n',
    'bare\n',
    ' more\n',
    '\tdeep ; c\n',
    '\n',
    '  \n',
    '; c\n',
    '  # c\n',
    'q=a;b\n',
    'q=a ;b\n',
    'q=a#b;c ;d #e\n',
    'q = "x ; y"\n',
    'e==x:y\n',
    'x y = 1\r\n',
    'n=\u00a0n\u00a0\n',
    'u=\u2028ü\u0085\n',
    'z=1',
    '\x1c\n',
    ' k2=v2\n',
    '  [d]\n',
    '    k3=v3\n',
    'k=;v\n',
    '%=%(here)s\n',
    "q='\n",
    '\ufeff[a]\n',
  ];
  const ours = (text: string): unknown => {
    const ini = emptyIni();
    const fault = mergeIni(ini, text, 'x.conf');
    if (fault !== null) return { fault: fault.message };
    const names = [...ini.sections.keys()];
    return {
      sections: names.map((name) => [
        name,
        keysOf(ini, name).map((key) => [key, findValue(ini, name, key)?.text]),
      ]),
    };
  };
  const question = (text: string): Question => ({ ask: 'ini', text });
  compareTexts(question, ours, { parts, count: 1500, most: 9, seed: 1 });
  compareTexts(question, ours, {
    parts: parts.map((part) => part.replace(/^(?!\[)/, '[s]\n$&')),
    count: 500,
    most: 6,
    seed: 2,
  });
});

const quoting = [
  'a',
  'b1',
  ' ',
  '\t',
  '\n',
  '"',
  "'",
  '\\',
  '#',
  ';',
  '=',
  ',',
  '$',
  'ü',
  '/',
  '.',
  ':',
  '(',
  '*',
  '""',
];

test('random commands are split as shlex.split splits them', { skip }, () => {
  const ours = (text: string): unknown => {
    const split = splitShellWords(text);
    return 'words' in split ? { value: split.words } : split;
  };
  compareTexts((text) => ({ ask: 'words', text }), ours, { parts: quoting, count: 3000, most: 12, seed: 3 });
});

const tried = <T>(convert: () => T): unknown => {
  try {
    return { value: convert() };
  } catch (error) {
    if (error instanceof types.ValueFault) return { fault: error.message };
    throw error;
  }
};

test('random environments are read as Supervisor reads them', { skip }, () => {
  const ours = (text: string): unknown => tried(() => [...types.pairs(text)]);
  const question = (text: string): Question => ({ ask: 'pairs', text });
  compareTexts(question, ours, { parts: quoting, count: 1500, most: 12, seed: 4 });
  const likely = [
    'A=1',
    ',',
    'B="x y"',
    "C='z'",
    ' ',
    '\n',
    ',A=2',
    'D=e/f',
    '#',
    '=',
    '"',
    'G=%h',
    'H=',
    'I=""',
  ];
  compareTexts(question, ours, { parts: likely, count: 1500, most: 8, seed: 5 });
});

test('random formats are expanded as Python expands them', { skip }, () => {
  const names = [
    ['x', 'text'],
    ['n', 7],
    ['ENV_É', "it's"],
    ['a(b)', ''],
    ['neg', -12],
  ] as const;
  const scope = new Map<string, string | number>(names);
  const ours = (text: string): unknown => {
    const formatted = formatText(text, [scope], 'a.key');
    return 'text' in formatted ? { value: formatted.text } : formatted;
  };
  const parts = [
    '%',
    '%%',
    '%(x)s',
    '%(n)d',
    '%(n)02d',
    '%(x)d',
    '%(nope)s',
    '%(',
    'x',
    ')',
    's',
    'd',
    '%(n)',
    '0',
    '5',
    '-',
    '+',
    ' ',
    '.',
    '.3',
    '#',
    'x',
    '%(a(b))s',
    '%(x)r',
    '%(ENV_É)r',
    '%(neg)+05i',
    '%(n)x',
    '%(neg)#o',
    'l',
    'h',
    '%s',
    '*',
    '%(x)-8s|',
    '%(x).2s',
    'c',
    'ü',
    '%(n)c',
    '%()s',
    '%(neg).4d',
    '% (n)d',
    '%(neg) 6X',
  ];
  compareTexts((text) => ({ ask: 'expand', text, names }), ours, { parts, count: 4000, most: 6, seed: 6 });
});

const environment = {
  HOME: '/root',
  PATH: '/usr/bin:/bin',
  LANG: 'C.UTF-8',
  USER_NAME: 'ci',
  LEVEL: 'info',
  ODD: "100% of 'it'",
};

test('values of every type are converted as Supervisor converts them, and refused in its words', {
  skip,
}, () => {
  const facts = realSource('/x.conf', environment);
  const endpoint = (text: string): unknown => Object.values(types.endpoint(text));
  const rows: Readonly<Record<string, readonly [(text: string) => unknown, readonly string[]]>> = {
    integer: [
      types.integer,
      ['1', '-1', '+5', ' 7 ', '1_000', '1__0', '_1', '', 'x', '1.5', '0x10', '00', '-0'],
    ],
    boolean: [types.boolean, ['true', 'YES', 'on', '1', 'No', 'off', '0', 'false', '', 'y', 'tru e']],
    bytes: [types.bytes, ['1', '1KB', '2mb', '3 GB', '50MB', 'KB', '1TB', '-1kb', '1.5MB', '', '1K']],
    octal: [types.octal, ['022', '0o22', '0O7', '9', '', '-7', '7_7', '0o_7', '0x1', 'rwx']],
    exitCodes: [types.exitCodes, ['0', '0,2', ' 1 , 3', '256', '-1', '', '1,', 'a', '1 2']],
    endpoint: [
      endpoint,
      ['9001', '*:9001', ':9001', 'Host:1', 'a:b:2', '0', '65536', 'x', 'h:', 'h:x', '::1'],
    ],
    unitName: [types.unitName, ['a', ' a ', 'a b', 'a:b', 'a/b', 'ü', "it's a", '']],
    strings: [types.strings, ['', 'a', 'a, b', 'a,,b', ',']],
    placedPath: [
      (text) => types.placedPath(text, facts),
      ['/tmp/a', 'a', '/no/a', '~/a', '~nobody/a', '~xyz/a', '', '/'],
    ],
    existingDirectory: [
      (text) => types.existingDirectory(text, facts),
      ['/tmp', '/no', '~', '~root', '', '.'],
    ],
    wholePath: [
      (text) => types.wholePath(text, facts),
      ['a', '/a/../b', '//a', '///a', './a/.', '~/x', '', '..', '/..', '~', 'a//b/'],
    ],
    logLevel: [types.logLevel, ['info', 'WARN', 'blather', 'warning', '']],
    signal: [
      (text) => signalNumbers[types.signal(text, facts)],
      [
        'TERM',
        'sigterm',
        'SIGUSR1',
        '15',
        ' HUP ',
        'FOO',
        '99',
        '',
        'TERM x',
        '-1',
        'CLD',
        'POLL',
        'RTMIN',
        '64',
      ],
    ],
    user: [(text) => types.user(text, facts).uid, ['root', '0', 'nobody', 'nosuch', '99999', '']],
    autoRestart: [types.autoRestart, ['true', 'FALSE', 'Unexpected', 'maybe', '']],
    repr: [repr, ['a', "'", '"', '\'"', '\\', '\n\t\r\0\x7f', 'ü\u00a0\u2028\u{1f600}\u00ad', '\ue000']],
  };
  const questions = Object.entries(rows).flatMap(([type, [, texts]]) =>
    texts.map((text) => ({ ask: 'convert', type, text })),
  );
  const answers = askSupervisor(questions, environment);
  for (const [index, { type, text }] of questions.entries())
    assert.deepEqual(
      tried(() => rows[type]![0](text)),
      answers[index],
      `${type} ${JSON.stringify(text)}`,
    );
});

const pairsOf = (variables: readonly string[]): Record<string, string> =>
  Object.fromEntries(variables.map((variable) => variable.split(/=(.*)/s).slice(0, 2)));

const logOf = (log: LogFile): string | null =>
  log.kind === 'file' ? log.path : log.kind === 'auto' ? 'AUTO' : null;

/** Ours in the form of the oracle. */
function processForm(process: ProcessConfig): Record<string, unknown> {
  const names =
    'name command directory umask priority autostart autorestart startsecs startretries stdout_capture_maxbytes ' +
    'stdout_events_enabled stdout_syslog stdout_logfile_backups stdout_logfile_maxbytes stderr_capture_maxbytes ' +
    'stderr_events_enabled stderr_syslog stderr_logfile_backups stderr_logfile_maxbytes stopwaitsecs stopasgroup ' +
    'killasgroup exitcodes redirect_stderr serverurl';
  return {
    ...Object.fromEntries(names.split(' ').map((name) => [name, process[name as keyof ProcessConfig]])),
    uid: process.user?.uid ?? null,
    stopsignal: signalNumbers[process.stopsignal],
    stdout_logfile: logOf(process.stdout_logfile),
    stderr_logfile: logOf(process.stderr_logfile),
    environment: pairsOf(process.environment),
  };
}

function groupForm(group: GroupConfig): unknown {
  const processes = group.processes.map(processForm);
  if (group.kind !== 'fcgi') return { ...group, processes };
  const { socket } = group;
  const url = socket.family === 'unix' ? `unix://${socket.path}` : `tcp://${socket.host}:${socket.port}`;
  const owner = socket.family === 'unix' && socket.owner !== null ? Object.values(socket.owner) : null;
  const mode = socket.family === 'unix' ? socket.mode : null;
  return { ...group, processes, socket: [url, socket.backlog, mode, owner] };
}

function serverForm(server: HttpServer): unknown {
  if (server.family === 'unix') {
    const { family: _, owner, ...rest } = server;
    return { ...rest, owner: Object.values(owner) };
  }
  const { family: _, allow_remote_without_password: __, ...rest } = server;
  return rest;
}

function configForm(config: SupervisordConfig): unknown {
  const { user, environment: variables, ...section } = config.supervisord;
  const texts = (level: string): string[] =>
    config.messages.filter((message) => message.level === level).map(({ text }) => text);
  return {
    supervisord: { ...section, uid: user?.uid ?? null, environment: pairsOf(variables) },
    servers: config.servers.map(serverForm),
    serverUrl: config.serverUrl,
    groups: config.groups.map(groupForm),
    warnings: texts('warn'),
    infos: texts('info'),
  };
}

const readOrRefuse = <T>(read: () => T): T | { fault: string } => {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigError) return { fault: error.message };
    throw error;
  }
};

/**
 * Supervisor names the wrong section where a group has an unknown member, having lost the right one; and it knows the
 * name of the host in one place less.
 */
const corrected = (answer: unknown): unknown =>
  JSON.parse(
    JSON.stringify(answer)
      .replace(/"\[[^\]]*\] names unknown/, '"[group:g] names unknown')
      .replace(/( for 'supervisord\.environment' .*, here)"/, '$1, host_node_name"'),
  );

const ourForm = (path: string): unknown =>
  readOrRefuse(() => configForm(readSupervisordConfig(realSource(path, environment))));

test('configurations from the field mean to us what they mean to Supervisor', { skip }, () => {
  const folder = join(packageRoot, 'test/fixtures/supervisord');
  const paths = readdirSync(folder)
    .filter((name) => name.endsWith('.conf'))
    .map((name) => join(folder, name));
  assert.ok(paths.length >= 6);
  const answers = askSupervisor(
    paths.map((path) => ({ ask: 'config', path })),
    environment,
  );
  for (const [index, path] of paths.entries()) {
    assert.ok(!('fault' in (answers[index] as object)), `${path}: ${JSON.stringify(answers[index])}`);
    assert.deepEqual(ourForm(path), answers[index], path);
  }
});

test('random configurations are read, or refused, as by Supervisor', { skip }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsd-conf-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const random = makeRandom(8);
  const paths = Array.from({ length: 600 }, (_, index) => join(folder, `${index}.conf`));
  const texts = paths.map((path) => {
    const text = randomConfig(random);
    writeFileSync(path, text);
    return text;
  });
  const answers = askSupervisor(
    paths.map((path) => ({ ask: 'config', path })),
    environment,
  );
  for (const [index, path] of paths.entries())
    assert.deepEqual(ourForm(path), corrected(answers[index]), texts[index]);
  const refused = answers.filter((answer) => 'fault' in (answer as object)).length;
  t.diagnostic(`${refused} of ${answers.length} were refused`);
  assert.ok(refused > 100 && refused < 500);
});

test('the table of keys has every key that Supervisor reads, and gives it no other', { skip }, () => {
  const [answer] = askSupervisor([{ ask: 'keys' }]);
  const tables = Object.values(sections).map(({ keys }) => (keys === 'anything' ? {} : keys));
  const known = tables.flatMap((table) =>
    Object.entries<Directive>(table).filter(([, { by }]) => by === 'supervisor'),
  );
  assert.deepEqual([...new Set(known.map(([key]) => key))].sort(), answer);
});

test('supervisorctl would read the same from its section', { skip }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tsd-conf-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const texts = [
    '[supervisorctl]',
    '[supervisorctl]\nserverurl=unix://%(here)s/../x.sock\nprompt=me\nusername=u\npassword=%(ENV_LEVEL)s\nhistory_file=~/.h',
    '[supervisorctl]\nserverurl=unix://s\nhistory_file=',
    '[supervisorctl]\nprompt=%(nope)s',
    '[supervisord]',
  ];
  const paths = texts.map((text, index) => {
    const path = join(folder, `${index}.conf`);
    writeFileSync(path, text);
    return path;
  });
  paths.push(join(folder, 'missing.conf'));
  const answers = askSupervisor(
    paths.map((path) => ({ ask: 'client', path })),
    environment,
  );
  for (const [index, path] of paths.entries()) {
    const ours = readOrRefuse(() => ({ ...readSupervisorctlConfig(realSource(path, environment)) }));
    assert.deepEqual(ours, answers[index], texts[index] ?? path);
  }
});
