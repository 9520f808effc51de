// The two parsers, held against each other: what the fast one takes, commander takes in the same way.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { type Command, commands, type Flag } from '../../../src/cli/commands.js';
import { type ParsedCommand, parsePlain } from '../../../src/cli/parse-plain.js';
import { parseWithCommander } from '../../../src/cli/parse-with-commander.js';
import { UsageError } from '../../../src/errors.js';
import { makeRandom, type Random } from '../random.js';

const table: readonly Command[] = commands;
const everyFlag = table.flatMap(({ flags }) => flags);

/** Values that a parser may trip over: flags, dashes, equals signs, nothing at all. */
const values = [
  'web',
  '',
  '-',
  '--',
  '-5',
  '0',
  '-x',
  '--json',
  '--no-kill',
  'a=b',
  '=',
  '--pidfile=x',
  'a b',
  '\n',
  'é',
];
const operands = ['web', 'sleep', '300', '', '-', 'run', 'help', 'TERM', 'a=b', 'x\ny', '\udcff'];
const strangers = [
  '--',
  '--bogus',
  '-z',
  '--=',
  '---',
  '--json=',
  '--json=1',
  '--no-json',
  '-qj',
  '-n5',
  '-n=5',
  '-5',
];
const helpers = ['--help', '-h', '--version', '-V'];

/** One flag as somebody may write it: its value attached, or in the next word, or forgotten. */
function writeFlag(flag: Flag, random: Random): string[] {
  const name = flag.short !== undefined && random.oneIn(2) ? flag.short : flag.name;
  if (flag.value === undefined) return [random.oneIn(25) ? `${name}=1` : name];
  const value = random.pick(values);
  if (random.oneIn(25)) return [name];
  return name === flag.name && random.oneIn(3) ? [`${name}=${value}`] : [name, value];
}

/** An argument list that looks like one of the command's, with a mistake now and then. */
function writeArguments(command: Command, random: Random): string[] {
  const words = [command.name];
  for (let count = random.below(5); count > 0; count -= 1) {
    if (random.oneIn(40)) words.push(...writeFlag(random.pick(everyFlag), random));
    else if (random.oneIn(25)) words.push(random.pick(random.oneIn(3) ? helpers : strangers));
    else if (random.oneIn(4)) words.push(random.pick(operands));
    else if (command.flags.length > 0) words.push(...writeFlag(random.pick(command.flags), random));
  }
  if (random.oneIn(3)) words.push('--');
  for (let count = random.below(3); count > 0; count -= 1)
    words.push(random.oneIn(6) ? random.pick([...strangers, ...values]) : random.pick(operands));
  return words;
}

/** What commander makes of it, and what it printed; a UsageError is told by its message. */
function byCommander(
  t: TestContext,
  args: readonly string[],
): { result: ParsedCommand | string; printed: string } {
  let printed = '';
  const write = t.mock.method(process.stdout, 'write', (text: string) => {
    printed += text;
    return true;
  });
  try {
    return { result: parseWithCommander(args), printed };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { result: `usage: ${error.message}`, printed };
  } finally {
    write.mock.restore();
  }
}

test('what the plain parser takes, commander takes in the same way', (t) => {
  const random = makeRandom(5);
  const compared = new Map<string, number>();
  let refused = 0;
  for (let round = 0; round < 900 * table.length; round += 1) {
    const args = writeArguments(random.pick(table), random);
    const plain = parsePlain(args);
    if (plain === null) {
      refused += 1;
      continue;
    }
    compared.set(plain.command, (compared.get(plain.command) ?? 0) + 1);
    assert.deepStrictEqual(byCommander(t, args).result, plain, `tsdaemon ${JSON.stringify(args)}`);
  }
  for (const { name } of table) assert.ok((compared.get(name) ?? 0) > 100, `${name} was compared too seldom`);
  assert.ok(refused > 500, 'the lists hold too few mistakes');
});

