// Writes the idx format by its definition: two zeros, type 8, the rank, the lengths as big-endian words, the values.
export function idxBytes(shape: number[], values: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  shape.forEach((length, i) => {
    header.writeUInt32BE(length, 4 + 4 * i);
  });
  return Buffer.concat([header, values]);
}
