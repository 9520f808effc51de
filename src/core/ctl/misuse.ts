// Actions that were given the wrong words.
import { exits } from './faults.js';
import { helpTexts } from './help.js';
import { type Script, say } from './script.js';

/** Says what is wrong, and how the action is used where `topic` names its help. */
export function* misuse(
  text: string,
  topic: string | null,
  exitCode: number = exits.generic,
): Script<number> {
  yield* say(text, { error: { code: 'USAGE', text: text.replace(/^error: /i, '') } });
  if (topic !== null) yield* say(helpTexts[topic]!);
  return exitCode;
}

export const refuseArguments = (action: string): Script<number> =>
  misuse(`Error: ${action} accepts no arguments`, action);
