// The options of supervisorctl, for those who call us by that name.
import { getopt } from '../formats/getopt.js';
import { repr } from '../spec/python-text.js';
import { write } from './output.js';
import type { LinkedCommand } from './parse-plain.js';

/** From the letter and the long name to the flag of `tsdaemon ctl`. */
const flags = {
  c: 'configuration',
  h: 'help',
  '?': null,
  i: 'interactive',
  s: 'serverurl',
  u: 'username',
  p: 'password',
  r: 'history_file',
} as const;
const switches: readonly string[] = ['h', '?', 'i', 'help', 'interactive', 'json'];

const takesValue = (name: string): [string, boolean] => [name, !switches.includes(name)];
const longNames = Object.values(flags).filter((name) => name !== null);
const table = {
  short: Object.fromEntries(Object.keys(flags).map(takesValue)),
  long: Object.fromEntries([...longNames, 'json'].map(takesValue)),
};

const usage = (
  calledAs: string,
): string => `supervisorctl -- control applications run by supervisord from the cmd line.

Usage: ${calledAs} [options] [action [arguments]]

Options:
-c/--configuration FILENAME -- configuration file path (searches if not given)
-h/--help -- print usage message and exit
-i/--interactive -- start an interactive shell after executing commands
-s/--serverurl URL -- URL on which supervisord server is listening
     (default "http://localhost:9001").
-u/--username USERNAME -- username to use for authentication with server
-p/--password PASSWORD -- password to use for authentication with server
-r/--history-file -- keep a readline history (if readline is available)

action [arguments] -- see below

Actions are commands like "tail" or "stop".  If -i is specified or no action is
specified on the command line, a "shell" interpreting actions typed
interactively is started.  Use the action "help" to find out about available
actions.

`;

export const parseSupervisorctl: LinkedCommand = ({ args, invokedAs: calledAs }) => {
  const refuse = (mistake: string): number => {
    write(2, `Error: ${mistake}\nFor help, use ${calledAs} -h\n`);
    return 2;
  };
  const taken = getopt(args, table);
  if (typeof taken === 'string') return refuse(taken);
  const given: Record<string, string | true> = {};
  for (const { name, value } of taken.options) {
    const key = name.startsWith('--')
      ? name.slice(2)
      : (flags[name.slice(1) as keyof typeof flags] ?? 'help');
    if (key === 'help') {
      write(1, usage(calledAs));
      return 0;
    }
    if (key === 'serverurl' && !isUrl(value))
      return refuse(`invalid value for ${name} ${repr(value)}: value ${repr(value)} is not a URL`);
    if (given[key] !== undefined) return refuse(`conflicting command line option ${repr(name)}`);
    given[key] = switches.includes(key) ? true : value;
  }
  return { command: 'ctl', flags: given, operands: taken.rest, calledAs };
};

/** A scheme, and something behind it. */
const isUrl = (text: string): boolean => /^[a-z][a-z0-9+.-]*:(?:\/\/[^?#]|(?!\/\/)[^?#])/i.test(text);