test('every flag of every command is known to both parsers, alone and with its value attached', (t) => {
  for (const command of table)
    for (const flag of command.flags) {
      const names = flag.short === undefined ? [flag.name] : [flag.name, flag.short];
      const spellings = names.flatMap((name) =>
        flag.value === undefined
          ? [[name]]
          : name === flag.name
            ? [[name, 'v'], [`${name}=v`]]
            : [[name, 'v']],
      );
      for (const spelling of spellings) {
        const rest = command.operands.kind === 'none' ? [] : ['x'];
        const args = [command.name, ...spelling, ...rest];
        const value = flag.value === undefined ? true : flag.repeat === true ? ['v'] : 'v';
        const expected = { command: command.name, flags: { [flag.name.slice(2)]: value }, operands: rest };
        assert.deepStrictEqual(parsePlain(args), expected, args.join(' '));
        assert.deepStrictEqual(byCommander(t, args).result, expected, args.join(' '));
      }
    }
});

const plainLines: readonly (readonly [
  line: readonly string[],
  flags: ParsedCommand['flags'],
  operands: readonly string[],
])[] = [
  [['run', '--', 'sleep', '300'], {}, ['sleep', '300']],
  [['run', 'sleep', '300'], {}, ['sleep', '300']],
  [['run', 'sh', '-c', 'x', '--json'], {}, ['sh', '-c', 'x', '--json']],
  [['run', 'env', '--', 'x'], {}, ['env', '--', 'x']],
  [['run', '--', '--odd'], {}, ['--odd']],
  [['run', '--', '--', 'x'], {}, ['--', 'x']],
  [['run', '--', ''], {}, ['']],
  [['run', '-q', '--json', '--', 'x'], { quiet: true, json: true }, ['x']],
  [['run', '--json', '--json', 'x'], { json: true }, ['x']],
  [['run', '--pidfile', '-', 'x'], { pidfile: '-' }, ['x']],
  [['run', '--pidfile', '--', 'x'], { pidfile: '--' }, ['x']],
  [['run', '--pidfile=', 'x'], { pidfile: '' }, ['x']],
  [['run', '--env', 'A=1', '--env=B=2=3', 'x'], { env: ['A=1', 'B=2=3'] }, ['x']],
  [['run', '--nice', '-5', 'x'], { nice: '-5' }, ['x']],
  [['run', '--output=a b\n', 'x'], { output: 'a b\n' }, ['x']],
  [['stop', 'web', 'db', '--timeout', '3', '--no-kill'], { timeout: '3', 'no-kill': true }, ['web', 'db']],
  [['stop', '--', '--odd'], {}, ['--odd']],
  [['stop'], {}, []],
  [['status', '--pidfile', '/run/web.pid', '--json'], { pidfile: '/run/web.pid', json: true }, []],
  [['list'], {}, []],
  [['logs', 'web', '-f', '-n', '20'], { follow: true, lines: '20' }, ['web']],
  [['signal', 'web', 'HUP'], {}, ['web', 'HUP']],
  [['signal', '--pidfile', 'p', 'HUP'], { pidfile: 'p' }, ['HUP']],
];

for (const [line, flags, words] of plainLines)
  test(`plain: tsdaemon ${JSON.stringify(line)}`, (t) => {
    const expected = { command: line[0], flags, operands: words };
    assert.deepStrictEqual(parsePlain(line), expected);
    assert.deepStrictEqual(byCommander(t, line).result, expected);
  });

