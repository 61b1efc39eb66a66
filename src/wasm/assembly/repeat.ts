// Every number several times, and the sums of as many: a depthwise convolution with several results a channel is one with as many channels.
// SPDX-License-Identifier: Apache-2.0

/** to[i, 0 ... times] = from[i]; over i. */
export function repeatNumbers(from: usize, to: usize, times: i32, begin: i32, end: i32, _worker: i32): void {
  to += (<usize>begin) * (<usize>times) << 2;
  for (let i = begin; i < end; ++i) {
    const value = load<f32>(from + ((<usize>i) << 2));
    for (let j = 0; j < times; ++j, to += 4) store<f32>(to, value);
  }
}

/** to[i] = the sum of from[i, 0 ... times]; over i. */
export function sumNumbers(from: usize, to: usize, times: i32, begin: i32, end: i32, _worker: i32): void {
  from += (<usize>begin) * (<usize>times) << 2;
  for (let i = begin; i < end; ++i) {
    let sum: f32 = 0;
    for (let j = 0; j < times; ++j, from += 4) sum += load<f32>(from);
    store<f32>(to + ((<usize>i) << 2), sum);
  }
}
