// The libc functions we call, as one table, and the one way to call them. No policy lives here.
//
// Nothing variadic where a fixed function exists: ffi-rs prepares every call as fixed-arity, which is wrong on
// Apple arm64. `syscall` is the one exception and is used on Linux only. `fork` and `vfork` must never be
// added: Node maps the V8 heap MADV_DONTFORK, so the child of an FFI fork dies of SIGSEGV at once.
import { errnoName, LibcError } from './errno.js';
import { type FfiBinding, loadBinding } from './load-binding.js';

/**
 * Parameter kinds. `bytes` shares the Buffer in place, so it serves strings (end them with NUL) and
 * out-parameters alike. `address` carries a pointer (0 is NULL). `target` is what kill(2) takes: ffi-rs would
 * turn 4294967295 into -1, which is every process, so 0, 1 and -1 are refused.
 */
type Parameter = 'i32' | 'u32' | 'i64' | 'address' | 'bytes' | 'target';

interface Signature {
  readonly takes: readonly Parameter[];
  readonly returns: 'i32' | 'i64';
  /** How failure shows: -1 and errno, the error number as the value, or not at all. */
  readonly fails: 'errno' | 'value' | 'never';
}

const errno = <const T extends readonly Parameter[]>(takes: T) =>
  ({ takes, returns: 'i32', fails: 'errno' }) as const;
const value = <const T extends readonly Parameter[]>(takes: T) =>
  ({ takes, returns: 'i32', fails: 'value' }) as const;

const functions = {
  setsid: errno([]),
  getsid: errno(['i32']),
  setpgid: errno(['i32', 'i32']),
  getpgid: errno(['i32']),
  signal: { takes: ['i32', 'address'], returns: 'i64', fails: 'errno' },
  sigprocmask: errno(['i32', 'bytes', 'address']),
  kill: errno(['target', 'i32']),
  malloc_trim: { takes: ['i64'], returns: 'i32', fails: 'never' },
  waitpid: errno(['i32', 'bytes', 'i32']),
  getrlimit: errno(['i32', 'bytes']),
  setrlimit: errno(['i32', 'bytes']),
  flock: errno(['i32', 'i32']),
  _exit: { takes: ['i32'], returns: 'i32', fails: 'never' },
  isatty: { takes: ['i32'], returns: 'i32', fails: 'never' },
  chdir: errno(['bytes']),
  close: errno(['i32']),
  dup2: errno(['i32', 'i32']),
  dup3: errno(['i32', 'i32', 'i32']),
  pipe: errno(['bytes']),
  poll: errno(['bytes', 'i64', 'i32']),
  memfd_create: errno(['bytes', 'u32']),
  mkfifo: errno(['bytes', 'u32']),
  fallocate: errno(['i32', 'i32', 'i64', 'i64']),
  fdatasync: errno(['i32']),
  lseek: { takes: ['i32', 'i64', 'i32'], returns: 'i64', fails: 'errno' },
  splice: { takes: ['i32', 'address', 'i32', 'bytes', 'i64', 'u32'], returns: 'i64', fails: 'errno' },
  tee: { takes: ['i32', 'i32', 'i64', 'u32'], returns: 'i64', fails: 'errno' },
  copy_file_range: {
    takes: ['i32', 'bytes', 'i32', 'bytes', 'i64', 'u32'],
    returns: 'i64',
    fails: 'errno',
  },
  inotify_init1: errno(['i32']),
  inotify_add_watch: errno(['i32', 'bytes', 'u32']),
  inotify_rm_watch: errno(['i32', 'i32']),
  fgetxattr: { takes: ['i32', 'bytes', 'bytes', 'i64'], returns: 'i64', fails: 'errno' },
  fsetxattr: errno(['i32', 'bytes', 'bytes', 'i64', 'i32']),
  lgetxattr: { takes: ['bytes', 'bytes', 'bytes', 'i64'], returns: 'i64', fails: 'errno' },
  socket: errno(['i32', 'i32', 'i32']),
  bind: errno(['i32', 'bytes', 'u32']),
  listen: errno(['i32', 'i32']),
  connect: errno(['i32', 'bytes', 'u32']),
  send: { takes: ['i32', 'bytes', 'i64', 'i32'], returns: 'i64', fails: 'errno' },
  setsockopt: errno(['i32', 'i32', 'i32', 'bytes', 'u32']),
  getsockopt: errno(['i32', 'i32', 'i32', 'bytes', 'bytes']),
  recvmsg: { takes: ['i32', 'bytes', 'i32'], returns: 'i64', fails: 'errno' },
  shutdown: errno(['i32', 'i32']),
  execve: errno(['bytes', 'address', 'address']),
  posix_spawn: value(['bytes', 'bytes', 'bytes', 'bytes', 'address', 'address']),
  posix_spawn_file_actions_init: value(['bytes']),
  posix_spawn_file_actions_adddup2: value(['bytes', 'i32', 'i32']),
  posix_spawn_file_actions_destroy: value(['bytes']),
  posix_spawnattr_init: value(['bytes']),
  posix_spawnattr_setflags: value(['bytes', 'i32']),
  posix_spawnattr_setsigdefault: value(['bytes', 'bytes']),
  posix_spawnattr_setsigmask: value(['bytes', 'bytes']),
  posix_spawnattr_destroy: value(['bytes']),
  getpwnam_r: value(['bytes', 'bytes', 'bytes', 'i64', 'bytes']),
  getpwuid_r: value(['u32', 'bytes', 'bytes', 'i64', 'bytes']),
  getgrnam_r: value(['bytes', 'bytes', 'bytes', 'i64', 'bytes']),
  getgrouplist: { takes: ['bytes', 'u32', 'bytes', 'bytes'], returns: 'i32', fails: 'never' },
  memcpy: { takes: ['bytes', 'address', 'i64'], returns: 'i64', fails: 'never' },
  strerror: { takes: ['i32'], returns: 'i64', fails: 'never' },
  strnlen: { takes: ['address', 'i64'], returns: 'i64', fails: 'never' },
  proc_pidinfo: { takes: ['i32', 'i32', 'i64', 'bytes', 'i32'], returns: 'i32', fails: 'errno' },
  sysctlbyname: errno(['bytes', 'bytes', 'bytes', 'address', 'i64']),
  syscall: {
    takes: ['i64', 'i64', 'i64', 'i64', 'i64', 'i64', 'i64'],
    returns: 'i64',
    fails: 'errno',
  },
} as const satisfies Readonly<Record<string, Signature>>;

