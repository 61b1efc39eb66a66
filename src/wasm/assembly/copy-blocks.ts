// Blocks copied at even distances: slices, repetitions, reversals.
// SPDX-License-Identifier: Apache-2.0
import {copyBytes} from './copy-bytes';

/** Copies `bytes` bytes from every `fromStride` bytes to every `toStride` bytes, over the blocks [begin, end). A stride may be negative. */
export function copyBlocks(
  from: usize,
  to: usize,
  bytes: usize,
  fromStride: isize,
  toStride: isize,
  begin: i32,
  end: i32,
  _worker: i32,
): void {
  from += <usize>(<isize>begin * fromStride);
  to += <usize>(<isize>begin * toStride);
  for (let i = begin; i < end; ++i) {
    copyBytes(from, to, bytes);
    from += <usize>fromStride;
    to += <usize>toStride;
  }
}

/** Writes each of the blocks [begin, end) of `bytes` bytes `times` times, one copy after the other. */
export function repeatBlocks(
  from: usize,
  to: usize,
  bytes: usize,
  times: i32,
  begin: i32,
  end: i32,
  _worker: i32,
): void {
  from += <usize>begin * bytes;
  to += <usize>begin * <usize>times * bytes;
  for (let i = begin; i < end; ++i) {
    if (bytes == 4) {
      const number = load<i32>(from);
      const four = i32x4.splat(number);
      let k = 0;
      for (; k + 4 <= times; k += 4) v128.store(to + ((<usize>k) << 2), four);
      for (; k < times; ++k) store<i32>(to + ((<usize>k) << 2), number);
      to += (<usize>times) << 2;
    } else {
      for (let k = 0; k < times; ++k) {
        copyBytes(from, to, bytes);
        to += bytes;
      }
    }
    from += bytes;
  }
}
