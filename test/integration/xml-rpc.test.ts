// Our XML-RPC and Python's are the same language: random values go over in both directions, and documents that were
// damaged at random are understood alike, or refused alike.
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  decodeCall,
  decodeResponse,
  encodeCall,
  encodeFault,
  encodeResponse,
  XmlRpcDateTime,
  XmlRpcError,
  XmlRpcFault,
  type XmlRpcValue,
} from '../../src/formats/xml-rpc.js';
import { type Loaded, PythonXmlRpc } from '../support/python-xml-rpc.js';
import { needs } from '../support/tools.js';
import { makeRandom, type Random } from '../unit/random.js';

const skip = needs('python3');

const words = [
  '',
  'web',
  'a<b>&c',
  ']]>',
  '\t\n',
  'käse',
  '漢字',
  '\u{1f600}',
  'x'.repeat(200),
  '\'"',
  ' blank ',
  '__proto__',
  '\u0085\u00a0\u2028',
];
const numbers = [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 0.5, -1e300, 5e-324, 1e21, 123456.789];

function anyValue(random: Random, depth = 4): XmlRpcValue {
  const list = (): XmlRpcValue[] =>
    Array.from({ length: random.below(4) }, () => anyValue(random, depth - 1));
  switch (random.below(depth === 0 ? 6 : 8)) {
    case 0:
      return random.oneIn(2);
    case 1:
      return random.pick(numbers);
    case 2:
      return null;
    case 3:
      return new Uint8Array(Array.from({ length: random.below(130) }, () => random.below(256)));
    case 4:
      return new XmlRpcDateTime('20260131T23:59:59');
    case 5:
      return random.pick(words);
    case 6:
      return list();
    default:
      return Object.fromEntries(list().map((value) => [random.pick(words), value]));
  }
}

/** A float is not spelled as Python spells it, which no reader can see: 1e21 and 1e+21. */
const withoutFloats = (document: string): string => document.replace(/<double>.*?<\/double>/g, '<double/>');

test('what we write is what Python writes, byte for byte, and reads', { skip }, async () => {
  await using python = new PythonXmlRpc();
  const random = makeRandom(20_261_121);
  for (let round = 0; round < 400; round += 1) {
    const values = [anyValue(random), anyValue(random)];
    const call = encodeCall('supervisor.x', values);
    assert.equal(withoutFloats(call), withoutFloats(await python.dump('supervisor.x', values)));
    assert.deepEqual(await python.load(call), { values, method: 'supervisor.x' });
    const response = encodeResponse(values[0]!);
    assert.equal(withoutFloats(response), withoutFloats(await python.dump(null, [values[0]!])));
    assert.deepEqual(await python.load(response), { values: [values[0]], method: null });
  }
});

test('what Python writes, we read', { skip }, async () => {
  await using python = new PythonXmlRpc();
  const random = makeRandom(7);
  for (let round = 0; round < 400; round += 1) {
    const values = [anyValue(random), anyValue(random)];
    assert.deepEqual(decodeCall(Buffer.from(await python.dump('a.b', values))), {
      method: 'a.b',
      params: values,
    });
    assert.deepEqual(decodeResponse(Buffer.from(await python.dump(null, [values[0]!]))), values[0]);
  }
});

test('a fault arrives with its code and text', { skip }, async () => {
  await using python = new PythonXmlRpc();
  const document = encodeFault(10, 'BAD_NAME: <x>');
  assert.deepEqual(await python.load(document), { fault: [10, 'BAD_NAME: <x>'] });
  assert.throws(() => decodeResponse(Buffer.from(document)), { faultCode: 10, faultString: 'BAD_NAME: <x>' });
});

