// XML-RPC as Python's xmlrpc.client speaks it: what it writes we write byte for byte, and what it reads we read, its
// tolerance included (a stack of values; elements that mean nothing are passed over).
import { encodeBytes } from '../spec/byte-text.js';
import { decodeBase64, encodeBase64 } from './base64.js';
import { escapeText, readXml, XmlError } from './xml-text.js';

export type XmlRpcValue =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | XmlRpcDateTime
  | readonly XmlRpcValue[]
  | { readonly [name: string]: XmlRpcValue };

/** A time as it is written, "20260131T23:59:59": XML-RPC says neither which zone it is in nor checks it. */
export class XmlRpcDateTime {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What the other side answered instead of a value. */
export class XmlRpcFault extends Error {
  override readonly name = 'XmlRpcFault';
  readonly faultCode: number;
  readonly faultString: string;
  constructor(faultCode: number, faultString: string) {
    super(faultString);
    this.faultCode = faultCode;
    this.faultString = faultString;
  }
}

/** Well-formed XML or not, this is no XML-RPC. */
export class XmlRpcError extends Error {
  override readonly name = 'XmlRpcError';
}

export interface XmlRpcCall {
  readonly method: string;
  readonly params: readonly XmlRpcValue[];
}

const HEADER = "<?xml version='1.0'?>\n";

export function encodeCall(method: string, params: readonly XmlRpcValue[]): string {
  const pieces = [HEADER, '<methodCall>\n<methodName>', escapeText(method), '</methodName>\n'];
  encodeParams(params, pieces);
  pieces.push('</methodCall>\n');
  return pieces.join('');
}

export function encodeResponse(value: XmlRpcValue): string {
  const pieces = [HEADER, '<methodResponse>\n'];
  encodeParams([value], pieces);
  pieces.push('</methodResponse>\n');
  return pieces.join('');
}

export function encodeFault(faultCode: number, faultString: string): string {
  const pieces = [HEADER, '<methodResponse>\n<fault>\n'];
  encodeValue({ faultCode, faultString }, pieces);
  pieces.push('</fault>\n</methodResponse>\n');
  return pieces.join('');
}

/** Throws XmlRpcError, as do the other decoders, for whatever is not a call. */
export function decodeCall(bytes: Uint8Array): XmlRpcCall {
  const { kind, method, values } = decodeDocument(bytes);
  if (kind === 'fault') throw new XmlRpcError('a fault instead of a call');
  if (method === null || method === '') throw new XmlRpcError('no method name');
  return { method, params: values };
}

/** The value that was answered; throws XmlRpcFault where that is a fault. */
export function decodeResponse(bytes: Uint8Array): XmlRpcValue {
  const { kind, values } = decodeDocument(bytes);
  const [value] = values;
  if (kind === 'fault') throw readFault(value);
  if (values.length !== 1) throw new XmlRpcError(`expected one value in the response, got ${values.length}`);
  return value!;
}

function readFault(value: XmlRpcValue | undefined): XmlRpcFault | XmlRpcError {
  if (isStruct(value)) {
    const { faultCode, faultString } = value;
    if (typeof faultCode === 'number' && typeof faultString === 'string')
      return new XmlRpcFault(faultCode, faultString);
  }
  return new XmlRpcError('a fault without code and text');
}

export function isStruct(value: XmlRpcValue | undefined): value is { readonly [name: string]: XmlRpcValue } {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof XmlRpcDateTime)
  );
}

function encodeParams(params: readonly XmlRpcValue[], pieces: string[]): void {
  pieces.push('<params>\n');
  for (const param of params) {
    pieces.push('<param>\n');
    encodeValue(param, pieces);
    pieces.push('</param>\n');
  }
  pieces.push('</params>\n');
}

function encodeValue(value: XmlRpcValue, pieces: string[]): void {
  if (value === null) pieces.push('<value><nil/></value>');
  else if (typeof value === 'string')
    pieces.push('<value><string>', escapeText(value), '</string></value>\n');
  else if (typeof value === 'boolean')
    pieces.push('<value><boolean>', value ? '1' : '0', '</boolean></value>\n');
  else if (typeof value === 'number') pieces.push(encodeNumber(value));
  else if (value instanceof Uint8Array)
    pieces.push('<value><base64>\n', encodeBase64(value), '</base64></value>\n');
  else if (value instanceof XmlRpcDateTime)
    pieces.push(`<value><dateTime.iso8601>${escapeText(value.text)}</dateTime.iso8601></value>\n`);
  else if (Array.isArray(value)) encodeArray(value, pieces);
  else encodeStruct(value as { readonly [name: string]: XmlRpcValue }, pieces);
}

/**
 * The specification ends <int> at 32 bits, where Python refuses to write and every supervisord answers 500; readers
 * take more digits, and the size of a log may need them.
 */
function encodeNumber(value: number): string {
  if (Number.isSafeInteger(value)) return `<value><int>${value}</int></value>\n`;
  const text = Number.isNaN(value) ? 'nan' : String(value).replace('Infinity', 'inf');
  return `<value><double>${text}</double></value>\n`;
}

function encodeArray(values: readonly XmlRpcValue[], pieces: string[]): void {
  pieces.push('<value><array><data>\n');
  for (const value of values) encodeValue(value, pieces);
  pieces.push('</data></array></value>\n');
}

function encodeStruct(struct: { readonly [name: string]: XmlRpcValue }, pieces: string[]): void {
  pieces.push('<value><struct>\n');
  for (const [name, value] of Object.entries(struct)) {
    pieces.push('<member>\n<name>', escapeText(name), '</name>\n');
    encodeValue(value, pieces);
    pieces.push('</member>\n');
  }
  pieces.push('</struct></value>\n');
}

