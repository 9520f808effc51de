// Values as JSON can carry them: bytes are told apart from texts, and come back as bytes.
import { decodeBytes, encodeBytes } from './byte-text.js';

const BYTES = '$bytes';

export function toPlain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { [BYTES]: decodeBytes(value) };
  if (Array.isArray(value)) return value.map(toPlain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, toPlain(each)]));
}

export function fromPlain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromPlain);
  if (value === null || typeof value !== 'object') return value;
  if (BYTES in value) return new Uint8Array(encodeBytes(String(value[BYTES])));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, fromPlain(each)]));
}