test('text that XML cannot carry still makes a document that every client reads', { skip }, async () => {
  await using python = new PythonXmlRpc();
  const allBytes = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));
  const text = `\x1b[31m\ud800 \udc80\ufffe\uffff\r\n${allBytes}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML forbids
  const expected = text.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]/g, '\ufffd');
  assert.deepEqual(await python.load(encodeResponse(text)), { values: [expected], method: null });
  assert.deepEqual(decodeResponse(Buffer.from(encodeResponse(text))), expected);
});

test('integers beyond 32 bits arrive whole', { skip }, async () => {
  await using python = new PythonXmlRpc();
  for (const value of [2 ** 31, -(2 ** 31) - 1, Number.MAX_SAFE_INTEGER])
    assert.deepEqual(await python.load(encodeResponse(value)), { values: [value], method: null });
});

/** Ours, in the form of Python's answer. */
function load(document: Uint8Array): Loaded {
  try {
    return { values: decodeCall(document).params, method: decodeCall(document).method };
  } catch (error) {
    if (error instanceof XmlRpcError) return { error: error.message };
    throw error;
  }
}

const pieces = [
  '<',
  '>',
  '&',
  '/',
  ';',
  '"',
  "'",
  '=',
  '&amp;',
  '&#65;',
  '&#x41;',
  '&#0;',
  '&#xD800;',
  '&#x110000;',
  '&nbsp;',
  '&toString;',
  ']]>',
  '<![CDATA[<x>]]>',
  '<![CDATA[',
  '<!-- a -->',
  '<!-- a -- b -->',
  '<!--->',
  '<?pi x?>',
  '<?pi?>',
  '<?xml x?>',
  '\r\n',
  '\r',
  '\0',
  '\x01',
  '\x7f',
  ' ',
  '\ufeff',
  '\ufffe',
  '\u{10ffff}',
  '<value>',
  '</value>',
  '<value/>',
  '<int>5</int>',
  '<i8> +1_0 </i8>',
  '<int/>',
  '<double>.5e1</double>',
  '<double>1_0.</double>',
  '<double>-INF</double>',
  '<boolean>2</boolean>',
  '<boolean>1</boolean>',
  '<string>s</string>',
  '<x:string>s</x:string>',
  '<nil/>',
  '<name>n</name>',
  '<member>',
  '</member>',
  '<struct>',
  '</struct>',
  '<array>',
  '</array>',
  '<base64>QQ==</base64>',
  '<base64>Q Q=</base64>',
  '<base64>QUI=QUI=</base64>',
  '<base64>Q=U=I=D</base64>',
  '<dateTime.iso8601> x </dateTime.iso8601>',
  '<methodName>m</methodName>',
  '<params/>',
  '<fault/>',
  '<unknown/>',
  '<unknown a="1" b=\'2\'>',
  '<unknown a="1" a="2"/>',
  '<unknown a="<"/>',
  '<unknown a="&lt;"/>',
  '<unknown a=1/>',
  '<unknown/ >',
  '</unknown>',
  '\xff',
  '\xc3\xa4',
];

/** Half of the damage goes between two elements, where documents survive it. */
function damage(random: Random, document: Buffer): Buffer {
  const anywhere = random.below(document.length + 1);
  const [at, cut] = random.oneIn(2)
    ? [document.indexOf('>', anywhere) + 1, 0]
    : [anywhere, random.pick([0, 0, 0, 1, 2, 10])];
  const piece = random.oneIn(6)
    ? document.subarray(random.below(document.length), random.below(document.length))
    : Buffer.from(random.pick(pieces), random.oneIn(8) ? 'latin1' : 'utf8');
  return Buffer.concat([document.subarray(0, at), piece, document.subarray(at + cut)]);
}

/** What Python takes and we do not, by intent: integers that no number holds, structs with names that are no text. */
function isRefusedByIntent(loaded: Loaded): boolean {
  return JSON.stringify(loaded, (_, value) => (Number.isNaN(value) ? 'NaN' : value)).includes('NaN');
}

test('damaged documents are understood as Python does, or refused where it refuses', { skip }, async () => {
  await using python = new PythonXmlRpc();
  const random = makeRandom(4711);
  let taken = 0;
  for (let round = 0; round < 6000; round += 1) {
    let document: Buffer = Buffer.from(encodeCall('a.b', [anyValue(random, 2)]));
    for (let times = 1 + random.below(2); times > 0; times -= 1) document = damage(random, document);
    const theirs = await python.load(document);
    const ours = load(document);
    const about = `${JSON.stringify(document.toString('latin1'))}\n${JSON.stringify(theirs)}`;
    if ('values' in theirs && theirs.method && !isRefusedByIntent(theirs)) {
      assert.deepEqual(ours, theirs, about);
      taken += 1;
    } else assert.ok('error' in ours, about);
  }
  assert.ok(taken > 500, `only ${taken} documents survived the damage`);
});

test('no damage makes the decoder of responses throw anything but its own errors', () => {
  const random = makeRandom(99);
  for (let round = 0; round < 6000; round += 1) {
    let document: Buffer = Buffer.from(
      random.oneIn(2) ? encodeResponse(anyValue(random)) : encodeFault(1, 'x'),
    );
    for (let times = 1 + random.below(3); times > 0; times -= 1) document = damage(random, document);
    try {
      decodeResponse(document);
    } catch (error) {
      assert.ok(error instanceof XmlRpcError || error instanceof XmlRpcFault, String(error));
    }
  }
});

test('a document that is nested without end, or huge, costs neither the stack nor much time', () => {
  const nested = '<value><array><data>'.repeat(100_000);
  assert.throws(() => decodeCall(Buffer.from(`<methodCall>${nested}`)), XmlRpcError);
  const entity = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>';
  assert.throws(() => decodeCall(Buffer.from(`${entity}<methodCall>&b;</methodCall>`)), XmlRpcError);
  const started = performance.now();
  const many = encodeCall('a.b', [Array.from({ length: 100_000 }, (_, index) => `<${index}>`)]);
  assert.equal((decodeCall(Buffer.from(many)).params[0] as string[])[99_999], '<99999>');
  assert.throws(() => decodeCall(Buffer.from(many.replaceAll('&lt;', '&').replaceAll(';', ''))), XmlRpcError);
  assert.throws(() => decodeCall(Buffer.from(' '.repeat(5_000_000))), XmlRpcError);
  assert.throws(() => decodeCall(Buffer.from(`<a ${'a '.repeat(1_000_000)}>`)), XmlRpcError);
  assert.throws(() => decodeCall(Buffer.from(`<a>${'<?p '.repeat(1_000_000)}`)), XmlRpcError);
  assert.throws(() => decodeCall(Buffer.from(`<?xml${' '.repeat(1_000_000)}`)), XmlRpcError);
  assert.throws(() => decodeCall(Buffer.from(`<a>${'&'.repeat(1_000_000)}</a>`)), XmlRpcError);
  const ms = performance.now() - started;
  assert.ok(ms < 10_000, `took ${ms} ms`);
});
