// tsdaemon check: one line for every mistake.
import type { Diagnostic } from '../errors.js';
import { checkSupervisordConfig } from '../formats/supervisord/check.js';
import { configSource } from '../runtime/load-supervisord-config.js';
import { configFile } from './config-file.js';
import type { Handler } from './context.js';
import { oneLine, print, printJson } from './output.js';

/** Exits 2 where supervise would refuse the file; what is only odd is told, and does no harm. */
export const checkCommand: Handler = (parsed, { cwd, environment }) => {
  const file = configFile(parsed);
  const diagnostics = checkSupervisordConfig(configSource({ file, cwd: cwd ?? '/', environment }));
  const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
  if (parsed.flags.json === true)
    printJson({ file, errors, warnings: diagnostics.length - errors, diagnostics });
  else for (const diagnostic of diagnostics) print(line(diagnostic));
  return errors === 0 ? 0 : 2;
};

function line({ file, line: at, severity, message, suggestion }: Diagnostic): string {
  const hint = suggestion === undefined ? '' : ` (did you mean ${suggestion}?)`;
  return oneLine(`${file}:${at}: ${severity}: ${message}${hint}`);
}
