// Rows copied from the places that a list of indices names.
// SPDX-License-Identifier: Apache-2.0
import {copyBytes} from './copy-bytes';

/**
 * to[b, o, i] = from[b, o, indices[b, i]], rows of `bytes` bytes, over the rows [begin, end) of `to`.
 * `from` has the axes [batch, numOuter, length], `indices` (int32, each within [0, length)) [batch, numIndices].
 */
export function copyRows(
  from: usize,
  indices: usize,
  to: usize,
  bytes: usize,
  length: i32,
  numOuter: i32,
  numIndices: i32,
  begin: i32,
  end: i32,
  _worker: i32,
): void {
  let outer = begin / numIndices; // the position in [batch, numOuter]
  let i = begin - outer * numIndices;
  to += <usize>begin * bytes;
  while (begin < end) {
    const origin = from + <usize>outer * <usize>length * bytes;
    const list = indices + ((<usize>(outer / numOuter) * <usize>numIndices) << 2);
    const rest = numIndices - i;
    const stop = i + (rest < end - begin ? rest : end - begin);
    begin += stop - i;
    for (; i < stop; ++i) {
      copyBytes(origin + <usize>load<i32>(list + ((<usize>i) << 2)) * bytes, to, bytes);
      to += bytes;
    }
    i = 0;
    ++outer;
  }
}

/** The position of the first of `count` int32 that is not within [0, length), or -1. */
export function findOutside(indices: usize, count: i32, length: i32): i32 {
  for (let i = 0; i < count; ++i) {
    if (<u32>load<i32>(indices + ((<usize>i) << 2)) >= <u32>length) return i;
  }
  return -1;
}
