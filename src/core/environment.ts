// Environments as execve takes them: a list of NAME=value in which order, duplicates and odd names survive.

/** Later entries replace earlier ones of the same name, in the place of the first; new names go to the end. */
export function withVariables(environment: readonly string[], changes: readonly string[]): string[] {
  const result = [...environment];
  for (const change of changes) {
    const prefix = change.slice(0, change.indexOf('=') + 1);
    const place = result.findIndex((entry) => entry.startsWith(prefix));
    if (place === -1) result.push(change);
    else result[place] = change;
  }
  return result;
}

export function withoutVariables(environment: readonly string[], names: readonly string[]): string[] {
  return environment.filter((entry) => !names.some((name) => entry.startsWith(`${name}=`)));
}

export function variable(environment: readonly string[], name: string): string | null {
  const entry = environment.find((candidate) => candidate.startsWith(`${name}=`));
  return entry === undefined ? null : entry.slice(name.length + 1);
}
