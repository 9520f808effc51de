// Moves the head of a log that a program holds open into a file of its own, and takes it out of the log. The
// program notices nothing: its descriptor has O_APPEND, and the kernel shortens the file under its inode lock.
//
// Whatever the moment of a kill -9, afterwards every byte is either in the log or in the copy, and it can be told
// which. The copy alone cannot tell it: that the log begins as the copy does may mean that the head is still there,
// or that the program wrote the same again (`yes` does). The size cannot either, since the program goes on writing.
// So the log itself carries the mark, as a hole in place of its first block, which no append ever makes:
//
//   name of the copy   log begins with   then                                        after a kill
//   LOG.rotating       data              copying; it may not be whole                remove the copy
//   LOG.rotating       a hole            it is whole and on disk: the turning point  go on with the next row
//   LOG.rotated        a hole            the head is about to be collapsed           collapse it
//   LOG.rotated        data              it was collapsed                            make the copy a backup
//
// Each row follows from the one above by one system call, and each of these calls happens or does not. The first
// block reads as NULs only from the third call to the fourth; what has to reach the disk for them is written before.
//
// With one exception. xfs moves the bytes first and shortens the file then, and does not do the second when the
// process is being killed (or exits, or execs): then as many NULs as were collapsed lie between what was written
// before and what is appended later. A hole is among them, since at least two blocks are collapsed, and no other is
// in the file, since holes are filled before. closeGap() finds and removes it.
//
// Whoever works on a copy holds a flock on it. A process that was killed is gone for its parent while a thread of
// it is still inside the kernel, collapsing; the lock is freed when that thread is gone too.
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { constants as osConstants } from 'node:os';
import { dirname, join } from 'node:path';
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  SEEK_HOLE,
} from '../../native-bindings/constants.js';
import { LibcError } from '../../native-bindings/errno.js';
import { callLibc, callLibcInPool, isLibcAvailable } from '../../native-bindings/libc.js';
import { rotationNames } from '../core/log-rotation.js';
import { errnoNameOf, SystemError, systemError } from '../errors.js';
import { encodeBytes } from '../spec/byte-text.js';
import { lockForLife } from './lock-for-life.js';
import { copyAttributes, giveTo, removeIfThere, rename, statOrNull } from './log-backups.js';
import { nextData, noteTaken, noteTaking, takenFrom } from './log-place.js';

export interface OpenLog {
  readonly path: string;
  /** Open for reading and writing, without O_APPEND. */
  readonly descriptor: number;
  readonly blockBytes: number;
  /** What the length of a head must be a multiple of. */
  readonly unitBytes: number;
}

/** Makes a backup of the file, which holds what is no longer in the log. When it throws, it is called again later. */
export type PlaceCopy = (file: string) => void;

/** Beside the copy, this much stays free: a rotation must not take the last of the space from the program itself. */
const SPARE_BYTES = 1_048_576;

/** So that a kill, or the end of the process, does not wait long for a thread that copies. */
const PIECE_BYTES = 8 * 1_048_576;

/** Holes are filled at once, which takes so much memory, and this thread as long. */
const LONGEST_HOLE_BYTES = 16 * 1_048_576;

/** Pages are no smaller anywhere, and a block that is filled again must be filled by one page. */
const PAGE_BYTES = 4096;

export function openLog(path: string): OpenLog {
  const { O_RDWR, O_CREAT, O_NOCTTY } = constants;
  try {
    // Without O_NOFOLLOW it could be made another file between the look at its path and this, but /proc has links only.
    const flags = O_RDWR | O_CREAT | O_NOCTTY | (path.startsWith('/proc/') ? 0 : constants.O_NOFOLLOW);
    const descriptor = openSync(encodeBytes(path), flags, 0o666);
    const blockBytes = blockBytesOf(path);
    return { path, descriptor, blockBytes, unitBytes: 2 * blockBytes };
  } catch (error) {
    throw systemError(`cannot open log ${path}`, error, path);
  }
}

function blockBytesOf(path: string): number {
  return Math.max(PAGE_BYTES, statfsSync(encodeBytes(path)).bsize);
}

/**
 * Moves the first `bytes` of the log, whole units and less than its length, into a file that is then placed. Throws
 * SystemError, with all bytes where they were, or where recoverHead() finds them.
 */
export function moveHead(log: OpenLog, bytes: number, place: PlaceCopy): Promise<void> {
  return takeHead(log, place, async (copy) => {
    refuseWithoutSpace(log, bytes);
    await copyBytes(log.descriptor, copy, bytes);
  });
}

/** The same, but throws the bytes away. A copy without data, which is a hole as long as they, stands for them. */
export function dropHead(log: OpenLog, bytes: number, place: PlaceCopy): Promise<void> {
  return takeHead(log, place, async (copy) => ftruncateSync(copy, bytes));
}

