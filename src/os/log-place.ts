// Where a byte of a log is, while the log loses its head to backups under its readers. How much it has lost so far
// is noted on the file itself, as an extended attribute of two numbers: what was taken, and what is being taken. The
// second counts as taken as soon as the log no longer begins with the hole that marks a head about to go (see
// log-collapse.ts), so that the very call that takes the bytes makes the note true.
import { SEEK_DATA } from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { callLibc, isLibcAvailable } from '../../native-bindings/libc.js';
import { cString } from '../../native-bindings/structs.js';

interface Note {
  readonly taken: number;
  readonly taking: number;
}

const ATTRIBUTE = cString(Buffer.from('user.tsdaemon.taken'));
const NUMBER_BYTES = 8;

/** So many bytes are about to be taken, now that the log begins with a hole; 0: they are not, after all. */
export function noteTaking(descriptor: number, bytes: number): void {
  writeNote(descriptor, { taken: readNote(descriptor)?.taken ?? 0, taking: bytes });
}

/** What was being taken is gone. */
export function noteTaken(descriptor: number): void {
  const note = readNote(descriptor);
  if (note === null || note.taking > 0)
    writeNote(descriptor, { taken: note === null ? 0 : note.taken + note.taking, taking: 0 });
}

/** How many bytes the log has lost at its beginning since it was made. */
export function takenFrom(descriptor: number): number {
  for (;;) {
    const note = readNote(descriptor);
    if (note === null) return 0;
    if (note.taking === 0) return note.taken;
    const isStillThere = nextData(descriptor, 0) !== 0;
    const again = readNote(descriptor);
    if (again?.taken === note.taken && again.taking === note.taking)
      return isStillThere ? note.taken : note.taken + note.taking;
  }
}

/** Whether what is read there are not the log's bytes but the hole that marks a head about to go. */
export function isHidden(descriptor: number, offset: number): boolean {
  return (
    readNote(descriptor) !== null && nextData(descriptor, 0) !== 0 && nextData(descriptor, offset) !== offset
  );
}

/** Where the next byte is that is in no hole; null: holes only, up to the end. */
export function nextData(descriptor: number, from: number): number | null {
  try {
    return callLibc('lseek', descriptor, from, SEEK_DATA);
  } catch (error) {
    if (error instanceof LibcError && error.code === 'ENXIO') return null;
    throw error;
  }
}

/** null: this log has never been rotated so, or cannot be. */
function readNote(descriptor: number): Note | null {
  if (!isLibcAvailable() || process.platform !== 'linux') return null;
  const value = Buffer.alloc(2 * NUMBER_BYTES);
  try {
    if (callLibc('fgetxattr', descriptor, ATTRIBUTE, value, value.length) < value.length) return null;
  } catch (error) {
    // ENODATA: no such note. EOPNOTSUPP: a file system without notes. EPERM: a pipe or a device.
    if (error instanceof LibcError) return null;
    throw error;
  }
  return { taken: Number(value.readBigUInt64LE(0)), taking: Number(value.readBigUInt64LE(NUMBER_BYTES)) };
}

function writeNote(descriptor: number, { taken, taking }: Note): void {
  const value = Buffer.alloc(2 * NUMBER_BYTES);
  value.writeBigUInt64LE(BigInt(taken), 0);
  value.writeBigUInt64LE(BigInt(taking), NUMBER_BYTES);
  callLibc('fsetxattr', descriptor, ATTRIBUTE, value, value.length, 0);
}
