import assert from 'node:assert/strict';
import test from 'node:test';
import { meansUs, siteOf } from '../../../src/control/same-site.js';

test('a browser that was sent by another site is known', () => {
  const browser = { 'user-agent': 'Mozilla/5.0 (X11)' };
  for (const [site, headers] of [
    ['own', {}],
    ['own', { 'user-agent': 'curl/8' }],
    ['own', { origin: 'http://h:9001' }],
    ['own', { ...browser, referer: 'http://H:9001/?message=x' }],
    ['own', { ...browser, 'sec-fetch-site': 'same-origin', origin: 'http://behind-a-proxy' }],
    ['own', { ...browser, 'sec-fetch-site': 'none' }],
    ['unknown', browser],
    ['foreign', { ...browser, 'sec-fetch-site': 'cross-site', referer: 'http://h:9001/' }],
    ['foreign', { ...browser, 'sec-fetch-site': 'same-site' }],
    ['foreign', { origin: 'null' }],
    ['foreign', { origin: 'http://h:9002' }],
    ['foreign', { origin: 'http://h:9001.evil' }],
    ['foreign', { referer: 'http://evil/http://h:9001/' }],
    ['foreign', { referer: 'http://h:9001@evil/' }],
    ['foreign', { origin: 'http://evil', referer: 'http://h:9001/' }],
  ] as const)
    assert.equal(
      siteOf({ headers: new Map(Object.entries({ host: 'h:9001', ...headers })) }),
      site,
      JSON.stringify(headers),
    );
});

test('a name that could be made to lead here is told from an address and from localhost', () => {
  for (const host of [
    undefined,
    '',
    'localhost',
    'LocalHost:9001',
    '127.0.0.1:9001',
    '192.0.2.7',
    '[::1]:9001',
    '[::1]',
    'Box.example:9001',
  ])
    assert.equal(meansUs(host, 'box.example'), true, host);
  for (const host of [
    'evil.example',
    'evil.example:9001',
    'localhost.evil.example',
    '127.0.0.1.evil.example:9001',
    'localhost, evil.example',
    'evil.example:9001:localhost',
    '[evil.example]:9001',
    'localhost@evil.example',
    'localhost:x',
    '::1',
  ])
    assert.equal(meansUs(host, ''), false, host);
});
