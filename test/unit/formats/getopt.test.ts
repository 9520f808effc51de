import assert from 'node:assert/strict';
import test from 'node:test';
import { getopt } from '../../../src/formats/getopt.js';

const table = {
  short: { c: true, i: false, h: false },
  long: { configuration: true, interactive: false, help: false, host: true },
};

const good: readonly (readonly [words: string, options: readonly string[], rest: readonly string[]])[] = [
  ['-c x status -i', ['-c=x'], ['status', '-i']],
  ['-icx -- -h', ['-i=', '-c=x'], ['-h']],
  ['--conf x --int', ['--configuration=x', '--interactive='], []],
  ['--configuration=x=y -', ['--configuration=x=y'], ['-']],
  ['--configuration= z', ['--configuration='], ['z']],
  ['-c -i', ['-c=-i'], []],
];
for (const [words, options, rest] of good)
  test(`'${words}' is understood`, () => {
    const taken = getopt(words.split(' '), table);
    assert.ok(typeof taken !== 'string');
    assert.deepEqual(
      taken.options.map(({ name, value }) => `${name}=${value}`),
      options,
    );
    assert.deepEqual(taken.rest, rest);
  });

const bad: readonly (readonly [words: string, message: string])[] = [
  ['-x', 'option -x not recognized'],
  ['-ix', 'option -x not recognized'],
  ['-c', 'option -c requires argument'],
  ['--con', 'option --configuration requires argument'],
  ['--h', 'option --h not a unique prefix'],
  ['--x=1', 'option --x not recognized'],
  ['--help=1', 'option --help must not have an argument'],
];
for (const [words, message] of bad)
  test(`'${words}' is refused as Python does`, () => {
    assert.equal(getopt(words.split(' '), table), message);
  });
