// What a configuration may have to know of the machine.
import { hostname, tmpdir } from 'node:os';
import { signalNumbers } from './signals.js';

/** Its name, where temporary files go, and the numbers of its signals. */
export const hostFacts = () => ({
  nodeName: hostname(),
  tempDirectory: tmpdir(),
  signals: signalNumbers,
});
