import { createRequire } from 'node:module';

/** The path of a file that the build puts beside the running one. */
export function packageFile(name: string): string {
  return createRequire(import.meta.url).resolve(`./${name}`);
}