interface Decoded {
  readonly kind: 'params' | 'fault' | 'methodName';
  readonly method: string | null;
  readonly values: readonly XmlRpcValue[];
}

function decodeDocument(bytes: Uint8Array): Decoded {
  const unmarshaller = new Unmarshaller();
  try {
    readXml(bytes, unmarshaller);
  } catch (error) {
    if (error instanceof XmlError) throw new XmlRpcError(error.message);
    throw error;
  }
  return unmarshaller.finish();
}

/** What an element becomes when it ends: a value that is pushed, from the text within it. */
const scalars: ReadonlyMap<string, (text: string) => XmlRpcValue> = new Map(
  Object.entries<(text: string) => XmlRpcValue>({
    nil: () => null,
    boolean: readBoolean,
    i1: readInteger,
    i2: readInteger,
    i4: readInteger,
    i8: readInteger,
    int: readInteger,
    biginteger: readInteger,
    double: readDouble,
    float: readDouble,
    bigdecimal: readDouble,
    string: (text) => text,
    name: (text) => text,
    base64: readBase64,
    'dateTime.iso8601': (text) => new XmlRpcDateTime(trimBlanks(text)),
  }),
);

/** What may stand in a value; anything else there is refused, and passed over everywhere else. */
const known: ReadonlySet<string> = new Set([
  ...scalars.keys(),
  'array',
  'struct',
  'value',
  'params',
  'fault',
  'methodName',
]);

class Unmarshaller {
  #kind: Decoded['kind'] | null = null;
  #method: string | null = null;
  readonly #stack: XmlRpcValue[] = [];
  /** Where on the stack the arrays and structs that are open begin. */
  readonly #marks: number[] = [];
  #text = '';
  /** Whether a value has begun and nothing stood in it so far: then its text is a string. */
  #isBareValue = false;

  start(qualified: string): void {
    const name = withoutPrefix(qualified);
    if (name === 'array' || name === 'struct') this.#marks.push(this.#stack.length);
    this.#text = '';
    if (this.#isBareValue && !known.has(name)) throw new XmlRpcError(`unknown tag '${name}'`);
    this.#isBareValue = name === 'value';
  }

  text(piece: string): void {
    this.#text += piece;
  }

  end(qualified: string): void {
    const name = withoutPrefix(qualified);
    const text = this.#text;
    const read = scalars.get(name);
    if (read !== undefined) this.#push(read(text));
    else if (name === 'array') this.#push(this.#stack.splice(this.#marks.pop()!));
    else if (name === 'struct') this.#push(makeStruct(this.#stack.splice(this.#marks.pop()!)));
    else if (name === 'value' && this.#isBareValue) this.#push(text);
    else if (name === 'params' || name === 'fault') this.#kind = name;
    else if (name === 'methodName') {
      this.#kind = name;
      this.#method = text;
    }
  }

  #push(value: XmlRpcValue): void {
    this.#stack.push(value);
    this.#isBareValue = false;
  }

  finish(): Decoded {
    if (this.#kind === null) throw new XmlRpcError('neither a call nor a response');
    return { kind: this.#kind, method: this.#method, values: this.#stack };
  }
}

const withoutPrefix = (name: string): string =>
  known.has(name) ? name : name.slice(name.lastIndexOf(':') + 1);

/** Names and values in turn. The last of several equal names wins; `__proto__` is a name like any other. */
function makeStruct(items: readonly XmlRpcValue[]): XmlRpcValue {
  const entries: [string, XmlRpcValue][] = [];
  for (let index = 0; index < items.length; index += 2) {
    const [name, value] = [items[index], items[index + 1]];
    if (typeof name !== 'string' || value === undefined)
      throw new XmlRpcError('a struct is not made of names and values');
    entries.push([name, value]);
  }
  return Object.fromEntries(entries);
}

/** Not String.trim, which also takes a byte order mark for a blank. */
function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && ' \t\r\n'.includes(text[start]!)) start += 1;
  while (end > start && ' \t\r\n'.includes(text[end - 1]!)) end -= 1;
  return text.slice(start, end);
}

function readBoolean(text: string): boolean {
  if (text !== '0' && text !== '1') throw new XmlRpcError(`not a boolean: '${text}'`);
  return text === '1';
}

function readInteger(text: string): number {
  const digits = /^[ \t\r\n]*([+-]?\d+(?:_\d+)*)[ \t\r\n]*$/.exec(text)?.[1];
  const value = digits === undefined ? Number.NaN : Number(digits.replaceAll('_', ''));
  if (!Number.isSafeInteger(value)) throw new XmlRpcError(`not an integer that we can hold: '${text}'`);
  // -0 would not be an integer to whoever compares it with 0.
  return value + 0;
}

const DOUBLE =
  /^[ \t\r\n]*([+-]?(?:(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?|inf|infinity|nan))[ \t\r\n]*$/i;

function readDouble(text: string): number {
  const written = DOUBLE.exec(text)?.[1]?.toLowerCase().replaceAll('_', '');
  if (written === undefined) throw new XmlRpcError(`not a number: '${text}'`);
  if (written.endsWith('nan')) return Number.NaN;
  if (written.includes('inf')) return written.startsWith('-') ? -Infinity : Infinity;
  return Number(written);
}

function readBase64(text: string): Uint8Array {
  const bytes = decodeBase64(encodeBytes(text));
  if (bytes === null) throw new XmlRpcError('base64 that is cut off or not ASCII');
  return bytes;
}