export type LibcFunction = keyof typeof functions;

type Argument<P> = P extends 'bytes' ? Uint8Array : number;
type Arguments<T extends readonly Parameter[]> = { -readonly [I in keyof T]: Argument<T[I]> };
export type LibcArguments<F extends LibcFunction> = Arguments<(typeof functions)[F]['takes']>;

// Numbers of ffi-rs' DataType; its enum lives in index.js, which we do not load.
const I32 = 1;
const I64 = 8;
const U8_ARRAY = 10;
const U32 = 20;
const ARRAY_TAG = 997;

const ranges: Readonly<Record<Exclude<Parameter, 'bytes'>, readonly [min: number, max: number]>> = {
  i32: [-(2 ** 31), 2 ** 31 - 1],
  u32: [0, 2 ** 32 - 1],
  i64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  address: [-1, Number.MAX_SAFE_INTEGER],
  target: [-(2 ** 31), 2 ** 31 - 1],
};

let binding: FfiBinding | undefined;

/** Throws BindingMissingError where the native module is not installed. */
function library(): FfiBinding {
  if (binding === undefined) {
    const loaded = loadBinding();
    // The empty path is the running process itself, whose libc is linked already: no file names per platform.
    // Calling into a library key that was never opened aborts the process, so this is the only place that opens.
    loaded.open({ library: 'libc', path: '' });
    binding = loaded;
  }
  return binding;
}

/** Whether libc is in use already: then a call costs microseconds, not the load of the native module. */
export function isLibcLoaded(): boolean {
  return binding !== undefined;
}

/** Whether libc can be reached at all on this machine. */
export function isLibcAvailable(): boolean {
  try {
    library();
    return true;
  } catch {
    // Whoever needs a function gets the error itself from callLibc; here absence is the answer.
    return false;
  }
}

