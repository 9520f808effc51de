// What is found in the logs of a soak, and in what its listener was told: every line once and in order.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { FLOOD, type Program } from './soak-programs.js';

const ESC = '\x1b';
const RAW_LINE = new RegExp(`^${ESC}\\[32m(\\d+) (\\d+)${ESC}\\[0m$`);
const CLEAN_LINE = /^(\d+) (\d+)$/;
/** What was left when its writer was killed: a piece of a line, of a token or of a message. */
const CUT = new RegExp(`^[${ESC}[\\dm ]*(<!--[A-Z:-]*)?(message[\\d ]*)?(<!--[A-Z:-]*)?$`);

/** Counts what was written by each run of one program. */
class Runs {
  readonly last = new Map<string, number>();
  runs = 0;
  lines = 0;

  /** `isWhole`: every run has to be there from its beginning. */
  constructor(
    readonly name: string,
    readonly isWhole: boolean,
  ) {}

  add(pid: string, count: number, isBeginning: boolean): void {
    const before = this.last.get(pid);
    // A pid comes again after a while.
    if (isBeginning) this.runs += 1;
    else if (before !== undefined || this.isWhole)
      assert.equal(count, (before ?? -1) + 1, `${this.name}: ${pid} ${count} after ${before}`);
    this.last.set(pid, count);
    this.lines += 1;
  }
}

/**
 * Every run counts from 0 without a gap, and every flood is there to its end. What was being written in pieces when a
 * program was killed may be cut.
 */
export function assertLogs(
  programs: readonly Program[],
  textOf: (program: Program) => string,
  stripsAnsi: boolean,
): { runs: number; lines: number } {
  const sum = { runs: 0, lines: 0 };
  for (const program of programs) {
    const { runs, lines, last } = assertLines(
      program,
      textOf(program),
      stripsAnsi ? CLEAN_LINE : RAW_LINE,
      true,
    );
    sum.runs += runs;
    sum.lines += lines;
    if (program.isAlone) continue;
    for (const [pid, count] of last)
      assert.equal(count % FLOOD, 0, `${program.name}: the last line of ${pid} is ${count}`);
  }
  return sum;
}

function assertLines({ name, isAlone }: Program, text: string, form: RegExp, isWhole: boolean): Runs {
  const runs = new Runs(name, isWhole);
  for (const line of text.split('\n')) {
    const found = form.exec(line);
    if (found === null) {
      const isCut = line === '' || (isAlone === true && CUT.test(line));
      assert.ok(isCut, `${name}: line ${JSON.stringify(line)}`);
      continue;
    }
    const [, pid, count] = found as unknown as [string, string, string];
    runs.add(pid, Number(count), count === '0');
  }
  return runs;
}

interface Heard {
  readonly serial: string;
  readonly type: string;
  readonly payload: string;
}

/** Nothing of what happened while the supervisor was only exchanged in place is missing. */
export function assertEvents(programs: readonly Program[], file: string): Record<string, number> {
  const counts: Record<string, number> = { again: 0 };
  const states = new Map<string, string>();
  const output = new Map<string, string[]>();
  const messages = new Map(programs.map(({ name }) => [name, new Runs(`messages of ${name}`, false)]));
  const known = new Set<string>();
  for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const { serial, type, payload } = JSON.parse(line) as Heard;
    // A listener that was killed before it answered has been told once more.
    if (known.has(serial)) {
      counts.again! += 1;
      continue;
    }
    known.add(serial);
    const kind = type.replace(/^(PROCESS_STATE|PROCESS_LOG|PROCESS_COMMUNICATION).*/, '$1');
    counts[kind] = (counts[kind] ?? 0) + 1;
    const [head] = payload.split('\n', 1) as [string];
    const { processname: name = '', from_state } = Object.fromEntries(
      head.split(' ').map((pair) => pair.split(':')),
    ) as Record<string, string>;
    const data = payload.slice(head.length + 1);
    if (kind === 'PROCESS_STATE') {
      const before = states.get(name);
      if (before !== undefined) assert.equal(from_state, before, `${name}: ${type} from ${from_state}`);
      states.set(name, type.slice('PROCESS_STATE_'.length));
    } else if (kind === 'PROCESS_LOG') {
      output.set(name, [...(output.get(name) ?? []), data]);
    } else if (kind === 'PROCESS_COMMUNICATION') {
      const found = /^message (\d+) (\d+)$/.exec(data);
      assert.ok(found, `${name}: message ${JSON.stringify(data)}`);
      messages.get(name)!.add(found[1]!, Number(found[2]), found[2] === '1');
    }
  }
  for (const program of programs)
    if (program.isHeard) assertHeard(program, (output.get(program.name) ?? []).join(''));
  return counts;
}

/** It may begin in the middle of a line. */
function assertHeard(program: Program, text: string): void {
  assertLines(program, text.slice(text.indexOf('\n') + 1), RAW_LINE, false);
}

/** With its backups, the oldest first. What a kill has cut a move to a renamed file short of is a backup instead. */
export function wholeLog(path: string, renamed: readonly string[]): string {
  const backups: string[] = [];
  for (let number = 1; ; number += 1) {
    const plain = `${path}.${number}`;
    if (existsSync(plain)) backups.unshift(readFileSync(plain, 'utf8'));
    else if (existsSync(`${plain}.gz`)) backups.unshift(gunzipSync(readFileSync(`${plain}.gz`)).toString());
    else break;
  }
  const pieces = renamed.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : backups.shift()));
  return [...pieces, ...backups, readFileSync(path, 'utf8')].join('');
}
