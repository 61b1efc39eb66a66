// Sums of the rows of each segment.
// SPDX-License-Identifier: Apache-2.0

/**
 * to[s, c] = the sum of from[i, c] over the rows i with segments[i] = s, over the columns [begin, end), so that workers share no number.
 * Rows whose segment is not within [0, numSegments) are left out. float32.
 */
export function segmentSum(
  from: usize, segments: usize, to: usize, numRows: i32, numColumns: i32, numSegments: i32,
  begin: i32, end: i32, _worker: i32,
): void {
  addRows<f32>(from, segments, to, numRows, numColumns, numSegments, begin, end);
}

/** The same of int32. */
export function segmentSumInteger(
  from: usize, segments: usize, to: usize, numRows: i32, numColumns: i32, numSegments: i32,
  begin: i32, end: i32, _worker: i32,
): void {
  addRows<i32>(from, segments, to, numRows, numColumns, numSegments, begin, end);
}

function addRows<T>(
  from: usize, segments: usize, to: usize, numRows: i32, numColumns: i32, numSegments: i32, begin: i32, end: i32,
): void {
  clear(to, numColumns, numSegments, begin, end);
  const stride = (<usize>numColumns) << 2;
  const width = (<usize>(end - begin)) << 2;
  from += (<usize>begin) << 2;
  to += (<usize>begin) << 2;
  for (let i = 0; i < numRows; ++i) {
    const segment = load<u32>(segments + ((<usize>i) << 2));
    if (segment < <u32>numSegments) {
      const sum = to + <usize>segment * stride;
      let c: usize = 0;
      for (; c + 16 <= width; c += 16) v128.store(sum + c, v128.add<T>(v128.load(sum + c), v128.load(from + c)));
      for (; c < width; c += 4) store<T>(sum + c, load<T>(sum + c) + load<T>(from + c));
    }
    from += stride;
  }
}

/** Zeros in the columns [begin, end) of every segment. */
function clear(to: usize, numColumns: i32, numSegments: i32, begin: i32, end: i32): void {
  if (begin == 0 && end == numColumns) {
    memory.fill(to, 0, (<usize>numSegments * <usize>numColumns) << 2);
    return;
  }
  for (let s = 0; s < numSegments; ++s) {
    memory.fill(to + ((<usize>s * <usize>numColumns + <usize>begin) << 2), 0, (<usize>(end - begin)) << 2);
  }
}
