// A TCP port without a password: who reaches it can run commands, so it is known who does.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { encodeCall } from '../../src/formats/xml-rpc.js';
import { ask, post } from '../support/http.js';
import { freePort } from '../support/shaky.js';
import { TestSupervisor } from '../support/supervisors.js';
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
