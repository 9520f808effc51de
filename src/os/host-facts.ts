// What a configuration may have to know of the machine.
import { constants, hostname, tmpdir } from 'node:os';

/** Its name, where temporary files go, and the numbers of its signals. */
export const hostFacts = () => ({
  nodeName: hostname(),
  tempDirectory: tmpdir(),
  signals: constants.signals as Readonly<Record<string, number>>,
});
