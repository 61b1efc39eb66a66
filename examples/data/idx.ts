// The formats of MNIST and its relatives. idx: a magic number, the lengths of the dimensions, then the values row by row. amat: a text, one row a line.
// SPDX-License-Identifier: Apache-2.0
import {gunzipSync} from 'node:zlib';
import {ValueError} from 'tfjs-moe/node';

const UINT8 = 0x08;
const GZIP = [0x1f, 0x8b];

/** What an idx file of unsigned bytes holds. */
export interface Idx {
  shape: number[];
  data: Uint8Array;
}

/** Unpacks gzip; other bytes are returned as they are. */
export function gunzipIfPacked(bytes: Uint8Array, path: string): Uint8Array {
  if (bytes[0] !== GZIP[0] || bytes[1] !== GZIP[1]) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new ValueError(`parseIdx: ${path} cannot be unpacked: ${(error as Error).message}.`, {cause: error});
  }
}

/**
 * Reads an idx file of unsigned bytes, packed by gzip or not.
 *
 * @param bytes The file's content.
 * @param path Names the file in errors.
 * @param rank How many dimensions it must have: 3 for images, 1 for labels.
 * @throws ValueError if the file is of another kind, or is not as long as it says.
 */
export function parseIdx(bytes: Uint8Array, path: string, rank: number): Idx {
  const plain = gunzipIfPacked(bytes, path);
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  const header = 4 + 4 * rank;
  if (plain.length < header || view.getUint16(0) !== 0 || view.getUint8(2) !== UINT8 || view.getUint8(3) !== rank) {
    throw new ValueError(`parseIdx: ${path} is not an idx file of unsigned bytes with ${rank} dimensions.`);
  }
  const shape = Array.from({length: rank}, (_, i) => view.getUint32(4 + 4 * i));
  const expected = header + shape.reduce((size, length) => size * length, 1);
  if (plain.length !== expected) {
    throw new ValueError(
      `parseIdx: ${path} must be ${expected} bytes long for its shape [${shape.join(', ')}], but it has ${plain.length}.`,
    );
  }
  return {shape, data: plain.subarray(header)};
}

const [ZERO, ONE, SPACE, NEWLINE, RETURN] = [0x30, 0x31, 0x20, 0x0a, 0x0d];

/**
 * Reads the text of 0s and 1s in which binarized MNIST is published: one image a line, its values parted by blanks.
 *
 * @param bytes The file's content, packed by gzip or not.
 * @param path Names the file in errors.
 * @param width How many values each line must have.
 * @throws ValueError if there is anything else in the file, or a line is of another length.
 */
export function parseAmat(bytes: Uint8Array, path: string, width: number): Idx {
  const text = gunzipIfPacked(bytes, path);
  const data = new Uint8Array(Math.ceil(text.length / 2)); // each value has a separator behind it, but for the last
  let count = 0;
  let begun = 0; // the values before this line
  const refuse = (what: string): never => {
    const line = Math.floor(begun / width) + 1;
    throw new ValueError(
      `parseAmat: ${path} must have ${width} values of 0 or 1 a line, but line ${line} has ${what}.`,
    );
  };
  const endLine = () => {
    if (count !== begun && count !== begun + width) refuse(`${count - begun}`);
    begun = count;
  };
  let isApart = true;
  for (const byte of text) {
    const isValue = byte === ZERO || byte === ONE;
    if (isValue && isApart) data[count++] = byte - ZERO;
    else if (byte === NEWLINE) endLine();
    else if (byte !== SPACE && byte !== RETURN) refuse(`something else (byte ${byte})`);
    isApart = !isValue;
  }
  endLine();
  return {shape: [count / width, width], data: data.subarray(0, count)};
}
