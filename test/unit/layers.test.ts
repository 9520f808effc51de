// The layers of the house: who may import whom, types included, and which folders are pure.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../support/package-root.js';
import { importsOf, readSources, type SourceFile, splitWords } from './source-files.js';

const skip =
  !existsSync(join(packageRoot, 'src/errors.ts')) && 'needs the sources, which an installed package has not';
const sources = skip ? [] : readSources('src', 'native-bindings');
const textOf = (path: string): string => readFileSync(join(packageRoot, path), 'utf8');

interface Row {
  /** The layers it may import, beside its own. */
  readonly layers: readonly string[];
  /** The packages and modules of Node it may import. */
  readonly modules: readonly string[];
}

const everyBuiltin = builtinModules
  .map((name) => `node:${name}`)
  .filter((name) => name !== 'node:child_process');

const table: Readonly<Record<string, Row>> = {
  errors: { layers: [], modules: [] },
  spec: { layers: ['errors'], modules: [] },
  formats: { layers: ['spec', 'errors'], modules: [] },
  core: { layers: ['spec', 'errors'], modules: [] },
  'native-bindings': { layers: [], modules: ['ffi-rs', 'node:module', 'node:os', 'node:path'] },
  // core: the os performs what core decided, so it knows the values in which core speaks.
  os: {
    layers: ['native-bindings', 'core', 'spec', 'errors'],
    modules: [...everyBuiltin, 'proper-lockfile'],
  },
  // node:path only computes.
  runtime: { layers: ['os', 'core', 'formats', 'spec', 'errors'], modules: ['node:path'] },
  // os: the sockets. A server of our own instead of node:http, which costs the supervisor two megabytes.
  control: {
    layers: ['runtime', 'os', 'core', 'formats', 'spec', 'errors'],
    modules: ['node:net'],
  },
  cli: { layers: ['runtime', 'control', 'os', 'core', 'formats', 'spec', 'errors'], modules: ['commander'] },
  index: { layers: ['cli', 'runtime', 'control', 'os', 'core', 'formats', 'spec', 'errors'], modules: [] },
};

/**
 * The table makes os the only door to the system. These go through a window: what they take from Node beside
 * the table. Add to the list only after asking whether it could live in os.
 */
const windows: Readonly<Record<string, readonly string[]>> = {
  'src/cli/boot.ts': ['node:fs', 'node:path', 'node:vm'],
  'src/cli/ctl-shell.ts': ['node:fs'],
  'src/cli/nohup.ts': ['node:fs'],
  'src/cli/output.ts': ['node:fs'],
  'src/cli/version.ts': ['node:module'],
  'src/runtime/cron-fault.ts': ['croner', 'node:module'],
  'src/runtime/ctl-settings.ts': ['node:fs', 'node:os'],
  'src/runtime/daemon-handle.ts': ['node:fs'],
  'src/runtime/daemonize.ts': [
    'node:fs',
    'node:module',
    'node:worker_threads',
    'node:cluster',
    'node:inspector',
  ],
  'src/runtime/nohup.ts': ['node:fs'],
  'src/runtime/read-logs.ts': ['node:fs'],
  'src/runtime/run-options.ts': ['node:fs'],
  'src/runtime/stage-main.ts': ['node:fs'],
  'src/runtime/spawn-program.ts': ['node:fs'],
  'src/runtime/start-watched.ts': ['node:fs'],
  'src/runtime/triggers.ts': ['croner'],
  'src/runtime/status.ts': ['node:fs'],
  'src/runtime/watchdog-main.ts': ['node:fs'],
  'src/runtime/watchdog.ts': ['node:fs'],
};

const isPath = (imported: string): boolean => /^(src|native-bindings)\/.*\.ts$/.test(imported);
/** package.json is data, which whoever knows the version reads. */
const isModule = (imported: string): boolean => !isPath(imported) && !imported.endsWith('package.json');

/** src/core/judge.ts is of `core`, src/errors.ts of `errors`, native-bindings/libc.ts of its folder. */
function layerOf(path: string): string {
  const [top, second] = path.split('/') as [string, string];
  return top === 'src' ? second.replace(/\.ts$/, '') : top;
}

