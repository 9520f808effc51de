import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { judgeAuthorization } from '../../../src/control/basic-auth.js';
import { sha1 } from '../../../src/control/sha1.js';
import { makeRandom } from '../random.js';

test('SHA-1 is the one of everybody else', () => {
  const random = makeRandom(1);
  for (let length = 0; length < 300; length += 1) {
    const message = Buffer.from(Array.from({ length }, () => random.below(256)));
    assert.equal(sha1(message).toString('hex'), createHash('sha1').update(message).digest('hex'));
  }
});

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
const sha = (text: string): string => `{SHA}${createHash('sha1').update(text).digest('hex')}`;

test('the right name with the right password is let in, and nothing else', () => {
  for (const password of [
    'pa:ss wörd',
    sha('pa:ss wörd'),
    sha('pa:ss wörd').replace(/[a-f]/g, (hex) => hex.toUpperCase()),
  ]) {
    const status = (header?: string) =>
      judgeAuthorization({ username: 'user', password }, header)?.status ?? 200;
    assert.equal(status(basic('user:pa:ss wörd')), 200);
    assert.equal(status(basic('user:pa:ss wörd').replace('Basic', 'bASIC')), 200);
    for (const wrong of [
      undefined,
      '',
      'Basic',
      'Basic ',
      'Digest abc',
      basic(''),
      basic('user'),
      basic('user:'),
      basic('user:pa:ss'),
      basic('User:pa:ss wörd'),
      basic(':pa:ss wörd'),
      ...(password.startsWith('{SHA}') ? [basic(`user:${password}`)] : []),
    ])
      assert.equal(status(wrong), 401, wrong);
    assert.equal(status('Basic !!a'), 400);
  }
});

test('a digest that is none lets nobody in', () => {
  for (const password of ['{SHA}', '{SHA}zz', '{SHA}da39'])
    for (const given of ['', 'zz', password])
      assert.equal(judgeAuthorization({ username: 'u', password }, basic(`u:${given}`))?.status, 401);
});
