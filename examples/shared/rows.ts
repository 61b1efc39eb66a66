// Picks rows of a matrix that lies flat in a typed array.
// SPDX-License-Identifier: Apache-2.0
import {ValueError} from 'tfjs-moe/node';

/**
 * The named rows of a matrix, in that order, as a copy.
 *
 * @param values The matrix, row by row.
 * @param width Values a row.
 * @param rows Which rows; one may be named twice.
 */
export function pickRows<T extends Uint8Array | Float32Array>(values: T, width: number, rows: Uint32Array): T {
  const count = Math.floor(values.length / width);
  const size = rows.length * width;
  // By kind, not by constructor: a file's bytes are a Buffer, whose constructor is deprecated.
  const picked = (values instanceof Float32Array ? new Float32Array(size) : new Uint8Array(size)) as T;
  for (let i = 0; i < rows.length; ++i) {
    const row = rows[i]!;
    if (row >= count) throw new ValueError(`pickRows: a row must be from 0 to ${count - 1}, but got ${row}.`);
    picked.set(values.subarray(row * width, (row + 1) * width), i * width);
  }
  return picked;
}

/** So many rows of all, evenly apart: a file may hold its images class by class, so that the first ones stand for nothing else. */
export function spreadRows(count: number, all: number): Uint32Array {
  return Uint32Array.from({length: count}, (_, i) => Math.floor((i * all) / count));
}