async function takeHead(
  log: OpenLog,
  place: PlaceCopy,
  fill: (copy: number) => Promise<void>,
): Promise<void> {
  await recoverHead(log, place);
  try {
    fillHoles(log);
    const copy = openSync(encodeBytes(rotationNames.copying(log.path)), 'wx+', 0o600);
    try {
      await lockForLife(copy);
      await copyAndPunch(log, copy, fill);
      await commit(log, copy, place);
    } finally {
      closeSync(copy);
    }
  } catch (error) {
    throw systemError(`cannot rotate ${log.path}`, error, log.path);
  }
}

/** Finishes, or takes back, what a rotation that was killed has left; the table above says which. */
export async function recoverHead(log: OpenLog, place: PlaceCopy): Promise<void> {
  try {
    await withLeftCopy(rotationNames.copied(log.path), (copied) => collapseAndPlace(log, copied, place));
    await withLeftCopy(rotationNames.copying(log.path), async (copying) => {
      if (isPunched(log, copying)) await commit(log, copying, place);
      else removeIfThere(rotationNames.copying(log.path));
    });
  } catch (error) {
    throw systemError(`cannot finish the rotation of ${log.path} that was interrupted`, error, log.path);
  }
}

/** From the first row of the table to the second. */
async function copyAndPunch(
  log: OpenLog,
  copy: number,
  fill: (copy: number) => Promise<void>,
): Promise<void> {
  try {
    const stats = fstatSync(log.descriptor);
    giveTo(stats, copy);
    await fill(copy);
    // The age of a backup is told by its modification time.
    copyAttributes({ ...stats, mtimeMs: Date.now() }, copy);
    await callLibcInPool('fdatasync', copy);
    // What the kernel would else write while it holds the lock on which the program's own writes wait.
    await callLibcInPool('fdatasync', log.descriptor);
    noteTaken(log.descriptor);
    await fallocate(log, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, log.blockBytes);
  } catch (error) {
    if (isPunched(log, copy)) return;
    removeIfThere(rotationNames.copying(log.path));
    throw error;
  }
}

/** From the second row of the table to the end. */
async function commit(log: OpenLog, copy: number, place: PlaceCopy): Promise<void> {
  rename(rotationNames.copying(log.path), rotationNames.copied(log.path));
  await collapseAndPlace(log, copy, place);
}

/** From the third row of the table, or the fourth, to the end. */
async function collapseAndPlace(log: OpenLog, copy: number, place: PlaceCopy): Promise<void> {
  const path = rotationNames.copied(log.path);
  const bytes = fstatSync(copy).size;
  while (isPunched(log, copy)) {
    noteTaking(log.descriptor, bytes);
    try {
      await fallocate(log, FALLOC_FL_COLLAPSE_RANGE, 0, bytes);
    } catch (error) {
      // Whatever it says: without the mark the head is gone, and to try again would take what follows.
      if (isPunched(log, copy) && errnoNameOf(error) !== 'EINTR') {
        noteTaking(log.descriptor, 0);
        restoreHead(log, copy);
        throw error;
      }
    }
  }
  noteTaken(log.descriptor);
  await closeGap(log, bytes);
  if (nextData(copy, 0) === null) removeIfThere(path);
  else place(path);
}

/** Where the kernel refuses to collapse: from the third row of the table back to the first, and no copy. */
function restoreHead(log: OpenLog, copy: number): void {
  const copying = rotationNames.copying(log.path);
  rename(rotationNames.copied(log.path), copying);
  const block = readBlock(copy, 0, log.blockBytes);
  // The beginning last: as long as that is a hole, the copy counts.
  for (let start = log.blockBytes - PAGE_BYTES; start >= 0; start -= PAGE_BYTES)
    writeSync(log.descriptor, block, start, PAGE_BYTES, start);
  removeIfThere(copying);
}

/**
 * Takes the NULs out that an interrupted collapse of xfs has left: `bytes` of them, in general from the middle of
 * one block to the middle of another. What is before them in the first block is written to the same place in the
 * second, after which whole blocks can go. A kill in between, or another interruption, leaves what this can mend.
 */
async function closeGap(log: OpenLog, bytes: number): Promise<void> {
  // Asked first: the end of a file counts as a hole, and the program moves it on.
  const { size } = fstatSync(log.descriptor);
  const hole = nextHole(log.descriptor, 0);
  // Where it begins with a hole, somebody has emptied it and made it long again.
  if (hole === 0 || hole >= size) return;
  const start = hole - log.blockBytes;
  const block = readBlock(log.descriptor, start, log.blockBytes);
  const length = block.findLastIndex((byte) => byte !== 0) + 1;
  writeSync(log.descriptor, block, 0, length, start + bytes);
  await fallocate(log, FALLOC_FL_COLLAPSE_RANGE, start, bytes);
}

/** Whether the log begins with our mark. When it is no longer than the copy, somebody else has emptied it since. */
function isPunched(log: OpenLog, copy: number): boolean {
  return fstatSync(log.descriptor).size > fstatSync(copy).size && nextData(log.descriptor, 0) !== 0;
}

