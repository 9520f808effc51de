// Finds the native part of ffi-rs. Its own index.js asks process.report for the libc, which costs 5 ms at
// every start; opening the binary of this platform directly costs less than one.
import { join } from 'node:path';

/** What we use of the native module; the shape is that of ffi-rs 1.3. */
export interface FfiBinding {
  open(library: { library: string; path: string }): void;
  load(call: {
    library: string;
    funcName: string;
    retType: number;
    paramsType: readonly unknown[];
    paramsValue: readonly unknown[];
    errno: boolean;
    runInNewThread: boolean;
    freeResultMemory: boolean;
  }): unknown;
}

/** 64-bit alone, as our structure layouts are. npm installs only the packages that fit this machine, so trying them in turn also tells glibc from musl. */
const packagesByPlatform: Readonly<Record<string, readonly string[]>> = {
  'linux-x64': ['@yuuang/ffi-rs-linux-x64-gnu', '@yuuang/ffi-rs-linux-x64-musl'],
  'linux-arm64': ['@yuuang/ffi-rs-linux-arm64-gnu', '@yuuang/ffi-rs-linux-arm64-musl'],
  'darwin-x64': ['@yuuang/ffi-rs-darwin-x64'],
  'darwin-arm64': ['@yuuang/ffi-rs-darwin-arm64'],
};

/** The native half of ffi-rs is not installed, or does not load on this machine. */
export class BindingMissingError extends Error {
  override readonly name = 'BindingMissingError';
  readonly code = 'TSD_BINDING_MISSING';
  readonly packages: readonly string[];
  constructor(packages: readonly string[], cause: unknown) {
    const wanted = packages.join(' or ') || 'ffi-rs (no build for this platform)';
    super(`cannot load the native module ${wanted}: install without --omit=optional`, { cause });
    this.packages = packages;
  }
}

/**
 * Never unloaded: where only a worker thread has loaded it, its code would go with the thread while the library's own
 * thread-local destructors still wait to be run, and the process dies of SIGSEGV.
 */
function load(file: string): FfiBinding {
  const RTLD_LAZY = 1;
  const RTLD_NODELETE = process.platform === 'darwin' ? 0x80 : 0x1000;
  const loaded = { exports: {} as FfiBinding };
  process.dlopen(loaded, file, RTLD_LAZY | RTLD_NODELETE);
  return loaded.exports;
}

export function loadBinding(): FfiBinding {
  const candidates = packagesByPlatform[`${process.platform}-${process.arch}`] ?? [];
  let failure: unknown = new Error(`no build for ${process.platform} ${process.arch}`);
  for (const find of finders) {
    for (const candidate of candidates) {
      try {
        return load(find(candidate));
      } catch (error) {
        failure = error;
      }
    }
  }
  throw new BindingMissingError(candidates, failure);
}

/** As a module at `path` would find it. node:module costs 0.3 ms, so it is loaded where nothing else has helped. */
const resolveFrom = (path: string, wanted: string): string =>
  process.getBuiltinModule('node:module').createRequire(path).resolve(wanted);

/**
 * Where npm puts the binary, seen from dist/ of a clone and of an installed package: half a millisecond faster than
 * to ask. Then wherever Node finds it; pnpm does not hoist, there it is visible from ffi-rs alone.
 */
const finders: readonly ((candidate: string) => string)[] = [
  (candidate) => join(import.meta.dirname, '../node_modules', candidate, binaryName(candidate)),
  (candidate) => join(import.meta.dirname, '../..', candidate, binaryName(candidate)),
  (candidate) => resolveFrom(import.meta.url, candidate),
  (candidate) => resolveFrom(resolveFrom(import.meta.url, 'ffi-rs'), candidate),
];

/** @yuuang/ffi-rs-linux-x64-gnu holds ffi-rs.linux-x64-gnu.node. */
const binaryName = (candidate: string): string => `${candidate.replace('@yuuang/ffi-rs-', 'ffi-rs.')}.node`;
