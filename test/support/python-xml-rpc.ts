// Python's xmlrpc.client as the oracle of our codec: one interpreter, asked in lines of JSON.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { XmlRpcDateTime, type XmlRpcValue } from '../../src/formats/xml-rpc.js';

/** Values with their types spelled out, since JSON has neither bytes nor 1.0. */
type Tagged =
  | ['none']
  | ['bool', boolean]
  | ['int' | 'float' | 'str' | 'bytes' | 'time', string]
  | ['list', Tagged[]]
  | ['dict', [string, Tagged][]];

const PROGRAM = `
import sys, json, base64
import xmlrpc.client as x
def tag(v):
    if v is None: return ['none']
    if isinstance(v, bool): return ['bool', v]
    if isinstance(v, int): return ['int', str(v)]
    if isinstance(v, float): return ['float', repr(v)]
    if isinstance(v, str): return ['str', v]
    if isinstance(v, x.Binary): return ['bytes', base64.b64encode(v.data).decode()]
    if isinstance(v, x.DateTime): return ['time', v.value]
    if isinstance(v, (list, tuple)): return ['list', [tag(i) for i in v]]
    if isinstance(v, dict): return ['dict', [[k, tag(i)] for k, i in v.items()]]
    raise TypeError(type(v))
def untag(t):
    k = t[0]
    if k == 'none': return None
    if k == 'int': return int(t[1])
    if k == 'float': return float(t[1])
    if k == 'bytes': return base64.b64decode(t[1])
    if k == 'time': return x.DateTime(t[1])
    if k == 'list': return [untag(i) for i in t[1]]
    if k == 'dict': return {n: untag(i) for n, i in t[1]}
    return t[1]
for line in sys.stdin:
    ask = json.loads(line)
    try:
        if ask['do'] == 'dump':
            values = tuple(untag(v) for v in ask['values'])
            text = x.dumps(values, methodname=ask['method'], methodresponse=ask['method'] is None, allow_none=True)
            answer = {'text': text}
        else:
            values, method = x.loads(base64.b64decode(ask['bytes']))
            answer = {'values': [tag(v) for v in values], 'method': method}
    except x.Fault as e:
        answer = {'fault': [e.faultCode, e.faultString]}
    except Exception as e:
        answer = {'error': repr(e)}
    print(json.dumps(answer), flush=True)
`;

export type Loaded =
  | { readonly values: readonly XmlRpcValue[]; readonly method: string | null }
  | { readonly fault: readonly [number, string] }
  | { readonly error: string };

export class PythonXmlRpc implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor() {
    this.#child = spawn('python3', ['-c', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** What xmlrpc.client.dumps makes of a call, or of a response where there is no method. */
  async dump(method: string | null, values: readonly XmlRpcValue[]): Promise<string> {
    const answer = (await this.#ask({ do: 'dump', method, values: values.map(tag) })) as { text: string };
    return answer.text;
  }

  /** What xmlrpc.client.loads makes of a document. */
  async load(document: string | Uint8Array): Promise<Loaded> {
    const answer = (await this.#ask({
      do: 'load',
      bytes: Buffer.from(document as string).toString('base64'),
    })) as { values: Tagged[]; method: string | null } | { error: string };
    return 'values' in answer ? { values: answer.values.map(untag), method: answer.method } : answer;
  }

  async #ask(question: object): Promise<unknown> {
    this.#child.stdin!.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('python3 ended');
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin!.end();
    await ended;
  }
}

function tag(value: XmlRpcValue): Tagged {
  if (value === null) return ['none'];
  if (typeof value === 'boolean') return ['bool', value];
  if (typeof value === 'string') return ['str', value];
  if (typeof value === 'number') return [Number.isSafeInteger(value) ? 'int' : 'float', String(value)];
  if (value instanceof Uint8Array) return ['bytes', Buffer.from(value).toString('base64')];
  if (value instanceof XmlRpcDateTime) return ['time', value.text];
  if (Array.isArray(value)) return ['list', value.map(tag)];
  return ['dict', Object.entries(value).map(([name, member]) => [name, tag(member as XmlRpcValue)])];
}

/** What we cannot hold comes back as NaN: a long integer, a struct with other names than text. */
function untag(tagged: Tagged): XmlRpcValue {
  switch (tagged[0]) {
    case 'none':
      return null;
    case 'int':
      return Number.isSafeInteger(Number(tagged[1])) ? Number(tagged[1]) : Number.NaN;
    case 'float':
      return Number(tagged[1].replace('inf', 'Infinity'));
    case 'bytes':
      return new Uint8Array(Buffer.from(tagged[1], 'base64'));
    case 'time':
      return new XmlRpcDateTime(tagged[1]);
    case 'list':
      return tagged[1].map(untag);
    case 'dict':
      if (tagged[1].some(([name]) => typeof name !== 'string')) return Number.NaN;
      return Object.fromEntries(tagged[1].map(([name, member]) => [name, untag(member)]));
    default:
      return tagged[1];
  }
}
