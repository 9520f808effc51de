// What may be asked of a log file, as a caller writes it, and what it means.
import { UsageError } from '../errors.js';
import type { FileSink, LineFormat, LogRotation } from '../spec/service-spec.js';

export interface LogOptions {
  /** Bytes, or with K, M or G behind: `10M`. */
  readonly maxBytes?: string | undefined;
  readonly maxAgeMs?: number | undefined;
  readonly backups?: number | undefined;
  readonly compress?: boolean | undefined;
  readonly timestamps?: boolean | undefined;
  readonly jsonLines?: boolean | undefined;
}

type LogKeeping = Pick<FileSink, 'rotation' | 'lines'>;

export function buildLogKeeping(log: LogOptions): LogKeeping {
  return { rotation: buildRotation(log), lines: buildLines(log) };
}

const DEFAULT_BACKUPS = 10;

function buildRotation(log: LogOptions): LogRotation | null {
  if (log.maxBytes === undefined && log.maxAgeMs === undefined) {
    const stray =
      log.backups === undefined ? (log.compress === true ? '--log-compress' : null) : '--log-backups';
    if (stray === null) return null;
    throw new UsageError(`cannot use ${stray} without --log-max-bytes or --log-max-age`, stray);
  }
  const backups = log.backups ?? DEFAULT_BACKUPS;
  if (!Number.isInteger(backups) || backups < 0 || backups > 100_000)
    throw new UsageError(
      `cannot use --log-backups '${backups}': expected a whole number, 0 or more`,
      '--log-backups',
    );
  if (log.maxAgeMs !== undefined && !(log.maxAgeMs > 0))
    throw new UsageError(
      `cannot use --log-max-age '${log.maxAgeMs / 1000}': expected more than 0 seconds`,
      '--log-max-age',
    );
  return {
    maxBytes: log.maxBytes === undefined ? null : parseBytes(log.maxBytes, '--log-max-bytes'),
    maxAgeMs: log.maxAgeMs ?? null,
    backups,
    compress: log.compress === true,
  };
}

function buildLines({ timestamps, jsonLines }: LogOptions): LineFormat | null {
  if (timestamps === true && jsonLines === true)
    throw new UsageError('cannot use both --timestamps and --json-lines', '--json-lines');
  if (timestamps === true) return 'timestamps';
  return jsonLines === true ? 'json-lines' : null;
}

const units: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

function parseBytes(given: string, option: string): number {
  const [, digits, unit] = /^(\d{1,12})([KMG]?)B?$/i.exec(given) ?? [];
  const bytes = digits === undefined ? 0 : Number(digits) * units[unit!.toUpperCase()]!;
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(`cannot use ${option} '${given}': expected bytes, or as 10K, 10M, 10G`, option);
}
