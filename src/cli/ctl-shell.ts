// The shell of ctl: a prompt, lines with history and completion, until the user leaves.
import { readFileSync, writeFileSync } from 'node:fs';
import type { RpcClient } from '../control/rpc-client.js';
import { structsOf } from '../core/ctl/answers.js';
import { completions, findCompletion } from '../core/ctl/completion.js';
import { runLine } from '../core/ctl/run-line.js';
import type { Session } from '../core/ctl/script.js';
import type { SupervisorctlSection } from '../formats/supervisord/config.js';
import { InterruptedError, LineInput } from '../os/line-input.js';
import { perform } from './ctl-perform.js';
import { print } from './output.js';

type Connect = (session: Session) => RpcClient;

/** As supervisorctl's, it always ends well. */
export async function runShell(
  session: Session,
  { prompt, history_file: historyFile }: SupervisorctlSection,
  connect: Connect,
): Promise<number> {
  const lines = new LineInput({
    history: historyFile === null ? [] : readHistory(historyFile),
    complete: (line) => complete(line, session, connect),
  });
  const performance = { session, connect, input: async () => lines };
  try {
    let line: string | null = 'status';
    while (!(await perform(runLine(line ?? 'EOF', session), performance)).leaves)
      line = await lines.ask(`${prompt}> `);
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    print('');
  } finally {
    if (historyFile !== null) writeHistory(historyFile, lines.history);
    lines.close();
  }
  return 0;
}

async function complete(
  line: string,
  session: Session,
  connect: Connect,
): Promise<readonly [readonly string[], string]> {
  const completion = findCompletion(line);
  const { word, kind } = completion;
  if (kind === 'actions' || kind === 'nothing')
    return [kind === 'nothing' ? [] : completions(completion, []), word];
  const client = connect(session);
  try {
    const infos = structsOf(await client.call('supervisor.getAllProcessInfo', []));
    return [completions(completion, infos), word];
  } finally {
    client.close();
  }
}

/** The file has the oldest line first. */
function readHistory(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .reverse();
  } catch {
    // ENOENT the first time; a shell without its past is still a shell.
    return [];
  }
}

function writeHistory(file: string, history: readonly string[]): void {
  try {
    writeFileSync(
      file,
      [...history]
        .reverse()
        .map((line) => `${line}\n`)
        .join(''),
      { mode: 0o600 },
    );
  } catch {
    // As supervisorctl: a history that cannot be kept is no reason to complain at the end.
  }
}
