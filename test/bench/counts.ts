// How much is measured: from a flag, else from the environment, else by default.
import { parseArgs } from 'node:util';

/** `--rounds 5` or TSDAEMON_BENCH_ROUNDS=5 for a `rounds`, and so on; `--json` besides. Ends the process on a mistake. */
export function readCounts<Name extends string>(
  defaults: Readonly<Record<Name, number>>,
): Readonly<Record<Name, number>> & { readonly json: boolean } {
  const names = Object.keys(defaults) as Name[];
  const flags = names.map((name) => [name, { type: 'string' }] as const);
  try {
    const { values } = parseArgs({ options: { ...Object.fromEntries(flags), json: { type: 'boolean' } } });
    const counts = names.map((name) => {
      const variable = `TSDAEMON_BENCH_${name.toUpperCase()}`;
      const given = (values as Record<string, unknown>)[name] ?? process.env[variable];
      const count = Number(given ?? defaults[name]);
      if (!(count > 0)) throw new Error(`cannot use --${name} ${given}: expected a number above 0`);
      return [name, count] as const;
    });
    const read = Object.fromEntries(counts) as Record<Name, number>;
    return { ...read, json: values.json === true };
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
}
