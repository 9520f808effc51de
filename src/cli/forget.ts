import { UsageError } from '../errors.js';
import { forgetDaemon } from '../runtime/forget-daemon.js';
import { checkName } from '../runtime/run-options.js';
import { type Handler, userState } from './context.js';
import { printJson } from './output.js';

export const forgetCommand: Handler = ({ operands, flags }) => {
  if (operands.length === 0) throw new UsageError('cannot forget: give a NAME');
  for (const name of operands) {
    checkName(name);
    forgetDaemon(name, userState());
  }
  if (flags.json === true) printJson({ forgotten: operands });
  return 0;
};