function nextHole(descriptor: number, from: number): number {
  return callLibc('lseek', descriptor, from, SEEK_HOLE);
}

/** Makes holes the NULs as which they read. What is appended meanwhile lies behind them. */
function fillHoles({ path, descriptor }: OpenLog): void {
  const { size } = fstatSync(descriptor);
  for (let hole = nextHole(descriptor, 0); hole < size; hole = nextHole(descriptor, hole)) {
    const end = Math.min(nextData(descriptor, hole) ?? size, size);
    if (end - hole > LONGEST_HOLE_BYTES)
      throw new SystemError(`cannot rotate ${path}: there is a hole of ${end - hole} bytes in it`, {
        syscall: 'lseek',
        errnoName: 'EFBIG',
        path,
      });
    writeSync(descriptor, Buffer.alloc(end - hole), 0, end - hole, hole);
  }
}

function readBlock(descriptor: number, start: number, bytes: number): Buffer {
  const block = Buffer.alloc(bytes);
  readSync(descriptor, block, 0, bytes, start);
  return block;
}

function refuseWithoutSpace({ path }: OpenLog, bytes: number): void {
  const { bavail, bsize } = statfsSync(encodeBytes(dirname(path)));
  if (bavail * bsize < bytes + SPARE_BYTES) throw new LibcError('statfs', osConstants.errno.ENOSPC);
}

async function copyBytes(from: number, to: number, bytes: number): Promise<void> {
  const source = Buffer.alloc(8);
  const target = Buffer.alloc(8);
  for (let left = bytes; left > 0; ) {
    const piece = Math.min(left, PIECE_BYTES);
    const count = await callLibcInPool('copy_file_range', from, source, to, target, piece, 0);
    if (count === 0) throw new LibcError('copy_file_range', osConstants.errno.EIO);
    left -= count;
  }
}

/** Not called again after EINTR: it may have done its work, or half of it. */
async function fallocate(log: OpenLog, mode: number, start: number, bytes: number): Promise<void> {
  await callLibcInPool('fallocate', log.descriptor, mode, start, bytes);
}

/** Runs the work with the copy of this name, if there still is one when whoever else works on it is done. */
async function withLeftCopy(path: string, work: (copy: number) => Promise<void>): Promise<void> {
  let copy: number;
  try {
    copy = openSync(encodeBytes(path), 'r+');
  } catch (error) {
    if (errnoNameOf(error) === 'ENOENT') return;
    throw error;
  }
  try {
    await lockForLife(copy);
    if (statOrNull(path)?.ino === fstatSync(copy).ino) await work(copy);
  } finally {
    closeSync(copy);
  }
}

/**
 * Whether logs in this place can be rotated so: tries every call on a file of its own. ext4 and xfs can; tmpfs,
 * btrfs, overlays of them and all others cannot, nor what is no regular file.
 */
export function canCollapse(path: string): boolean {
  if (process.platform !== 'linux' || !isLibcAvailable()) return false;
  try {
    if (statOrNull(path)?.isFile() === false) return false;
    return tryCollapse(dirname(path));
  } catch (error) {
    // EOPNOTSUPP, EINVAL, ENOSYS, EXDEV: it cannot. EACCES: not here. A full disk cannot be asked, only recognised.
    const isFull = ['ENOSPC', 'EDQUOT'].includes(errnoNameOf(error) ?? '');
    return isFull && COLLAPSIBLE.has(statfsSync(encodeBytes(dirname(path))).type);
  }
}

/** statfs(2) numbers of ext4 and xfs. */
const COLLAPSIBLE: ReadonlySet<number> = new Set([0xef53, 0x58465342]);

function tryCollapse(folder: string): boolean {
  const block = blockBytesOf(folder);
  const log = openUnnamed(folder);
  const copy = openUnnamed(folder);
  try {
    writeSync(log, Buffer.concat([Buffer.alloc(block, 'a'), Buffer.alloc(block, 'b'), Buffer.from('c')]));
    const copied = callLibc('copy_file_range', log, Buffer.alloc(8), copy, Buffer.alloc(8), block, 0);
    callLibc('fallocate', log, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, block);
    const hasMark = nextData(log, 0) === block;
    callLibc('fallocate', log, FALLOC_FL_COLLAPSE_RANGE, 0, block);
    const rest = Buffer.alloc(2 * block);
    noteTaking(log, block);
    noteTaken(log);
    const isNoted = takenFrom(log) === block;
    const isShort = readSync(log, rest, 0, rest.length, 0) === block + 1 && rest[0] === 0x62;
    return copied === block && hasMark && isNoted && isShort && nextData(log, 0) === 0;
  } finally {
    closeSync(log);
    closeSync(copy);
  }
}

function openUnnamed(folder: string): number {
  const path = join(folder, `.tsdaemon-probe-${process.pid}-${Math.random().toString(36).slice(2)}`);
  const descriptor = openSync(encodeBytes(path), 'wx+', 0o600);
  unlinkSync(encodeBytes(path));
  return descriptor;
}
