// The sources as a test looks at them: which file imports what, and what is code rather than words.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, sep } from 'node:path';
import { packageRoot } from '../support/package-root.js';

export interface SourceFile {
  /** From the package root, with slashes: src/core/judge.ts. */
  readonly path: string;
  readonly lines: number;
  /** Without comments, and without what strings and regular expressions say. */
  readonly code: string;
  /** What it imports, types and lazy imports included: a path from the package root, or a module's name. */
  readonly imports: readonly string[];
}

/** Every TypeScript file below these folders of the package. */
export function readSources(...folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .sort()
      .map((name) => readSource(`${folder}/${name.split(sep).join('/')}`)),
  );
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(packageRoot, path), 'utf8');
  const { code, withStrings } = splitWords(text);
  return { path, lines: text.trimEnd().split('\n').length, code, imports: importsOf(withStrings, path) };
}

/** All spellings that load or name another module: static, type, dynamic, re-export, require. */
const LOADERS = [
  /\bfrom/,
  /\bimport/,
  /\bimport\s*\(/,
  /\brequire\w*\s*\(/,
  /\bcreateRequire\s*\([^)]*\)\s*\(/,
  /\bgetBuiltinModule\s*\(/,
];
const SPECIFIER = new RegExp(`(?:${sourcesOf(LOADERS)})\\s*(['"\`])([^'"\`\\n]+)\\1`, 'g');

function sourcesOf(patterns: readonly RegExp[]): string {
  return patterns.map(({ source }) => source).join('|');
}

export function importsOf(withStrings: string, path: string): string[] {
  return [...withStrings.matchAll(SPECIFIER)].map(([, , specifier]) =>
    specifier!.startsWith('.') ? posix.join(dirname(path), specifier!).replace(/\.js$/, '.ts') : specifier!,
  );
}

const TOKENS = [
  /(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)/,
  /(?<string>'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*")/,
  // A slash begins a regular expression where no value stands before it; else it divides.
  /(?<regexp>(?<![\w$)\]}]\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*)/,
  /(?<other>[\s\S])/,
];
const TOKEN = new RegExp(sourcesOf(TOKENS), 'y');
const TEMPLATE_TEXT = /(?:\\[\s\S]|\$(?!\{)|[^\\`$])*/y;

/** Parts code from words. Templates are words too, but what stands in their `${}` is code. */
export function splitWords(text: string): { code: string; withStrings: string } {
  let code = '';
  let withStrings = '';
  /** For each template we are in, how many braces are open within its `${}`. */
  const templates: number[] = [];
  let index = 0;
  const take = (pattern: RegExp): RegExpExecArray => {
    pattern.lastIndex = index;
    const match = pattern.exec(text)!;
    index = pattern.lastIndex;
    return match;
  };
  const takeTemplateText = (): void => {
    withStrings += take(TEMPLATE_TEXT)[0];
    if (text[index] === '$') templates.push(0);
    code += text[index] === '$' ? ' ' : '``';
    withStrings += text[index] ?? '';
    index += text[index] === '$' ? 2 : 1;
  };
  while (index < text.length) {
    const { comment, string, regexp, other } = take(TOKEN).groups!;
    if (comment !== undefined) continue;
    if (string !== undefined || regexp !== undefined) {
      code += "''";
      withStrings += string ?? '';
      continue;
    }
    if (other === '}' && templates.at(-1) === 0) {
      templates.pop();
      code += ' ';
      takeTemplateText();
      continue;
    }
    if (templates.length > 0 && (other === '{' || other === '}')) {
      templates[templates.length - 1]! += other === '{' ? 1 : -1;
    }
    code += other === '`' ? '' : other!;
    withStrings += other!;
    if (other === '`') takeTemplateText();
  }
  return { code, withStrings };
}
