import assert from 'node:assert/strict';
import test from 'node:test';
import { variable, withoutVariables, withVariables } from '../../../src/core/environment.js';
import { makeRandom } from '../random.js';

const cases: readonly (readonly [
  promise: string,
  environment: readonly string[],
  changes: readonly string[],
  expected: readonly string[],
])[] = [
  ['no change changes nothing', ['A=1', 'B=2'], [], ['A=1', 'B=2']],
  ['a new name goes to the end', ['A=1'], ['B=2'], ['A=1', 'B=2']],
  ['a known name keeps its place', ['A=1', 'B=2'], ['A=3'], ['A=3', 'B=2']],
  ['the last of two changes wins', [], ['A=1', 'B=2', 'A=3'], ['A=3', 'B=2']],
  ['of two entries the first is replaced, as env(1) does', ['A=1', 'A=2'], ['A=3'], ['A=3', 'A=2']],
  ['a name that only begins the same is another', ['AB=1', 'A=2'], ['A=3'], ['AB=1', 'A=3']],
  ['a value may hold an equals sign', ['A=1'], ['A=x=y'], ['A=x=y']],
  ['a value may be empty', ['A=1'], ['A='], ['A=']],
  ['a value may hold lines', ['A=1\n2'], ['B=3\n4'], ['A=1\n2', 'B=3\n4']],
  ['names are told apart by case', ['path=1'], ['PATH=2'], ['path=1', 'PATH=2']],
  [
    'odd entries of the caller stay',
    ['no equals', '=x', 'BASH_FUNC_f%%=() { :; }'],
    ['A=1'],
    ['no equals', '=x', 'BASH_FUNC_f%%=() { :; }', 'A=1'],
  ],
];

for (const [promise, environment, changes, expected] of cases)
  test(`with variables: ${promise}`, () => {
    assert.deepEqual(withVariables(Object.freeze(environment), changes), expected);
  });

test('without a variable all of its entries are gone, and no other', () => {
  const environment = ['A=1', 'AB=2', 'A=3', 'B=A=4', 'A'];
  assert.deepEqual(withoutVariables(environment, ['A']), ['AB=2', 'B=A=4', 'A']);
  assert.deepEqual(withoutVariables(environment, ['A', 'AB', 'none']), ['B=A=4', 'A']);
  assert.deepEqual(withoutVariables(environment, []), environment);
});

test('a variable is read as getenv reads it: the first entry, whole behind its first equals sign', () => {
  const environment = ['AB=0', 'A=1=2', 'A=3', 'E=', 'N'];
  assert.equal(variable(environment, 'A'), '1=2');
  assert.equal(variable(environment, 'E'), '');
  assert.equal(variable(environment, 'N'), null);
  assert.equal(variable(environment, 'B'), null);
  assert.equal(variable([], 'A'), null);
});

test('whatever was there, a variable that was set is read back, and the others are as before', () => {
  const random = makeRandom(3);
  const names = ['A', 'AB', 'B', 'HOME', 'x'];
  for (let round = 0; round < 500; round += 1) {
    const environment = Array.from(
      { length: random.below(6) },
      () => `${random.pick(names)}=${random.below(9)}`,
    );
    const name = random.pick(names);
    const changed = withVariables(environment, [`${name}=new`]);
    assert.equal(variable(changed, name), 'new');
    for (const other of names.filter((candidate) => candidate !== name))
      assert.equal(
        variable(changed, other),
        variable(environment, other),
        `${other} in ${environment.join(' ')}`,
      );
  }
});
