// SHA-1, for passwords that a configuration has as {SHA} and a hexadecimal digest. node:crypto would cost the
// supervisor half a megabyte for these lines.

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

export function sha1(message: Uint8Array): Buffer {
  const padded = Buffer.alloc(Math.ceil((message.length + 9) / 64) * 64);
  padded.set(message);
  padded[message.length] = 0x80;
  padded.writeBigUInt64BE(BigInt(message.length) * 8n, padded.length - 8);
  const state: Words = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  for (let start = 0; start < padded.length; start += 64) addBlock(state, padded.subarray(start, start + 64));
  const digest = Buffer.alloc(20);
  state.forEach((word, index) => {
    digest.writeInt32BE(word | 0, 4 * index);
  });
  return digest;
}

type Words = [number, number, number, number, number];

function addBlock(state: Words, block: Buffer): void {
  const words = Array.from({ length: 16 }, (_, index) => block.readInt32BE(4 * index));
  for (let index = 16; index < 80; index += 1)
    words.push(rotate(words[index - 3]! ^ words[index - 8]! ^ words[index - 14]! ^ words[index - 16]!, 1));
  let [a, b, c, d, e] = state;
  for (let round = 0; round < 80; round += 1) {
    const next = (rotate(a, 5) + mix(round, b, c, d) + e + words[round]!) | 0;
    [a, b, c, d, e] = [next, a, rotate(b, 30), c, d];
  }
  [a, b, c, d, e].forEach((word, index) => {
    state[index] = (state[index]! + word) | 0;
  });
}

function mix(round: number, b: number, c: number, d: number): number {
  if (round < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (round < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (round < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}