/** The arrows of a file that the table does not have. */
function wrongArrows({ path, imports }: Pick<SourceFile, 'path' | 'imports'>): string[] {
  const layer = layerOf(path);
  const row = table[layer];
  if (row === undefined) return [`${path} is in no layer`];
  return imports
    .filter((imported) => {
      if (isPath(imported)) return layerOf(imported) !== layer && !row.layers.includes(layerOf(imported));
      return isModule(imported) && !row.modules.includes(imported);
    })
    .map((imported) => `${path} -> ${imported}`);
}

const throughWindow = (path: string): string[] => (windows[path] ?? []).map((name) => `${path} -> ${name}`);

test('every import follows an arrow of the layer table', { skip }, () => {
  const wrong = sources.flatMap((file) =>
    wrongArrows(file).filter((arrow) => !throughWindow(file.path).includes(arrow)),
  );
  assert.deepEqual(wrong, []);
});

test('every window past os is still in use', { skip }, () => {
  const used = sources.flatMap(wrongArrows);
  const closed = Object.keys(windows)
    .flatMap(throughWindow)
    .filter((arrow) => !used.includes(arrow));
  assert.deepEqual(closed, [], 'take these from the list');
});

test('every relative import names a file that is there', { skip }, () => {
  const paths = new Set(sources.map(({ path }) => path));
  const lost = sources.flatMap(({ path, imports }) =>
    imports
      .filter((imported) => isPath(imported) && !paths.has(imported))
      .map((imported) => `${path} -> ${imported}`),
  );
  assert.deepEqual(lost, []);
});

/** Circles of imports, each told once, as the walk came upon it. */
function findCycles(files: readonly Pick<SourceFile, 'path' | 'imports'>[]): string[] {
  const imports = new Map(files.map((file) => [file.path, file.imports.filter(isPath)]));
  const cycles: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
    if (trail.includes(path) || done.has(path)) return;
    for (const imported of imports.get(path) ?? []) walk(imported, [...trail, path]);
    done.add(path);
  };
  for (const path of imports.keys()) walk(path, []);
  return cycles;
}

test('no file imports itself by a detour, not even for a type', { skip }, () => {
  assert.deepEqual(findCycles(sources), []);
});

test('node:child_process is used nowhere: its bookkeeping would take the exits that we wait for', {
  skip,
}, () => {
  const files = [...sources.map(({ path }) => path), 'bin/tsdaemon.js'];
  assert.deepEqual(
    files.filter((path) => textOf(path).includes('child_process')),
    [],
  );
});

