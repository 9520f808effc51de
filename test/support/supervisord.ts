// The real supervisord and supervisorctl, as the oracle of ours.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './package-root.js';
import { until } from './until.js';
import type { Outcome, RunOptions, World } from './world.js';

/** Not from the PATH: there may be a link of ours with that name. */
export const realSupervisorctl = '/usr/bin/supervisorctl';

/** Of a folder; every path in it is made of %(here)s, so that folders differ in nothing else. */
export const serverSections = `
[supervisord]
nodaemon=true
logfile=%(here)s/main.log
pidfile=%(here)s/supervisord.pid
childlogdir=%(here)s
[unix_http_server]
file=%(here)s/s.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%(here)s/s.sock
`;

/** A folder with a configuration, and a real supervisord that serves it. */
export class RealSupervisor {
  readonly folder: string;
  readonly #world: World;
  #process: ChildProcess | null = null;

  constructor(world: World, name: string) {
    this.#world = world;
    this.folder = join(world.cwd, name);
    mkdirSync(this.folder);
  }

  get url(): string {
    return `unix://${this.folder}/s.sock`;
  }

  /** `sections` may replace those of the server. client.conf stays usable whatever the programs are. */
  configure(programs: string, sections: string = serverSections): void {
    writeFileSync(join(this.folder, 'client.conf'), sections);
    writeFileSync(join(this.folder, 'supervisord.conf'), sections + programs);
  }

  /** Resolves when it answers and none of its programs is starting. */
  async start(): Promise<void> {
    const argv = ['/usr/bin/supervisord', '-c', 'supervisord.conf'];
    this.#process = this.#world.start(argv, { cwd: this.folder, stdio: 'ignore' });
    await until(
      async () => {
        const { code, stdout } = await this.ask(realSupervisorctl, ['status']);
        if (code === 4 || stdout.includes('STARTING')) throw new Error(`not up: ${stdout}`);
      },
      { withinMs: 20_000 },
    );
  }

  ask(program: string, words: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return this.#world.run([program, ...words], { input: '', ...options, cwd: this.folder });
  }

  /** Resolves when it has stopped its programs and is gone. */
  async shutDown(...options: readonly string[]): Promise<void> {
    await this.ask(realSupervisorctl, [...options, 'shutdown']);
    if (this.#process?.exitCode === null) await once(this.#process, 'exit');
  }
}

/** Ours, under the name by which it is supervisorctl. */
export function linkSupervisorctl(world: World): string {
  const link = join(world.folder, 'supervisorctl');
  symlinkSync(command, link);
  return link;
}