function nativeType(kind: Parameter, argument: number | Uint8Array): unknown {
  switch (kind) {
    case 'bytes':
      return { ffiTypeTag: ARRAY_TAG, type: U8_ARRAY, length: (argument as Uint8Array).length };
    case 'u32':
      return U32;
    case 'i64':
    case 'address':
      return I64;
    default:
      return I32;
  }
}

function checkArgument(name: string, kind: Parameter, argument: number | Uint8Array): void {
  if (kind === 'bytes') {
    if (!(argument instanceof Uint8Array))
      throw new TypeError(`${name}: expected bytes, got ${typeof argument}`);
    return;
  }
  const [min, max] = ranges[kind];
  if (!Number.isInteger(argument) || (argument as number) < min || (argument as number) > max)
    throw new RangeError(`${name}: ${String(argument)} is not in the range of ${kind}`);
  if (kind === 'target' && ((argument as number) === 0 || Math.abs(argument as number) === 1))
    throw new RangeError(`${name}: refusing the target ${String(argument)}`);
}

interface NativeResult {
  readonly value: number;
  readonly errnoCode: number;
}

function prepare(
  name: LibcFunction,
  args: readonly (number | Uint8Array)[],
  runInNewThread: boolean,
): unknown {
  const { takes, returns }: Signature = functions[name];
  takes.forEach((kind, index) => {
    checkArgument(name, kind, args[index]!);
  });
  return library().load({
    library: 'libc',
    funcName: name,
    retType: returns === 'i32' ? I32 : I64,
    paramsType: takes.map((kind, index) => nativeType(kind, args[index]!)),
    paramsValue: args,
    errno: true,
    runInNewThread,
    freeResultMemory: false,
  });
}

/** The error number; null: it did not fail. */
function failureOf(name: LibcFunction, { value, errnoCode }: NativeResult): number | null {
  const { fails }: Signature = functions[name];
  if (fails === 'errno' && value === -1) return errnoCode;
  return fails === 'value' && value !== 0 ? value : null;
}

function judge(name: LibcFunction, result: NativeResult): number {
  const failure = failureOf(name, result);
  if (failure !== null) throw new LibcError(name, failure);
  return result.value;
}

/** Calls libc on this thread; throws LibcError where the function reports failure. */
export function callLibc<F extends LibcFunction>(name: F, ...args: LibcArguments<F>): number {
  return judge(name, prepare(name, args, false) as NativeResult);
}

/**
 * The same where failure is an ordinary answer, and then the errno's name: an error that is thrown to be caught costs
 * more than the call.
 */
export function askLibc<F extends LibcFunction>(name: F, ...args: LibcArguments<F>): number | string {
  const result = prepare(name, args, false) as NativeResult;
  const failure = failureOf(name, result);
  return failure === null ? result.value : errnoName(failure);
}

/** The arguments of calls that are under way in the pool: it holds their addresses, which keeps no Buffer alive. */
const underWay = new Set<readonly unknown[]>();

/** The same on a thread of the libuv pool, for calls that block. The buffers stay in use until it settles. */
export async function callLibcInPool<F extends LibcFunction>(
  name: F,
  ...args: LibcArguments<F>
): Promise<number> {
  underWay.add(args);
  try {
    return judge(name, (await prepare(name, args, true)) as NativeResult);
  } finally {
    underWay.delete(args);
  }
}

/**
 * Where the bytes of a Buffer lie in memory. Its store is outside the V8 heap and never moves, but it goes with the
 * Buffer: optimised code may collect one whose last use is this call, so keep it with `whileReferenced`.
 */
export function addressOf(bytes: Uint8Array): number {
  return (
    library().load({
      library: 'libc',
      funcName: 'memcpy',
      retType: I64,
      paramsType: [nativeType('bytes', bytes), nativeType('bytes', bytes), I64],
      paramsValue: [bytes, bytes, 0],
      errno: true,
      runInNewThread: false,
      freeResultMemory: false,
    }) as NativeResult
  ).value;
}

let referenced: unknown = null;

/** Calls C while the objects, whose addresses it was given as numbers, cannot be collected. */
export function whileReferenced<T>(objects: readonly object[], call: () => T): T {
  const before = referenced;
  referenced = [objects, before];
  try {
    return call();
  } finally {
    referenced = before;
  }
}
