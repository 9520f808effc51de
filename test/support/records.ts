// The records in a world's state directory, to be read and to be spoilt.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonRecord } from '../../src/spec/daemon-record.js';
import type { World } from './world.js';

export const recordFile = (world: World, name: string): string =>
  join(world.state, 'daemons', name, 'record.json');

export function readRecord(world: World, name: string): DaemonRecord {
  return JSON.parse(readFileSync(recordFile(world, name), 'utf8')) as DaemonRecord;
}

export function changeRecord(
  world: World,
  name: string,
  change: (record: DaemonRecord) => DaemonRecord,
): void {
  writeFileSync(recordFile(world, name), JSON.stringify(change(readRecord(world, name))));
}

/** As if the daemon had ended and its pid now belonged to somebody else. */
export const recycled = (record: DaemonRecord): DaemonRecord => ({
  ...record,
  process: { ...record.process!, startTime: record.process!.startTime! - 100 },
});
