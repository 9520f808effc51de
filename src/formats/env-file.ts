// Files of NAME=value lines, as docker --env-file, systemd EnvironmentFile= and shells' `set -a; . file` share them.
import type { Diagnostic } from '../errors.js';

export interface EnvFile {
  /** `NAME=value` in the order of the file. */
  readonly variables: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

const ASSIGNMENT = /^(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=[ \t]*(.*)$/;

/**
 * Blank lines and lines that begin with # or ; are skipped, as is a leading `export`. A value in single quotes is
 * literal; in double quotes \n, \t, \", \\ and \$ are unescaped; outside of quotes it is taken to the end of the
 * line, blanks trimmed. Nothing is expanded and nothing is run.
 */
export function readEnvFile(text: string, file: string): EnvFile {
  const variables: string[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(index === 0 ? /^\ufeff/ : '', '').replace(/^[ \t\r]+|[ \t\r]+$/g, '');
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const assignment = readAssignment(line);
    if ('variable' in assignment) variables.push(assignment.variable);
    else diagnostics.push({ severity: 'error', file, line: index + 1, message: assignment.fault });
  }
  return { variables, diagnostics };
}

function readAssignment(line: string): { variable: string } | { fault: string } {
  const match = ASSIGNMENT.exec(line);
  if (match === null) return { fault: `expected NAME=value, got '${line}'` };
  const [, name, written] = match as unknown as [string, string, string];
  const value = unquote(written);
  if (value === null) return { fault: `the quote of ${name} is not closed on its line` };
  if (value.includes('\0')) return { fault: `the value of ${name} holds a NUL byte` };
  return { variable: `${name}=${value}` };
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', '"': '"', '\\': '\\', $: '$' };

function unquote(written: string): string | null {
  const quote = written[0];
  if (quote !== '"' && quote !== "'") return written;
  const closed = quote === "'" ? /^'([^']*)'$/ : /^"((?:\\.|[^"\\])*)"$/s;
  const inner = closed.exec(written)?.[1];
  if (inner === undefined) return null;
  return quote === "'"
    ? inner
    : inner.replace(/\\([nt"\\$])/g, (_, character: string) => escapes[character]!);
}
