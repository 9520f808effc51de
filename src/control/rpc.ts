// Calls by name: finds the method, checks what it is given, and makes a response or a fault of what it does.
import { reasonOf } from '../errors.js';
import {
  decodeCall,
  encodeFault,
  encodeResponse,
  isStruct,
  type XmlRpcCall,
  XmlRpcDateTime,
  XmlRpcError,
  type XmlRpcValue,
} from '../formats/xml-rpc.js';
import { visible } from '../spec/byte-text.js';
import type { FaultName } from '../spec/faults.js';
import { RpcError } from './faults.js';

/** The types that a signature names. */
export type RpcType = 'string' | 'int' | 'boolean' | 'array' | 'struct';

/** Every parameter is of the type that the signature says. A promise blocks nobody but its own caller. */
export type RpcMethod = (...params: XmlRpcValue[]) => XmlRpcValue | Promise<XmlRpcValue>;

export interface RpcEntry {
  readonly run: RpcMethod;
  /** What system.methodHelp tells. */
  readonly help: string;
  /** The type of the result, then those of the parameters. */
  readonly signature: readonly [RpcType, ...RpcType[]];
  /** How many of the parameters may be left out, from the last; 0 where nothing is said. */
  readonly optional?: number;
  /** Numbers are not taken for text; false where nothing is said. */
  readonly isExact?: boolean;
}

/** By full name, such as `supervisor.getState`. */
export type RpcMethods = ReadonlyMap<string, RpcEntry>;

/** An answer: a document for the client, or a request that is no call (400) or went wrong inside (500). */
export type RpcAnswer =
  | { readonly ok: true; readonly document: string }
  | { readonly ok: false; readonly status: 400 | 500; readonly reason: string };

/** How answers are written. */
export interface RpcNotation {
  readonly response: (value: XmlRpcValue) => string;
  readonly fault: (code: number, text: string) => string;
}

export const inXml: RpcNotation = { response: encodeResponse, fault: encodeFault };

/** For clients that ask for it: a tenth of the time, at a thousand programs. */
export const inJson: RpcNotation = {
  response: (value) => JSON.stringify({ value }),
  fault: (code, text) => JSON.stringify({ fault: { code, text } }),
};

/** Never rejects. `trace` is told what is called and what comes of it. */
export async function answerCall(
  methods: RpcMethods,
  body: Uint8Array,
  notation: RpcNotation,
  trace: (text: string) => void,
): Promise<RpcAnswer> {
  let call: XmlRpcCall;
  try {
    call = decodeCall(body);
  } catch (error) {
    if (!(error instanceof XmlRpcError)) return { ok: false, status: 500, reason: textOf(error) };
    const reason = `XML-RPC request data is invalid: ${visible(shorten(error.message))}`;
    return { ok: false, status: 400, reason };
  }
  const name = `${visible(call.method)}()`;
  trace(`XML-RPC method called: ${name}`);
  try {
    const document = notation.response(await invoke(methods, call));
    trace(`XML-RPC method ${name} returned successfully`);
    return { ok: true, document };
  } catch (error) {
    if (error instanceof RpcError) {
      trace(`XML-RPC method ${name} returned fault: [${error.faultCode}] ${visible(error.message)}`);
      return { ok: true, document: notation.fault(error.faultCode, error.message) };
    }
    return { ok: false, status: 500, reason: `XML-RPC method ${call.method}() failed: ${textOf(error)}` };
  }
}

const textOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

/** Runs a method as a client would; rejects with RpcError where a client would be answered a fault. */
export async function invoke(methods: RpcMethods, { method, params }: XmlRpcCall): Promise<XmlRpcValue> {
  const entry = methods.get(method);
  if (entry === undefined) throw new RpcError('UNKNOWN_METHOD');
  const [, ...types] = entry.signature;
  const given = params.map(bytesToText);
  if (given.length > types.length || given.length < types.length - (entry.optional ?? 0))
    throw new RpcError('INCORRECT_PARAMETERS');
  return entry.run(...given.map((value, index) => take(types[index]!, value, entry.isExact ?? false)));
}

/** Base64 is a way to send text, as supervisord has it. */
function bytesToText(value: XmlRpcValue): XmlRpcValue {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (value instanceof XmlRpcDateTime) return value.text;
  if (Array.isArray(value)) return value.map(bytesToText);
  if (!isStruct(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, bytesToText(member)]));
}

