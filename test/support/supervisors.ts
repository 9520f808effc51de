// Ours and the real supervisord, run on the same configuration in folders of their own, and asked the same things.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { decodeResponse, encodeCall, XmlRpcFault, type XmlRpcValue } from '../../src/formats/xml-rpc.js';
import { command } from './package-root.js';
import { childrenOf, isAlive } from './proc.js';
import { needs, type Skip } from './tools.js';
import { until } from './until.js';
import type { StartOptions, World } from './world.js';

export const needsSupervisord: Skip = needs('supervisord');

export type Whose = 'ours' | 'theirs';

export type Struct = Readonly<Record<string, XmlRpcValue>>;

/** What every configuration of a test begins with. */
const HEAD = `
[unix_http_server]
file=%(here)s/sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisord]
logfile=%(here)s/main.log
pidfile=%(here)s/pid
childlogdir=%(here)s
`;

export interface SupervisorOptions extends StartOptions {
  readonly args?: readonly string[];
}

/** One supervisor in the foreground, that is: one whose process is the test's own child. */
export class TestSupervisor implements AsyncDisposable {
  readonly whose: Whose;
  readonly folder: string;
  readonly #world: World;
  #child: ChildProcess | null = null;
  output = '';

  constructor(world: World, whose: Whose, name: string = whose) {
    this.#world = world;
    this.whose = whose;
    this.folder = world.path(name);
    mkdirSync(this.folder, { recursive: true });
  }

  get child(): ChildProcess {
    return this.#child!;
  }

  get pid(): number {
    return Number(this.read('pid'));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  isLeft(name: string): boolean {
    return existsSync(this.path(name));
  }

  /** The configuration, to which the servers and paths of its own are added. */
  configure(config: string): void {
    writeFileSync(this.path('conf'), HEAD + config);
  }

  /** In the foreground. Resolves when it answers. */
  async start({ args = ['-n'], ...options }: SupervisorOptions = {}): Promise<this> {
    const words = this.whose === 'ours' ? [command, 'supervise'] : ['supervisord'];
    const argv = [...words, '-c', this.path('conf'), ...args];
    const child = this.#world.start(argv, {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (piece: Buffer) => {
        this.output += piece.toString();
      });
    await this.answers();
    return this;
  }

  /** Resolves when it serves; throws at once when it has failed to start. */
  async answers(): Promise<void> {
    let failure: Error | null = null;
    await until(
      async () => {
        const { exitCode } = this.child;
        if (exitCode !== null && exitCode !== 0)
          failure = new Error(`${this.whose} has exited with ${exitCode}: ${this.output}`);
        else await this.call('supervisor.getPID');
      },
      { withinMs: 15_000 },
    );
    if (failure !== null) throw failure;
  }

  /** Throws XmlRpcFault. */
  async call(method: string, ...params: readonly XmlRpcValue[]): Promise<XmlRpcValue> {
    return decodeResponse(await post(this.path('sock'), encodeCall(method, params)));
  }

  /** The answer as it may be compared: a fault is a value too. */
  async answer(method: string, ...params: readonly XmlRpcValue[]): Promise<XmlRpcValue> {
    try {
      return await this.call(`supervisor.${method}`, ...params);
    } catch (error) {
      if (error instanceof XmlRpcFault) return { fault: error.faultCode, text: error.faultString };
      if (error instanceof HttpFailure) return { http: error.status };
      throw error;
    }
  }

  async info(name: string): Promise<Struct> {
    return (await this.call('supervisor.getProcessInfo', name)) as Struct;
  }

  async all(): Promise<readonly Struct[]> {
    return (await this.call('supervisor.getAllProcessInfo')) as readonly Struct[];
  }

  async pidOf(name: string): Promise<number> {
    return (await this.info(name)).pid as number;
  }

  /** Resolves when the process is in the state. */
  async reaches(name: string, state: string, withinMs = 15_000): Promise<Struct> {
    return until(
      async () => {
        const info = await this.info(name);
        assert.equal(info.statename, state, `${this.whose} ${name}: ${JSON.stringify(info)}`);
        return info;
      },
      { withinMs },
    );
  }

  /** Resolves to its exit code once it has ended by itself. */
  async ends(withinMs = 20_000): Promise<number | null> {
    await until(() => assert.ok(this.child.exitCode !== null || this.child.signalCode !== null), {
      withinMs,
    });
    return this.child.exitCode;
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await this.ends();
  }

  /** The main log without its times, and without what is different by its nature. */
  logLines(): string[] {
    return this.comparable(this.read('main.log'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} /, ''));
  }

  /** Paths, pids and random names are nobody's promise. */
  comparable(text: string): string {
    return text
      .replaceAll(this.folder, 'HERE')
      .replace(/(---supervisor-)\w{8}(?=\.log)/g, '$1RANDOM')
      .replace(/\bpid:? ?(?!0\b)\d+/g, (word) => word.replace(/\d+/, 'PID'))
      .replace(/(killing '[^']*' )\(\d+\)/, '$1(PID)');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    // Ours has to end in good order whatever was done to it; the other one would take a second for every program.
    const programs = this.whose === 'theirs' ? childrenOf(child.pid!) : [];
    child.kill(this.whose === 'ours' ? 'SIGTERM' : 'SIGKILL');
    for (const pid of programs) killGroup(pid);
    await until(() => assert.ok(!isAlive(child.pid!)), { withinMs: 15_000 });
  }
}

export type Both = readonly [ours: TestSupervisor, theirs: TestSupervisor];

/** Ours and theirs with the same text, not started. */
export function makeBoth(world: World, config: string): Both {
  const both = [new TestSupervisor(world, 'ours'), new TestSupervisor(world, 'theirs')] as const;
  for (const each of both) each.configure(config);
  return both;
}

export async function startAll(supervisors: Both, options: SupervisorOptions = {}): Promise<void> {
  await Promise.all(supervisors.map((each) => each.start(options)));
}

class HttpFailure extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`HTTP ${status}`);
    this.status = status;
  }
}

/** supervisord makes each of its programs the leader of a process group. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // ESRCH: it ended by itself.
  }
}

function post(socketPath: string, body: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        socketPath,
        path: '/RPC2',
        method: 'POST',
        headers: {
          'content-type': 'text/xml',
          'content-length': Buffer.byteLength(body),
          connection: 'close',
        },
        agent: false,
      },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () =>
          response.statusCode === 200
            ? resolve(Buffer.concat(pieces))
            : reject(new HttpFailure(response.statusCode ?? 0)),
        );
        response.on('error', reject);
      },
    );
    asked.on('error', reject).end(body);
  });
}
