import assert from 'node:assert/strict';
import test from 'node:test';
import { siteOf } from '../../../src/control/same-site.js';

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
