// Base64 as Python's base64.encodebytes and decodebytes have it: lines of 76 characters, and on the way in everything
// passed over that is no digit, so that the two of us take the same text for the same bytes.

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PAD = 0x3d;

/** How many bytes make a line of 76 digits. */
const LINE_BYTES = 57;

const values: ReadonlyMap<number, number> = new Map(
  [...DIGITS].map((digit, value) => [digit.charCodeAt(0), value]),
);

export function encodeBase64(bytes: Uint8Array): string {
  let text = '';
  for (let line = 0; line < bytes.length; line += LINE_BYTES)
    text += `${encodeLine(bytes.subarray(line, line + LINE_BYTES))}\n`;
  return text;
}

function encodeLine(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < bytes.length; index += 3) {
    const count = Math.min(3, bytes.length - index);
    const bits = (bytes[index]! << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0);
    for (let digit = 0; digit <= count; digit += 1) text += DIGITS[(bits >> (18 - 6 * digit)) & 63];
    text += '='.repeat(3 - count);
  }
  return text;
}

/** null where it is not ASCII, or ends within a group of four digits. */
export function decodeBase64(text: Uint8Array): Uint8Array | null {
  if (text.some((byte) => byte > 0x7f)) return null;
  const bytes = new Uint8Array(Math.ceil((text.length * 3) / 4));
  let length = 0;
  let digits = 0;
  let pads = 0;
  let bits = 0;
  for (const byte of text) {
    if (byte === PAD) {
      if (digits < 2) continue;
      pads += 1;
      // A whole group, its padding counted, is the end; what follows is not looked at.
      if (digits + pads >= 4) return bytes.slice(0, length);
      continue;
    }
    const value = values.get(byte);
    if (value === undefined) continue;
    pads = 0;
    bits = ((bits << 6) | value) & 0xffff;
    // The second, third and fourth digit of a group complete a byte each.
    if (digits > 0) {
      bytes[length] = (bits >> (6 - 2 * digits)) & 0xff;
      length += 1;
    }
    digits = (digits + 1) % 4;
  }
  return digits === 0 ? bytes.slice(0, length) : null;
}
