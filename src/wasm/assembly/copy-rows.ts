// Rows copied to or from the places that a list of indices names.
// SPDX-License-Identifier: Apache-2.0

/** to[i] = from[indices[i]], rows of `bytes` bytes; `indices` are int32, each within `from`. */
export function copyRows(from: usize, indices: usize, to: usize, bytes: usize, begin: i32, end: i32, _worker: i32): void {
  for (let i = begin; i < end; ++i) {
    const row = load<i32>(indices + ((<usize>i) << 2));
    memory.copy(to + (<usize>i) * bytes, from + (<usize>row) * bytes, bytes);
  }
}
