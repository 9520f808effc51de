// Arguments, environment and paths are bytes to the kernel and strings to us. Bytes that are not UTF-8 are
// carried as lone surrogates U+DC80..U+DCFF (Python's "surrogateescape", PEP 383), so every byte string has
// exactly one text, JSON can hold it, and text that is UTF-8 looks like itself.

const ESCAPE = 0xdc00;

/** Bytes to text; the exact inverse of encodeBytes. */
export function decodeBytes(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('utf8');
  if (!text.includes('\ufffd') || Buffer.from(text).equals(buffer)) return text;
  let result = '';
  for (let index = 0; index < buffer.length; ) {
    const length = sequenceLength(buffer, index);
    if (length === 0) {
      result += String.fromCharCode(ESCAPE + buffer[index]!);
      index += 1;
    } else {
      result += buffer.toString('utf8', index, index + length);
      index += length;
    }
  }
  return result;
}

/** Text to bytes; lone surrogates of the escape range become the byte they stand for. */
export function encodeBytes(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text);
  const parts: Buffer[] = [];
  let plain = '';
  for (const character of text) {
    const point = character.codePointAt(0)!;
    if (point >= ESCAPE + 0x80 && point <= ESCAPE + 0xff) {
      parts.push(Buffer.from(plain), Buffer.of(point - ESCAPE));
      plain = '';
    } else plain += character;
  }
  parts.push(Buffer.from(plain));
  return Buffer.concat(parts);
}

/** How many bytes the valid UTF-8 sequence at `index` has; 0 where there is none. */
function sequenceLength(bytes: Buffer, index: number): number {
  const lead = bytes[index]!;
  const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (length === 0 || index + length > bytes.length) return 0;
  // The decoder knows about overlong forms and surrogates; a sequence it accepts has no replacement character.
  const piece = bytes.subarray(index, index + length);
  return Buffer.from(piece.toString('utf8')).equals(piece) ? length : 0;
}

/** Splits a block of NUL-ended strings, as /proc/PID/environ and /proc/PID/cmdline are. */
export function splitNulEnded(block: Uint8Array): string[] {
  if (block.length === 0) return [];
  const end = block.at(-1) === 0 ? block.length - 1 : block.length;
  // Cut as text where it is text, which it nearly always is, and byte by byte only where it is not.
  const text = Buffer.from(block.buffer, block.byteOffset, end).toString('utf8');
  return text.includes('\ufffd') ? cutBytes(block.subarray(0, end)).map(decodeBytes) : text.split('\0');
}

function cutBytes(block: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let start = 0;
  for (let end = block.indexOf(0); end !== -1; end = block.indexOf(0, start)) {
    pieces.push(block.subarray(start, end));
    start = end + 1;
  }
  return [...pieces, block.subarray(start)];
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be shown
const UNSEEN = /[\x00-\x1f\x7f-\x9f\udc80-\udcff]/g;

/** Whether visible() would leave the text as it is. */
export const isVisible = (text: string): boolean => text.search(UNSEEN) === -1;

/** Control characters, and bytes that are no text, as \xNN: nothing shown can move a cursor or begin a line. */
export function visible(text: string): string {
  return text.replaceAll(UNSEEN, (character) =>
    [...encodeBytes(character)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''),
  );
}

/** Where `pattern` first begins at or after `from`; -1: nowhere. */
export function findBytes(bytes: Uint8Array, pattern: Uint8Array, from = 0): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(pattern, from);
}

/** One is handed back as it is, so what comes in one piece is not copied. */
export const joinBytes = (parts: readonly Uint8Array[]): Uint8Array =>
  parts.length === 1 ? parts[0]! : Buffer.concat(parts);