/**
 * What Python's int(), str() and truth make of a value, since scripts send '0' for 0, 15 for '15' and 1 for true.
 * supervisord looks no closer, and answers 500 for what then goes wrong within.
 */
function take(type: RpcType, value: XmlRpcValue, isExact: boolean): XmlRpcValue {
  if (type === 'boolean') return Boolean(value);
  if (type === 'string' && (typeof value === 'string' || (!isExact && typeof value === 'number')))
    return String(value);
  if (type === 'int') {
    const number = typeof value === 'string' && /^\s*[+-]?\d+\s*$/.test(value) ? Number(value) : value;
    if (Number.isFinite(number) || typeof number === 'boolean') return Math.trunc(Number(number));
  }
  if ((type === 'array' && Array.isArray(value)) || (type === 'struct' && isStruct(value))) return value;
  const shown = typeof value === 'string' ? value : JSON.stringify(value);
  throw new RpcError('INCORRECT_PARAMETERS', shorten(shown));
}

/** Clients may send 8 MiB, and what they sent comes back to them and goes to the log. */
const shorten = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}...` : text);

/** The methods with `system.*` beside them, which tells about all of them. */
export function withSystemMethods(methods: RpcMethods): RpcMethods {
  const all = new Map(methods);
  const find = (name: XmlRpcValue): RpcEntry => {
    const entry = all.get(name as string);
    if (entry === undefined) throw new RpcError('SIGNATURE_UNSUPPORTED' satisfies FaultName);
    return entry;
  };
  all.set('system.listMethods', {
    run: () => [...all.keys()].sort(),
    signature: ['array'],
    help: systemHelp.listMethods,
  });
  all.set('system.methodHelp', {
    run: (name) => find(name!).help,
    signature: ['string', 'string'],
    help: systemHelp.methodHelp,
  });
  all.set('system.methodSignature', {
    run: (name) => find(name!).signature,
    signature: ['array', 'string'],
    help: systemHelp.methodSignature,
  });
  all.set('system.multicall', {
    run: (calls) => multicall(all, calls as readonly XmlRpcValue[]),
    signature: ['array', 'array'],
    help: systemHelp.multicall,
  });
  return all;
}

/** One after the other, the ones that wait included. The results are bare, where others wrap each in an array. */
async function multicall(methods: RpcMethods, calls: readonly XmlRpcValue[]): Promise<XmlRpcValue> {
  const results: XmlRpcValue[] = [];
  for (const call of calls) {
    try {
      results.push(await invoke(methods, readInnerCall(call)));
    } catch (error) {
      results.push(asStruct(error));
    }
  }
  return results;
}

function readInnerCall(call: XmlRpcValue): XmlRpcCall {
  if (!isStruct(call) || !Object.hasOwn(call, 'methodName'))
    throw new RpcError('INCORRECT_PARAMETERS', 'No methodName');
  const method = call.methodName;
  if (method === 'system.multicall')
    throw new RpcError('INCORRECT_PARAMETERS', 'Recursive system.multicall forbidden');
  const params = Object.hasOwn(call, 'params') ? call.params : [];
  if (typeof method !== 'string') throw new RpcError('UNKNOWN_METHOD');
  if (!Array.isArray(params)) throw new RpcError('INCORRECT_PARAMETERS');
  return { method, params };
}

function asStruct(error: unknown): XmlRpcValue {
  if (error instanceof RpcError) return { faultCode: error.faultCode, faultString: error.message };
  const failed = new RpcError('FAILED', reasonOf(error));
  return { faultCode: failed.faultCode, faultString: failed.message };
}

const systemHelp = {
  listMethods: ` Return an array listing the available method names

        @return array result  An array of method names available (strings).
        `,
  methodHelp: ` Return a string showing the method's documentation

        @param string name   The name of the method.
        @return string result The documentation for the method name.
        `,
  methodSignature: ` Return an array describing the method signature in the
        form [rtype, ptype, ptype...] where rtype is the return data type
        of the method, and ptypes are the parameter data types that the
        method accepts in method argument order.

        @param string name  The name of the method.
        @return array result  The result.
        `,
  multicall: `Process an array of calls, and return an array of
        results. Calls should be structs of the form {'methodName':
        string, 'params': array}. Each result will either be a
        single-item array containing the result value, or a struct of
        the form {'faultCode': int, 'faultString': string}. This is
        useful when you need to make lots of small calls without lots
        of round trips.

        @param array calls  An array of call requests
        @return array result  An array of results
        `,
} as const;
