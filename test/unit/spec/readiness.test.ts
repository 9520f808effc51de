import assert from 'node:assert/strict';
import test from 'node:test';
import { isProbeTarget, parseReadiness, type Readiness, readinessWord } from '../../../src/spec/readiness.js';

const words: readonly (readonly [word: string, expected: Readiness])[] = [
  ['exec', { kind: 'exec' }],
  ['stay-up', { kind: 'stay-up' }],
  ['notify', { kind: 'notify' }],
  ['fd:3', { kind: 'fd', descriptor: 3 }],
  ['fd:1023', { kind: 'fd', descriptor: 1023 }],
  ['tcp:127.0.0.1:8080', { kind: 'tcp', host: '127.0.0.1', port: 8080 }],
  ['tcp:db.example.org:5432', { kind: 'tcp', host: 'db.example.org', port: 5432 }],
  ['tcp:[::1]:80', { kind: 'tcp', host: '::1', port: 80 }],
  ['tcp:[fe80::1%eth0]:80', { kind: 'tcp', host: 'fe80::1%eth0', port: 80 }],
  ['tcp:localhost:65535', { kind: 'tcp', host: 'localhost', port: 65_535 }],
  ['http://127.0.0.1:8080/health', { kind: 'http', url: 'http://127.0.0.1:8080/health' }],
  ['http://localhost', { kind: 'http', url: 'http://localhost' }],
  ['https://[::1]:8443/?deep=1&x=a:b', { kind: 'http', url: 'https://[::1]:8443/?deep=1&x=a:b' }],
  ['HTTPS://user:secret@host/x', { kind: 'http', url: 'HTTPS://user:secret@host/x' }],
  ['log:listening on \\d+', { kind: 'log', pattern: 'listening on \\d+' }],
  ['log:^a:b$', { kind: 'log', pattern: '^a:b$' }],
  [
    'cmd:pg_isready -q && test -S "$HOME/s: 1"',
    { kind: 'command', script: 'pg_isready -q && test -S "$HOME/s: 1"' },
  ],
];

for (const [word, expected] of words)
  test(`${word} is understood, and is the word for what it means`, () => {
    assert.deepEqual(parseReadiness(word), expected);
    assert.equal(readinessWord(expected), word);
  });

test('a port alone is one of this machine', () => {
  for (const word of ['tcp:8080', 'tcp::8080'])
    assert.deepEqual(parseReadiness(word), { kind: 'tcp', host: 'localhost', port: 8080 }, word);
});

const refused: readonly (readonly [word: string, reason: RegExp])[] = [
  ['', /none of exec, stay-up/],
  ['ready', /none of exec/],
  ['Exec', /none of exec/],
  ['exec:', /none of exec/],
  ['ftp://x', /none of exec/],
  ['fd:', /'' is no number from 3/],
  ['fd:x', /'x' is no number/],
  ['fd:-3', /'-3' is no number/],
  ['fd:3.5', /no number/],
  ['fd:0', /standard streams/],
  ['fd:2', /standard streams/],
  ['fd:1024', /from 3 to 1023/],
  ['tcp:', /not HOST:PORT/],
  ['tcp:host', /'host' is not HOST:PORT/],
  ['tcp:host:', /not HOST:PORT/],
  ['tcp:host:http', /not HOST:PORT/],
  ['tcp:host:0', /port 0 is not/],
  ['tcp:host:65536', /port 65536 is not/],
  ['tcp:host:99999', /port 99999/],
  ['tcp:::1:80', /in brackets, as tcp:\[::1\]:8080/],
  ['tcp:a b:80', /not HOST:PORT/],
  ['tcp://host:80', /HOST:PORT|brackets/],
  ['http:', /no URL/],
  ['http://', /no URL/],
  ['http:/host', /no URL/],
  ['http:host', /no URL/],
  ['http://:80/', /no URL/],
  ['http://host:port/', /no URL/],
  ['http://host:0/', /port 0/],
  ['http://host:70000/', /port 70000/],
  ['http://host/a b', /no URL/],
  ['https://::1/', /no URL/],
  ['log:', /empty, and would match every line/],
  ['log:(', /invalid regular expression/],
  ['cmd:', /command is empty/],
  ['cmd:  ', /command is empty/],
  ['cmd:a\0b', /NUL/],
];

for (const [word, reason] of refused)
  test(`${JSON.stringify(word)} is refused with a reason`, () => {
    const readiness = parseReadiness(word);
    assert.equal(readiness.kind, 'unreadable');
    assert.match(readiness.kind === 'unreadable' ? readiness.reason : '', reason);
  });

test('what can be asked from outside serves as a health check, the rest does not', () => {
  const probes = words
    .filter(([, readiness]) => isProbeTarget(readiness))
    .map(([word]) => word.split(':')[0]);
  assert.deepEqual(new Set(probes), new Set(['tcp', 'http', 'https', 'HTTPS', 'cmd']));
});
