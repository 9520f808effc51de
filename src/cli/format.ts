// Numbers, words and tables as people read them.
import { visible } from '../spec/byte-text.js';

/** 59s, 59m 59s, 23h 59m, 12d 3h: two units are enough. */
export function formatDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit)) as [
    number,
    number,
    number,
  ];
  if (days > 0) return `${days}d ${hours % 24}h`;
  if (hours > 0) return `${hours}h ${minutes % 60}m`;
  return minutes > 0 ? `${minutes}m ${seconds % 60}s` : `${seconds}s`;
}

/** In units of 1024, with one decimal below ten. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  for (; Math.round(value) >= 1024 && unit < units.length - 1; unit += 1) value /= 1024;
  return `${value < 9.95 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** A command as a shell would take it back; nothing in it can move the cursor or break the line. */
export function formatWords(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : quote(word))).join(' ');
}

function quote(word: string): string {
  if (visible(word) === word) return `'${word.replaceAll("'", "'\\''")}'`;
  return `$'${visible(word.replaceAll(/['\\]/g, '\\$&'))}'`;
}

/** Columns of equal width; the last one is cut to the terminal. */
export function formatTable(rows: readonly (readonly string[])[], columns: number | undefined): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => {
      const line = row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!)))
        .join('  ');
      return columns !== undefined && columns > 0 && line.length > columns
        ? `${line.slice(0, columns - 1)}…`
        : line;
    })
    .join('\n');
}
