// The help of supervise, in the shape that users of supervisord know.
import { type Command, commands } from './commands.js';

export function superviseHelp(calledAs: string): string {
  const { flags, summary }: Command = commands.find(({ name }) => name === 'supervise')!;
  const lines = flags.map(({ name, short, value, help }) => {
    const names = short === undefined ? name : `${short}/${name}`;
    return `${names}${value === undefined ? '' : ` ${value}`} -- ${help}`;
  });
  return [`${calledAs} -- ${summary}`, '', `Usage: ${calledAs} [options]`, '', 'Options:', ...lines, ''].join(
    '\n',
  );
}