const mistakes: readonly (readonly [promise: string, line: readonly string[], message: RegExp])[] = [
  ['no command', [], /no command given/],
  ['a command that is none', ['strat', 'web'], /unknown command 'strat'/],
  ['a command that is nearly one', ['statsu'], /unknown command 'statsu'.*Did you mean status/],
  ['a flag that is none', ['run', '--bogus', '--', 'x'], /unknown option '--bogus'/],
  [
    'a flag that is nearly one',
    ['run', '--pidfle', 'p', 'x'],
    /unknown option '--pidfle'.*Did you mean --pidfile/,
  ],
  ['a flag of another command', ['status', '--no-kill', 'web'], /unknown option '--no-kill'/],
  ['a short flag that is none', ['stop', '-z', 'web'], /unknown option '-z'/],
  ['a flag behind an operand', ['stop', 'web', '--bogus'], /unknown option '--bogus'/],
  ['a flag without its value', ['run', '--pidfile'], /--pidfile.* argument missing/],
  ['a switch with a value', ['list', '--json=yes'], /unknown option '--json=yes'/],
  ['the positive of a negation', ['stop', '--kill', 'web'], /unknown option '--kill'/],
  ['a flag given twice', ['run', '--pidfile', 'a', '--pidfile', 'b', 'x'], /--pidfile was given twice/],
  [
    'a flag given twice, attached',
    ['stop', '--timeout=1', '--timeout=1', 'web'],
    /--timeout was given twice/,
  ],
  ['a short flag given twice', ['logs', 'web', '-n', '1', '--lines', '2'], /--lines was given twice/],
  ['an empty value and another', ['run', '--name=', '--name', 'b', 'x'], /--name was given twice/],
  ['run without a command', ['run'], /missing required argument 'command'/],
  ['run with only flags', ['run', '--json', '--'], /missing required argument 'command'/],
  ['an operand too many', ['list', 'web'], /too many arguments/],
  ['signal without a signal', ['signal'], /missing required argument/],
  ['signal with three words', ['signal', 'web', 'HUP', 'TERM'], /too many arguments/],
];

for (const [promise, line, message] of mistakes)
  test(`a mistake is told in one line: ${promise}`, () => {
    assert.equal(parsePlain(line), null);
    assert.throws(
      () => parseWithCommander(line),
      (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n|^error:/);
        return true;
      },
    );
  });

test('an option that was given twice is named as a fact of the error', () => {
  assert.throws(() => parseWithCommander(['run', '--name', 'a', '--name', 'b', 'x']), { option: '--name' });
});

test('a number behind a dash is an unknown flag, not the name of a daemon or a command', () => {
  for (const line of [
    ['stop', '-9', 'web'],
    ['signal', '-9', 'web'],
    ['run', '-5', 'sleep', '1'],
    ['logs', '-20', 'web'],
  ]) {
    assert.equal(parsePlain(line), null, line.join(' '));
    assert.throws(() => parseWithCommander(line), UsageError, line.join(' '));
  }
});

test('help and version are shown, and nothing is to be done', (t) => {
  for (const line of [['--help'], ['-h'], ['help'], ['help', 'run'], ['--version'], ['-V']]) {
    assert.equal(parsePlain(line), null);
    const { result, printed } = byCommander(t, line);
    assert.equal(result, 'shown', line.join(' '));
    assert.match(printed, /\S/, line.join(' '));
  }
  assert.match(byCommander(t, ['--version']).printed, /^\d+\.\d+\.\d+\n$/);
});

test('the help of a command shows its usage and all its flags, and the help of all every command', (t) => {
  const whole = byCommander(t, ['--help']).printed;
  for (const command of table) {
    assert.match(whole, new RegExp(`^ +${command.name}\\b`, 'm'));
    const { printed } = byCommander(t, [command.name, '--help']);
    const options = command.flags.length > 0 ? ' [options]' : '';
    const usage = `Usage: tsdaemon ${command.name}${options} ${command.operands.usage}`.trimEnd();
    assert.ok(
      printed.split('\n').some((line) => line.trimEnd() === usage),
      `${usage}\n${printed}`,
    );
    for (const { name, value } of command.flags)
      assert.ok(
        printed.includes(value === undefined ? name : `${name} <${value}>`),
        `${command.name} ${name}`,
      );
  }
});

test('words of the command are not looked at: its --help is its own', (t) => {
  assert.deepStrictEqual(byCommander(t, ['run', 'x', '--help']).result, {
    command: 'run',
    flags: {},
    operands: ['x', '--help'],
  });
});
