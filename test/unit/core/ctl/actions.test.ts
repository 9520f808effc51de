// Actions driven by hand: what each asks a server and prints, without any server.
import assert from 'node:assert/strict';
import test from 'node:test';
import { runLine } from '../../../../src/core/ctl/run-line.js';
import type { PrintedLine, Session } from '../../../../src/core/ctl/script.js';
import { ControlError, HttpError, SystemError } from '../../../../src/errors.js';

const makeSession = (interactive = false): Session => ({
  serverUrl: 'unix:///s.sock',
  username: null,
  password: null,
  isJson: false,
  interactive,
});

type Answer = unknown | Error | ((...params: readonly unknown[]) => unknown);

interface Played {
  readonly lines: readonly PrintedLine[];
  readonly calls: readonly string[];
  readonly exitCode: number;
  readonly leaves: boolean;
}

/** Of a server that is not ours. */
const defaultAnswer = (method: string): Answer => {
  if (method.startsWith('tsdaemon.')) return new ControlError(method, 1, 'UNKNOWN_METHOD');
  return method === 'getVersion' ? '3.0' : undefined;
};

/** Answers calls by method and questions in their order. */
function play(
  line: string,
  answers: Readonly<Record<string, Answer>>,
  { session = makeSession(), typed = [] }: { session?: Session; typed?: (string | null)[] } = {},
): Played {
  const script = runLine(line, session);
  const lines: PrintedLine[] = [];
  const calls: string[] = [];
  let next = script.next();
  while (next.done !== true) {
    const step = next.value;
    let answer: unknown;
    if (step.step === 'print') lines.push(...step.lines);
    else if (step.step === 'call') {
      const method = step.method.replace('supervisor.', '');
      calls.push([method, ...step.params].join(' '));
      const given: Answer = method in answers ? answers[method] : defaultAnswer(method);
      answer = typeof given === 'function' ? given(...step.params) : given;
    } else answer = typed.shift();
    next = answer instanceof Error ? script.throw(answer) : script.next(answer);
  }
  return { lines, calls, ...next.value };
}

const textOf = ({ lines }: Played): string[] => lines.flatMap(({ text }) => text.split('\n'));
const resultsOf = ({ lines }: Played): unknown[] =>
  lines.map(({ result }) => result).filter((result) => result !== null);
const fault = (code: number, text = 'FAULT'): ControlError => new ControlError('m', code, text);
const result = (name: string, status: number, description = 'OK') => ({
  name,
  group: 'g',
  status,
  description,
});
const info = (group: string, name: string, state: number, statename: string) => ({
  group,
  name,
  state,
  statename,
  description: 'd',
  pid: 0,
});

test('the last problem among several names makes the exit code', () => {
  const startProcess = (name: unknown): unknown => fault(name === 'a' ? 50 : name === 'b' ? 10 : 60);
  assert.equal(play('start a b', { startProcess }).exitCode, 1);
  assert.equal(play('start b a', { startProcess }).exitCode, 7);
  assert.equal(play('start b c', { startProcess }).exitCode, 1, 'already started is no problem');
});

test('a fault that the verb has no words for ends the action', () => {
  const played = play('start a b', { startProcess: fault(30, 'FAILED: x') });
  assert.deepEqual(textOf(played), ["error: <class 'ValueError'>, Unknown result code 30 for a"]);
  assert.equal(played.exitCode, 1);
  assert.deepEqual(played.calls, ['getVersion', 'startProcess a']);
});

test('a stop that failed is told in the words of the server', () => {
  const played = play('stop g:*', {
    stopProcessGroup: [result('a', 30, 'FAILED: no right'), result('b', 80)],
  });
  assert.deepEqual(textOf(played), ['FAILED: no right', 'g:b: stopped']);
  assert.equal(played.exitCode, 1);
});

test('a restart stops all before it starts any, and says where either failed', () => {
  const played = play('restart a b', { stopProcess: fault(70), startProcess: fault(20) });
  assert.deepEqual(
    played.calls.filter((call) => call !== 'getVersion'),
    ['stopProcess a', 'stopProcess b', 'startProcess a', 'startProcess b'],
  );
  assert.deepEqual(textOf(played), [
    'a: ERROR (not running)',
    'b: ERROR (not running)',
    'a: ERROR (no such file)',
    'b: ERROR (no such file)',
  ]);
  assert.equal(play('restart a', { stopProcess: fault(10), startProcess: true }).exitCode, 1);
});

