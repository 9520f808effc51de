import assert from 'node:assert/strict';
import test from 'node:test';
import { suggest } from '../../../src/formats/suggest.js';

const known = ['autostart', 'autorestart', 'startsecs', 'user', 'umask'];

test('a slip of the keyboard is understood: a letter less, more, wrong, or swapped', () => {
  for (const slip of ['autostat', 'autosstart', 'autostarr', 'autosatrt'])
    assert.equal(suggest(slip, known), 'autostart');
  assert.equal(suggest('usr', known), 'user');
});

test('the nearest one is meant', () => assert.equal(suggest('auto_restart', known), 'autorestart'));

test('nothing is suggested for what is like nothing', () => {
  assert.equal(suggest('colour', known), null);
  assert.equal(suggest('x', known), null);
});
