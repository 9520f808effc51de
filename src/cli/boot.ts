// Starts the command through V8's code cache: compiling what a `run` needs costs 5 ms, a quarter of Node's own start.
// Node's module.enableCompileCache() comes only with 22.1 and writes at a regular exit, which our short commands do
// not take; so one small mechanism serves every version. A cache that does not fit is ignored and written anew.
import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Script } from 'node:vm';
import { makeFolders } from '../os/folders.js';

interface CommandModule {
  readonly main: () => Promise<number>;
  readonly exitNow: (code: number) => never;
}

/** That of boot.cjs, which lies beside what it loads; node:module, to make another, costs 0.3 ms. */
declare const require: NodeJS.Require;

const verb = verbOf(process.argv);
const isCtl = verb === 'ctl' || verb === 'supervisorctl';
const file = join(import.meta.dirname, isCtl ? 'ctl.cjs' : 'cli.cjs');
const cacheFile = cachePath();
const cachedData = cacheFile === null ? null : readCache(cacheFile);
const wrapped = [
  Buffer.from('(function (exports, require, module, __filename, __dirname) {'),
  readFileSync(file),
  Buffer.from('\n})'),
];
// The bundler escapes everything beyond ASCII, and latin1 is the encoding that costs nothing to decode.
const script = new Script(Buffer.concat(wrapped).toString('latin1'), {
  filename: file,
  ...(cachedData === null ? {} : { cachedData }),
});

const commandModule = { exports: {} as CommandModule };
script.runInThisContext()(commandModule.exports, require, commandModule, file, dirname(file));
const { main, exitNow } = commandModule.exports;
void main().then((exitCode) => {
  const isFresh = cachedData !== null && script.cachedDataRejected !== true;
  if (cacheFile !== null && !isFresh && exitCode === 0) writeCache(cacheFile);
  exitNow(exitCode);
});

/** One file per verb, since each compiles other functions, per Node and per build of ours. null: no place, or not wanted. */
function cachePath(): string | null {
  const { env, argv, version, arch } = process;
  const isWanted = env.NODE_DISABLE_COMPILE_CACHE === undefined && !argv.includes('--dry-run');
  if (!isWanted || verb === undefined || !/^[a-z]+$/.test(verb)) return null;
  const home =
    env.TSDAEMON_HOME ??
    env.XDG_CACHE_HOME ??
    (env.HOME === undefined ? undefined : join(env.HOME, '.cache'));
  // A name that is not UTF-8 has been replaced by another one on its way to us.
  if (home === undefined || !home.startsWith('/') || home.includes('\ufffd')) return null;
  const { mtimeMs, size } = statSync(file);
  const key = `${verb}-${version}-${arch}-${size.toString(36)}-${Math.floor(mtimeMs).toString(36)}`;
  return join(home, env.TSDAEMON_HOME === undefined ? 'tsdaemon' : 'code-cache', key);
}

/** Called by the name of a link, we are what that names, and the next word is an action of its own. */
function verbOf([, script = '', word]: readonly string[]): string | undefined {
  const name = basename(script);
  return name.startsWith('supervisor') ? name : word;
}

/** Code that we are going to run: only from a file that nobody else can have written. */
function readCache(path: string): Buffer | null {
  try {
    const descriptor = openSync(path, 'r');
    const { uid, mode } = fstatSync(descriptor);
    const bytes = uid === process.geteuid?.() && (mode & 0o022) === 0 ? readFileSync(descriptor) : null;
    closeSync(descriptor);
    return bytes;
  } catch {
    // ENOENT the first time; whatever else is wrong, there is a way without it.
    return null;
  }
}

function writeCache(path: string): void {
  try {
    makeFolders(dirname(path));
    const temporary = `${path}.${process.pid}`;
    // Removed with the other outdated ones at the next chance, should the disk be full.
    writeFileSync(temporary, script.createCachedData(), { mode: 0o600, flag: 'wx' });
    renameSync(temporary, path);
    removeOutdated(path);
  } catch {
    // A full disk, a read-only home: the next start is 5 ms slower, and that is all.
  }
}

/** Caches of the same verb for another Node or another build of ours. */
function removeOutdated(path: string): void {
  for (const name of readdirSync(dirname(path)))
    if (name.startsWith(`${verb}-`) && name !== basename(path)) unlinkSync(join(dirname(path), name));
}
