import assert from 'node:assert/strict';
import test from 'node:test';
import { RpcError } from '../../../src/control/faults.js';
import {
  answerCall,
  invoke,
  inXml,
  type RpcAnswer,
  type RpcMethods,
  withSystemMethods,
} from '../../../src/control/rpc.js';
import { supervisorMethods } from '../../../src/control/supervisor-methods.js';
import { encodeCall, XmlRpcDateTime, type XmlRpcValue } from '../../../src/formats/xml-rpc.js';

const echo = (...params: XmlRpcValue[]): XmlRpcValue => params;

const methods: RpcMethods = withSystemMethods(
  new Map([
    [
      'a.echo',
      { run: echo, help: 'Says it again', signature: ['array', 'string', 'int', 'boolean'], optional: 1 },
    ],
    ['a.exact', { run: echo, help: '', signature: ['array', 'string'], isExact: true }],
    ['a.none', { run: () => true, help: '', signature: ['boolean'] }],
    [
      'a.refuse',
      {
        run: () => {
          throw new RpcError('BAD_NAME', 'web');
        },
        help: '',
        signature: ['boolean'],
      },
    ],
    ['a.later', { run: async () => 'later', help: '', signature: ['string'] }],
    [
      'a.break',
      {
        run: () => {
          throw new TypeError('broken');
        },
        help: '',
        signature: ['boolean'],
      },
    ],
  ]),
);

const call = (method: string, ...params: XmlRpcValue[]) => invoke(methods, { method, params });

test('what Python would take for a type is taken for it, and nothing else', async () => {
  for (const [given, taken] of [
    [
      ['a', 1],
      ['a', 1],
    ],
    [
      ['a', 1, true],
      ['a', 1, true],
    ],
    [
      ['a', '1', 0],
      ['a', 1, false],
    ],
    [
      ['a', ' -7 ', 'no'],
      ['a', -7, true],
    ],
    [
      ['a', 1.9, ''],
      ['a', 1, false],
    ],
    [
      ['a', true, null],
      ['a', 1, false],
    ],
    [
      [15, 1],
      ['15', 1],
    ],
    [
      [new Uint8Array([0xc3, 0xa4]), 1],
      ['ä', 1],
    ],
    [
      [new XmlRpcDateTime('20260101T00:00:00'), 1],
      ['20260101T00:00:00', 1],
    ],
  ] as const)
    assert.deepEqual(await call('a.echo', ...given), taken);
  for (const [given, detail] of [
    [[true, 1], ': true'],
    [[null, 1], ': null'],
    [['a', 'x'], ': x'],
    [['a', []], ': []'],
    [['a', Number.NaN], ': null'],
    [[{}, 1], ': {}'],
    [['a'], ''],
    [['a', 1, true, 1], ''],
  ] as const)
    await assert.rejects(call('a.echo', ...given), {
      message: `INCORRECT_PARAMETERS${detail}`,
      faultCode: 2,
    });
  await assert.rejects(call('a.exact', 5), { message: 'INCORRECT_PARAMETERS: 5' });
  await assert.rejects(call('a.none', 1), { message: 'INCORRECT_PARAMETERS' });
});

test('only methods of the table are found', async () => {
  for (const name of [
    '',
    'a',
    'a.',
    'a._echo',
    'a.echo.call',
    'toString',
    '__proto__',
    'a.constructor',
    'b.echo',
  ])
    await assert.rejects(call(name), { message: 'UNKNOWN_METHOD', faultCode: 1 });
});

