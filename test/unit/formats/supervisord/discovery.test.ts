import assert from 'node:assert/strict';
import test from 'node:test';
import { nothingFound, searchPaths } from '../../../../src/formats/supervisord/discovery.js';

test('the prefix of the executable comes first, then the working directory, then /etc', () => {
  assert.deepEqual(searchPaths('/opt/app/bin/supervisord'), [
    '/opt/app/etc/supervisord.conf',
    '/opt/app/supervisord.conf',
    'supervisord.conf',
    'etc/supervisord.conf',
    '/etc/supervisord.conf',
    '/etc/supervisor/supervisord.conf',
  ]);
  assert.equal(searchPaths('supervisord')[0], 'etc/supervisord.conf');
});

test('where nothing is found, all places are named', () => {
  assert.equal(
    nothingFound(['a', 'b']),
    'No config file found at default paths (a, b); use the -c option to specify a config file at a different path',
  );
});
