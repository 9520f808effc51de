// A TCP port without a password: who reaches it can run commands, so it is known who does.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { encodeCall } from '../../src/formats/xml-rpc.js';
import { ask, post } from '../support/http.js';
import { freePort } from '../support/shaky.js';
import { TestSupervisor } from '../support/supervisors.js';
import { needs } from '../support/tools.js';
import { makeWorld } from '../support/world.js';

/** 127.0.0.2 is this machine as well, but no address that a server of 127.0.0.1 answers. */
const isReached = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

const getPid = post(encodeCall('supervisor.getPID', []), ['Connection: close']);

const skip = process.platform !== 'linux' && 'needs all of 127.0.0.0/8 to be this machine';

test('a port without a password is open to others only by allow_remote_without_password', {
  skip,
}, async () => {
  await using world = await makeWorld();
  for (const [line, isOpen] of [
    ['', false],
    ['allow_remote_without_password=false', false],
    ['allow_remote_without_password=true', true],
    ['username=me\npassword=secret', true],
  ] as const) {
    const port = await freePort();
    await using ours = new TestSupervisor(world, 'ours', `port-${port}`);
    ours.configure(`[inet_http_server]\nport=*:${port}\n${line}\n`);
    await ours.start();
    assert.equal(await isReached('127.0.0.1', port), true, line);
    assert.equal(await isReached('127.0.0.2', port), isOpen, line);
    const told = /CRIT listening on 127\.0\.0\.1:\d+ only, not on \*: .*allow_remote_without_password=true/;
    assert.equal(told.test(ours.read('main.log')), !isOpen, line);
    if (!line.startsWith('username')) assert.match(await ask(port, getPid), /<int>\d+<\/int>/);
    await ours.stop();
  }
});

test('without a password, a name that any web page may have is refused on TCP, and real clients go on', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const port = await freePort();
  ours.configure(`[inet_http_server]\nport=127.0.0.1:${port}\n[program:web]\ncommand=sleep 1000\n`);
  await ours.start();
  const rebound = getPid.replace('Host: localhost', `Host: evil.example:${port}`);
  const refusal = await ask(port, rebound);
  assert.match(refusal, /^HTTP\/1\.1 403 Forbidden\r\n/);
  assert.match(refusal, /\r\n\r\nrefused a request to evil\.example:\d+: without a password .*\n$/);
  assert.match(ours.read('main.log'), /ERRO refused a request to evil\.example/);
  assert.match(await ask(ours.path('sock'), rebound), /<int>\d+<\/int>/, 'a socket has a mode of its own');

  const crossSite = getPid.replace(
    'Host: localhost',
    `Host: 127.0.0.1:${port}\r\nOrigin: http://evil.example`,
  );
  assert.match(await ask(port, crossSite), /^HTTP\/1\.1 403 /);

  for (const host of ['127.0.0.1', 'localhost']) {
    const url = `http://${host}:${port}`;
    const call = `import xmlrpc.client; print(xmlrpc.client.ServerProxy('${url}/RPC2').supervisor.getPID())`;
    for (const argv of [
      ['python3', '-c', call],
      ['supervisorctl', '-s', url, 'pid'],
      ['tsdaemon', 'ctl', '-s', url, 'pid'],
    ]) {
      if (needs(argv[0]!) !== false) continue;
      const { stdout, stderr } = await world.run(argv);
      assert.equal(stdout.trim(), String(ours.pid), `${argv.join(' ')}: ${stderr}`);
    }
  }
});

test('where other machines are let in without a password, any name will do', async () => {
  await using world = await makeWorld();
  await using ours = new TestSupervisor(world, 'ours');
  const port = await freePort();
  ours.configure(`[inet_http_server]\nport=*:${port}\nallow_remote_without_password=true\n`);
  await ours.start();
  assert.match(await ask(port, getPid.replace('Host: localhost', 'Host: box.example')), /<int>\d+<\/int>/);
});
