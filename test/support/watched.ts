// Programs under a watchdog, started by the real command, and what is left of them when a test ends.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { DaemonStatus } from '../../src/runtime/status.js';
import { argvOf, describe, isAlive, processesMentioning } from './proc.js';
import { until } from './until.js';
import { type Outcome, type RunOptions, World } from './world.js';

export type WatchedStatus = DaemonStatus & { readonly watchdog: NonNullable<DaemonStatus['watchdog']> };

/** A world in which watchdogs and what they hold may live when the test ends; who must not is for the test to say. */
export class WatchedWorld extends World {
  /** `run --name web --restart always FLAGS -- ARGV`, where flags may say it otherwise. */
  runWatched(flags: readonly string[], argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const policy = flags.includes('--restart') ? [] : ['--restart', 'always'];
    const name = flags.includes('--name') ? [] : ['--name', 'web'];
    return this.tsdaemon(['run', ...name, ...policy, ...flags, '--', ...argv], options);
  }

  /** The same, which must succeed; returns the program's pid. */
  async watched(
    flags: readonly string[],
    argv: readonly string[],
    options: RunOptions = {},
  ): Promise<number> {
    const { code, stdout, stderr } = await this.runWatched(flags, argv, options);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^\d+\n$/);
    return Number(stdout);
  }

  async status(name = 'web'): Promise<WatchedStatus> {
    const { stdout, stderr } = await this.tsdaemon(['status', name, '--json']);
    assert.equal(stderr, '');
    return JSON.parse(stdout) as WatchedStatus;
  }

  /** Resolves with the status when it is this state. */
  whenState(state: DaemonStatus['state'], name = 'web'): Promise<WatchedStatus> {
    return until(
      async () => {
        const status = await this.status(name);
        assert.equal(status.state, state, JSON.stringify(status));
        return status;
      },
      { withinMs: 15_000 },
    );
  }

  async watchdogPid(name = 'web'): Promise<number> {
    const { watchdog } = await this.status(name);
    assert.notEqual(watchdog.pid, null);
    return watchdog.pid!;
  }

  pidIn(pidfile: string): number {
    return Number(readFileSync(this.path(pidfile), 'utf8'));
  }

  /** Kills the watchdog as nothing else can, and resolves when it has ended. */
  async killWatchdog(name = 'web'): Promise<number> {
    const pid = await this.watchdogPid(name);
    process.kill(pid, 'SIGKILL');
    await ended(pid);
    return pid;
  }

  /** Every watchdog that runs in this world, by whatever name. */
  watchdogs(): number[] {
    return processesMentioning(this.folder).filter(isWatchdog);
  }

  /** Every other process of this world. */
  programs(): number[] {
    return processesMentioning(this.folder).filter((pid) => !isWatchdog(pid));
  }

  assertNothingRuns(): void {
    const left = processesMentioning(this.folder).map((pid) => `${pid} (${describe(pid)})`);
    assert.deepEqual(left, []);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    // Watchdogs first, else they would bring back what is killed.
    for (const pid of this.watchdogs()) {
      process.kill(pid, 'SIGKILL');
      await ended(pid);
    }
    for (const pid of processesMentioning(this.folder)) this.expectSurvivor(pid);
    await super[Symbol.asyncDispose]();
  }
}

export async function makeWatchedWorld(): Promise<WatchedWorld> {
  return new WatchedWorld();
}

function isWatchdog(pid: number): boolean {
  try {
    return argvOf(pid).some((word) => word.toString().endsWith('/dist/watchdog.cjs'));
  } catch {
    // ENOENT, ESRCH: it has just ended.
    return false;
  }
}

/** Resolves when the process has ended, reaped or not. */
export function ended(pid: number): Promise<void> {
  return until(() => assert.equal(isAlive(pid), false, `${pid} (${describe(pid)}) lives`), {
    withinMs: 15_000,
  });
}

/** Milliseconds on the monotonic clock that something took, and what came of it. */
export async function timed<T>(work: Promise<T>): Promise<{ readonly ms: number; readonly outcome: T }> {
  const began = performance.now();
  const outcome = await work;
  return { ms: performance.now() - began, outcome };
}
