// The figures as one table.
import { cpus } from 'node:os';
import type { Figure } from './launcher.js';
import type { Row } from './measure.js';
import type { Spread } from './spread.js';

export interface Section {
  /** What was the same for all rows: the version of Node and the environment. */
  readonly title: string;
  readonly rows: readonly Row[];
  readonly figures: readonly Figure[];
}

export interface Machine {
  readonly rounds: number;
  readonly loadBefore: number;
  readonly loadAfter: number;
}

/** What is wanted of `run`, and what is not acceptable, as a ratio to the floor. */
const WANTED = 1.3;
const ACCEPTABLE = 1.5;
/** Where half of the floors are further than this from their neighbours, others use the machine too much. */
const NOISE = 0.15;

export function headline({ rounds, loadBefore, loadAfter }: Machine): string {
  const [processor] = cpus();
  return [
    `Wall time of whole processes, ${rounds} rounds at most; a ratio is to the mean of the two floors around it.`,
    `${process.platform} ${process.arch}, ${cpus().length} x ${processor?.model ?? 'unknown processor'}, ` +
      `load average ${loadBefore.toFixed(1)} before and ${loadAfter.toFixed(1)} after.`,
  ].join('\n');
}

const HEAD = ['', 'rounds', 'ms: least', 'median', 'most', 'ratio: least', 'median', 'most'];

export function tableOf(sections: readonly Section[]): string {
  const lines = sections.flatMap(({ title, rows, figures }) => [
    [],
    [title],
    ...rows.map((row) =>
      'absent' in row
        ? [`  ${row.title}`, `absent: ${row.absent}`]
        : [`  ${row.title}`, String(row.rounds), ...cells(row.ms, 1), ...cells(row.ratio, 2)],
    ),
    ...figures.map((figure) =>
      'absent' in figure
        ? [`  ${figure.title}`, `absent: ${figure.absent}`]
        : [`  ${figure.title}`, String(figure.rounds), ...cells(figure.values, 1)],
    ),
  ]);
  return align([HEAD, ...lines]);
}

function cells({ least, median, most }: Spread, digits: number): string[] {
  return [least, median, most].map((value) => value.toFixed(digits));
}

/** Titles to the left, numbers to the right; why somebody is absent is a sentence and widens no column. */
function align(lines: readonly (readonly string[])[]): string {
  const isSentence = (line: readonly string[]): boolean => line.length <= 2;
  const widths = HEAD.map((_, column) => {
    const counted = lines.filter((line) => (column === 0 ? line.length > 1 : !isSentence(line)));
    return Math.max(...counted.map((line) => line[column]?.length ?? 0));
  });
  const pad = (line: readonly string[]) => (cell: string, column: number) => {
    if (column === 0) return cell.padEnd(widths[0]!);
    return isSentence(line) ? cell : cell.padStart(widths[column]!);
  };
  return lines.map((line) => line.map(pad(line)).join('  ').trimEnd()).join('\n');
}

/** A sentence on what matters most, if it was measured and the machine let it be. */
export function verdictsOn({ title, rows }: Section): string[] {
  const [floor] = rows;
  const run = rows.find((row) => row.title === 'tsdaemon run --pidfile');
  if (floor === undefined || 'absent' in floor || run === undefined || 'absent' in run) return [];
  const { median } = run.ratio;
  const word = median <= WANTED ? 'as wanted' : median <= ACCEPTABLE ? 'more than wanted' : 'not acceptable';
  const faster = run.ms.lowerQuarter / floor.ms.lowerQuarter;
  const isNoisy = floor.ratio.lowerQuarter < 1 - NOISE || floor.ratio.upperQuarter > 1 + NOISE;
  return [
    `${title}: run is ${median.toFixed(2)} times the floor, ${word} (${WANTED}; at most ${ACCEPTABLE})` +
      (isNoisy
        ? `; but the floor is not even like itself here. The faster quarter of both says ${faster.toFixed(2)}`
        : ''),
  ];
}
