// Loaded by --import into a `tsdaemon run`: times the calls that go to libc. posix_spawn is the end of the clock, for
// it returns when the program has been exec'ed. A tracer would stop the process at what it is to time.
import { writeFileSync } from 'node:fs';
import type { FfiBinding } from '../../native-bindings/load-binding.js';

const calls: [name: string, began: number, ended: number][] = [];
const { dlopen } = process;

process.dlopen = (module: object, file: string, flags?: number): void => {
  // A third argument that is undefined is taken for flags that are wrong.
  if (flags === undefined) dlopen.call(process, module, file);
  else dlopen.call(process, module, file, flags);
  const opened = module as { exports: Partial<FfiBinding> };
  const { load } = opened.exports;
  if (load !== undefined) opened.exports = { ...opened.exports, load: timed(load) };
};

function timed(load: FfiBinding['load']): FfiBinding['load'] {
  return (call) => {
    // The launcher ends by this one, without any exit event.
    if (call.funcName === '_exit') writeFileSync(process.env.BENCH_CALLS!, JSON.stringify(calls));
    const began = performance.now();
    const result = load(call);
    calls.push([call.funcName, began, performance.now()]);
    return result;
  };
}