test('status pads names, tells unknown ones first, and 3 wins over 4', () => {
  const getAllProcessInfo = [info('web', 'web', 20, 'RUNNING'), info('g', 'x'.repeat(40), 200, 'FATAL')];
  const played = play('status nope web g:*', { getAllProcessInfo });
  assert.deepEqual(textOf(played), [
    'nope: ERROR (no such process)',
    `web${' '.repeat(42)}RUNNING   d`,
    `g:${'x'.repeat(40)}   FATAL     d`,
  ]);
  assert.equal(played.exitCode, 3);
  assert.equal(play('status web nope', { getAllProcessInfo }).exitCode, 4);
  assert.equal(play('status web', { getAllProcessInfo }).exitCode, 0);
});

test('status of a server of ours is one call, and shows what it shows of any other', () => {
  const getAllProcessInfo = [info('web', 'web', 20, 'RUNNING'), info('g', 'x', 200, 'FATAL')];
  const states = [
    ['web', 'RUNNING', 'd'],
    ['g:x', 'FATAL', 'd'],
  ];
  for (const line of ['status', 'status web', 'status nope g:*', 'status nope']) {
    const ours = play(line, { 'tsdaemon.getAllStates': states });
    const theirs = play(line, { getAllProcessInfo });
    assert.deepEqual(textOf(ours), textOf(theirs), line);
    assert.equal(ours.exitCode, theirs.exitCode, line);
    assert.deepEqual(ours.calls, ['tsdaemon.getAllStates'], line);
    assert.deepEqual(theirs.calls, ['tsdaemon.getAllStates', 'getVersion', 'getAllProcessInfo'], line);
  }
});

test('status --json has every fact', () => {
  const getAllProcessInfo = [info('web', 'web', 20, 'RUNNING')];
  const played = play('status', { getAllProcessInfo }, { session: { ...makeSession(), isJson: true } });
  assert.deepEqual(resultsOf(played), getAllProcessInfo);
});