test('multicall answers with bare values and with faults as structs, in order', async () => {
  const calls = [
    { methodName: 'a.none' },
    { methodName: 'a.later', params: [] },
    { methodName: 'a.refuse' },
    { methodName: 'a.break' },
    { methodName: 'a.x' },
    { methodName: 'system.multicall', params: [[]] },
    { params: [] },
    'a.none',
    { methodName: 'a.none', params: 'x' },
    { methodName: 7 },
    { methodName: 'system.methodHelp', params: ['a.echo'] },
  ];
  const fault = (faultCode: number, faultString: string) => ({ faultCode, faultString });
  assert.deepEqual(await call('system.multicall', calls), [
    true,
    'later',
    fault(10, 'BAD_NAME: web'),
    fault(30, 'FAILED: broken'),
    fault(1, 'UNKNOWN_METHOD'),
    fault(2, 'INCORRECT_PARAMETERS: Recursive system.multicall forbidden'),
    fault(2, 'INCORRECT_PARAMETERS: No methodName'),
    fault(2, 'INCORRECT_PARAMETERS: No methodName'),
    fault(2, 'INCORRECT_PARAMETERS'),
    fault(1, 'UNKNOWN_METHOD'),
    'Says it again',
  ]);
});

test('system tells about all methods, its own included', async () => {
  const names = (await call('system.listMethods')) as string[];
  assert.deepEqual(names, [...methods.keys()].sort());
  assert.deepEqual(await call('system.methodSignature', 'a.echo'), ['array', 'string', 'int', 'boolean']);
  assert.deepEqual(await call('system.methodSignature', 'system.multicall'), ['array', 'array']);
  for (const name of ['system.methodHelp', 'system.methodSignature'])
    await assert.rejects(call(name, 'a.x'), { message: 'SIGNATURE_UNSUPPORTED', faultCode: 4 });
});

test('a call is answered by a document, bad bytes by 400, what breaks by 500', async () => {
  const trace: string[] = [];
  const answer = (body: string) => answerCall(methods, Buffer.from(body), inXml, (text) => trace.push(text));
  const statusOf = (given: RpcAnswer) => (given.ok ? 200 : given.status);
  const good = await answer(encodeCall('a.none', []));
  assert.match(good.ok ? good.document : '', /<boolean>1<\/boolean>/);
  const fault = await answer(encodeCall('a.refuse', []));
  assert.match(fault.ok ? fault.document : '', /<fault>.*<int>10<\/int>.*BAD_NAME: web/s);
  for (const bad of ['', '<a>', '<a/>', '<methodCall><methodName></methodName></methodCall>'])
    assert.equal(statusOf(await answer(bad)), 400, bad);
  const broken = await answer(encodeCall('a.break', []));
  assert.ok(!broken.ok && broken.status === 500);
  assert.match(broken.reason, /a\.break\(\) failed: TypeError: broken/);
  assert.deepEqual(trace, [
    'XML-RPC method called: a.none()',
    'XML-RPC method a.none() returned successfully',
    'XML-RPC method called: a.refuse()',
    'XML-RPC method a.refuse() returned fault: [10] BAD_NAME: web',
    'XML-RPC method called: a.break()',
  ]);
});

test('what is wrong with bad bytes is told in one short line, whatever they are', async () => {
  const body = encodeCall('a.echo', ['']).replace(
    /<string>.*<\/string>/,
    `<int>x\n${'CRIT '.repeat(1000)}</int>`,
  );
  const given = await answerCall(methods, Buffer.from(body), inXml, () => {});
  assert.ok(!given.ok && given.status === 400);
  assert.match(given.reason, /^XML-RPC request data is invalid: .*'x\\x0aCRIT .*\.\.\.$/);
  assert.ok(given.reason.length < 300, given.reason);
});

test('the tags in the help of a method say what its signature says', () => {
  for (const [name, { help, signature }] of Object.entries(supervisorMethods)) {
    const tags = [...help.matchAll(/^\s*@(param|return)\s+(\S+)/gm)].map(([, tag, type]) => [tag, type]);
    const returns = tags.filter(([tag]) => tag === 'return').map(([, type]) => type);
    const params = tags.filter(([tag]) => tag === 'param').map(([, type]) => type);
    assert.deepEqual([...returns, ...params], [...signature], name);
  }
});