test('fork is not to be had: its child dies at once, the V8 heap being left behind', { skip }, () => {
  for (const { path, code } of sources)
    assert.doesNotMatch(code, /\b(v?fork|forkpty|daemon)\s*:\s*(errno|value|\{)/, path);
});

const PURE = ['spec', 'formats', 'core'];

/** What a pure file does not touch: the process, the clock, chance, timers, and whatever comes later. */
const impurities: readonly RegExp[] = [
  /(?<![.\w$])(?:process|performance|console|globalThis|crypto)\s*(?:\?\.|[.[;,)])/,
  /(?<![.\w$])Date\b(?!\s*\??:)/,
  /\bMath\s*\.\s*random\b/,
  /(?<![.\w$])(?:setTimeout|setInterval|setImmediate|queueMicrotask|fetch|require)\b(?!\s*\??:)/,
  /(?<![.\w$])(?:async|await|Promise)\b(?!\s*\??:)/,
];

const impuritiesOf = (code: string): string[] =>
  impurities.flatMap((pattern) => pattern.exec(code)?.[0] ?? []);

test('pure folders touch no process, clock, chance, timer, and do not wait', { skip }, () => {
  const pure = sources.filter(({ path }) => PURE.includes(layerOf(path)));
  assert.ok(pure.length >= PURE.length);
  assert.deepEqual(
    pure.flatMap(({ path, code }) => impuritiesOf(code).map((found) => `${path}: ${found}`)),
    [],
  );
});

test('Buffer, which belongs to Node, is used by the pure files that handle bytes', { skip }, () => {
  const users = sources.filter(({ path, code }) => PURE.includes(layerOf(path)) && /\bBuffer\b/.test(code));
  assert.deepEqual(
    users.map(({ path }) => path),
    ['src/core/log-lines.ts', 'src/spec/byte-text.ts'],
  );
});

/** Long because they are tables. */
const longTables: readonly string[] = [];
const MOST_LINES = 400;

test('no file is long, but a table', { skip }, () => {
  const long = sources.filter(({ path, lines }) => lines > MOST_LINES && !longTables.includes(path));
  assert.deepEqual(
    long.map(({ path, lines }) => `${path}: ${lines}`),
    [],
  );
});

test('the rules above see what they are to see: arrows', () => {
  const from = (path: string, line: string): string[] =>
    wrongArrows({ path, imports: importsOf(splitWords(line).withStrings, path) });
  for (const [path, line] of [
    ['src/core/a.ts', "import { a } from '../os/b.js';"],
    ['src/core/a.ts', "import type { A } from '../formats/b.js';"],
    ['src/core/a.ts', "import { readFileSync } from 'node:fs';"],
    ['src/core/a.ts', "let b: import('../runtime/b.js').B;"],
    ['src/spec/a.ts', "export { a } from '../core/b.js';"],
    ['src/spec/a.ts', "export * from '../os/b.js';"],
    ['src/os/a.ts', "import {\n  type A,\n  b,\n} from '../runtime/b.js';"],
    ['src/os/a.ts', "import 'node:child_process';"],
    ['src/cli/a.ts', "const { a } = await import('../../native-bindings/libc.js');"],
    ['src/runtime/a.ts', "const a = createRequire(import.meta.url)('node:net');"],
    ['src/runtime/a.ts', 'import { a } from "../cli/b.js";'],
    ['src/index.ts', "import { a } from '../native-bindings/libc.js';"],
    ['native-bindings/a.ts', "import { a } from '../src/errors.js';"],
    ['native-bindings/a.ts', "const a = requireOurs('proper-lockfile');"],
    ['src/other/a.ts', ''],
  ] as const)
    assert.equal(from(path, line).length, 1, line);
  for (const [path, line] of [
    ['src/core/a.ts', "import { a } from './b.js';"],
    ['src/core/a.ts', "// import { a } from '../os/b.js';"],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a template in the code that is looked at
    ['src/core/a.ts', "const text = `it comes ${'from'} os`; /* from 'node:fs' */"],
    ['src/os/a.ts', "import { openSync } from 'node:fs';"],
    ['src/cli/a.ts', "import { a } from '../os/b.js';"],
  ] as const)
    assert.deepEqual(from(path, line), [], line);
});

test('the rules above see what they are to see: circles', () => {
  const file = (name: string, ...names: readonly string[]) => ({
    path: `src/core/${name}.ts`,
    imports: names.map((imported) => `src/core/${imported}.ts`),
  });
  assert.equal(findCycles([file('a', 'b'), file('b', 'a')]).length, 1);
  assert.equal(findCycles([file('a', 'b', 'd'), file('b', 'c'), file('c', 'b'), file('d', 'c')]).length, 1);
  assert.equal(findCycles([file('a', 'a')]).length, 1);
  assert.deepEqual(findCycles([file('a', 'b', 'c'), file('b', 'd'), file('c', 'd'), file('d')]), []);
});

test('the rules above see what they are to see: impurities', () => {
  for (const line of [
    'const a = process.pid;',
    'const { pid } = process;',
    'use(process);',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a template in the code that is looked at
    'const a = `${process.pid}`;',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a template in the code that is looked at
    'const a = `x ${b ? `${Date.now()}` : {}} y`;',
    'const a = new Date();',
    'const a = Math.random();',
    'setTimeout(a, 1);',
    'export async function a() {}',
    'const a: Promise<void> = b;',
    "const a = '//'; process.exit();",
    "const a = /'/; process.exit();",
    'const a = b / c; process.exit(); const d = e / f;',
    'performance.now();',
    'globalThis.x = 1;',
  ])
    assert.notDeepEqual(impuritiesOf(splitWords(line).code), [], line);
  for (const line of [
    '// process.exit() of Date',
    '/* await */ const a = 1;',
    "const a = 'process.pid';",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is a template in the code that is looked at
    'const a = `process.pid ${b} Date`;',
    "type A = { readonly kind: 'process'; readonly process: B | null };",
    'const a = record.process.pid;',
    'const a = /process.pid/;',
  ])
    assert.deepEqual(impuritiesOf(splitWords(line).code), [], line);
});