test('what a server calls its programs moves no cursor and begins no line', () => {
  const getAllProcessInfo = [
    { ...info('a\u001b[2J', 'a\u001b[2J', 20, 'RUN\nNING'), description: 'x\r\u009by' },
  ];
  const [line = ''] = textOf(play('status', { getAllProcessInfo }));
  assert.match(line, /^a\\x1b\[2J +RUN\\x0aNING {0,3}x\\x0d\\xc2\\x9by$/);
});

test('a log is passed on as it is', () => {
  const { lines } = play('tail web', { readProcessStdoutLog: '\u001b[31mred\u001b[0m\r' });
  assert.deepEqual(lines, [
    {
      text: '\u001b[31mred\u001b[0m\r',
      result: { name: 'web', channel: 'stdout', text: '\u001b[31mred\u001b[0m\r' },
      raw: true,
    },
  ]);
});

const tails: readonly (readonly [line: string, call: string])[] = [
  ['tail web', 'readProcessStdoutLog web -1600 0'],
  ['tail -20 web stderr', 'readProcessStderrLog web -20 0'],
  ['tail web STDERR', 'readProcessStderrLog web -1600 0'],
  ['tail --5 web', 'readProcessStdoutLog web 5 0'],
  ['tail -1_0 web', 'readProcessStdoutLog web -10 0'],
  ['maintail', 'readLog -1600 0'],
  ['maintail -7', 'readLog -7 0'],
];
for (const [line, call] of tails)
  test(`'${line}' asks for ${call}`, () => {
    const answers = { readProcessStdoutLog: '', readProcessStderrLog: '', readLog: '' };
    assert.deepEqual(play(line, answers).calls, ['getVersion', call]);
  });

test('update goes through removed, changed and added groups, each whole before the next', () => {
  const answers = {
    reloadConfig: [[['new'], ['other'], ['old', 'stuck']]],
    stopProcessGroup: (group: unknown) => (group === 'stuck' ? [result('x', 30)] : []),
    removeProcessGroup: true,
    addProcessGroup: true,
  };
  const played = play('update', answers);
  assert.deepEqual(textOf(played), [
    'old: stopped',
    'old: removed process group',
    'stuck: stopped',
    'stuck: has problems; not removing',
    'other: stopped',
    'other: updated process group',
    'new: added process group',
  ]);
  assert.equal(played.exitCode, 1);
  assert.deepEqual(resultsOf(played), [
    { group: 'old', status: 'removed' },
    {
      group: 'stuck',
      error: { code: 'FAILED', fault: 30, text: 'stuck: has problems; not removing' },
    },
    { group: 'other', status: 'updated' },
    { group: 'new', status: 'added' },
  ]);
  const some = play('update new nope', {
    ...answers,
    getAllProcessInfo: [info('old', 'old', 20, 'RUNNING')],
  });
  assert.deepEqual(textOf(some), ['ERROR: no such group: nope', 'new: added process group']);
  assert.equal(some.exitCode, 1);
});

test('every result of an action is data too', () => {
  const played = play('start a nope:*', {
    startProcess: true,
    startProcessGroup: fault(10, 'BAD_NAME: nope'),
  });
  assert.deepEqual(resultsOf(played), [
    { group: 'a', name: 'a', status: 'started' },
    { group: 'nope', name: null, error: { code: 'BAD_NAME', fault: 10, text: 'no such group' } },
  ]);
});

test('a server that wants to know who asks is told, and asked again', () => {
  const session = makeSession(true);
  const getPID = (): unknown => (session.password === 'secret' ? 7 : new HttpError('u', 401, 'Unauthorized'));
  const played = play('pid', { getPID }, { session, typed: ['me', 'wrong', 'me', 'secret'] });
  assert.deepEqual(textOf(played), [
    'Server requires authentication',
    '',
    'Server requires authentication',
    '',
    '7',
  ]);
  assert.equal(session.username, 'me');
  assert.equal(played.exitCode, 0);
  const refused = play('pid', { getVersion: new HttpError('u', 401, 'Unauthorized') });
  assert.equal(refused.exitCode, 1);
  assert.deepEqual(resultsOf(refused), [
    { error: { code: 'AUTHENTICATION', text: 'Server requires authentication' } },
  ]);
});

test('shutdown and reload are asked about where somebody is there to answer', () => {
  const ask = (line: string, ...typed: (string | null)[]): Played =>
    play(line, { shutdown: true, restart: true }, { session: makeSession(true), typed });
  assert.deepEqual(ask('shutdown', 'n').calls, []);
  assert.deepEqual(ask('shutdown', 'Yes').calls, ['shutdown']);
  assert.deepEqual(ask('reload', '').calls, []);
  assert.deepEqual(ask('reload', 'y').calls, ['restart']);
  assert.equal(ask('reload', null).exitCode, 1, 'no answer is a failure');
  assert.deepEqual(play('shutdown', { shutdown: true }).calls, ['shutdown']);
});

const unreachables: readonly (readonly [line: string, errnoName: string, text: string, exitCode: number])[] =
  [
    ['pid', 'ECONNREFUSED', 'unix:///s.sock refused connection', 4],
    ['pid', 'ENOENT', 'unix:///s.sock no such file', 7],
    ['status', 'ENOENT', 'unix:///s.sock no such file', 4],
    ['pid', 'EACCES', "error: <class 'PermissionError'>, [Errno 13] Permission denied: unix:///s.sock", 1],
  ];
for (const [line, errnoName, text, exitCode] of unreachables)
  test(`'${line}' with ${errnoName} exits with ${exitCode}`, () => {
    const unreachable = new SystemError('cannot', { syscall: 'connect', errnoName });
    const played = play(line, { getVersion: unreachable, 'tsdaemon.getAllStates': unreachable });
    assert.deepEqual(textOf(played), [text]);
    assert.equal(played.exitCode, exitCode);
  });

test('answers of a strange shape are an error of the server, not of ours', () => {
  for (const [line, method] of [
    ['status', 'getAllProcessInfo'],
    ['status', 'tsdaemon.getAllStates'],
    ['avail', 'getAllConfigInfo'],
    ['update', 'reloadConfig'],
    ['reread', 'reloadConfig'],
    ['start all', 'startAllProcesses'],
    ['fg x', 'getProcessInfo'],
  ] as const)
    for (const answer of [null, 3, 'x', [1], {}, [[]]]) {
      const played = play(line, { [method]: answer });
      if (
        method === 'getProcessInfo' &&
        typeof answer === 'object' &&
        answer !== null &&
        !Array.isArray(answer)
      )
        continue;
      assert.equal(played.exitCode, 1, `${line} ${JSON.stringify(answer)}`);
      assert.match(textOf(played)[0]!, /^error: /);
    }
});

test('fg passes lines on until the program has gone, or the user leaves', () => {
  let state = 20;
  const answers = {
    getProcessInfo: () => ({ state }),
    sendProcessStdin: (_name: unknown, chars: unknown) => {
      if (chars === 'die\n') state = 100;
      return true;
    },
  };
  const gone = play('fg cat', answers, { typed: ['hello', 'die'] });
  assert.deepEqual(textOf(gone), [
    '==> Press Ctrl-C to exit <==',
    'Process got killed',
    'Exiting foreground',
  ]);
  state = 20;
  const left = play('fg cat', answers, { typed: ['hello', null] });
  assert.deepEqual(textOf(left), ['==> Press Ctrl-C to exit <==', 'Exiting foreground']);
  assert.equal(left.exitCode, 0);
});
