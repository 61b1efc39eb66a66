// What several functions do with vectors of four float32.
// SPDX-License-Identifier: Apache-2.0

// @ts-ignore: decorator
@inline
export function addProduct(sum: v128, x: v128, y: v128): v128 {
  return f32x4.add(sum, f32x4.mul(x, y));
}

/** The sum of the four numbers. */
// @ts-ignore: decorator
@inline
export function sumLanes(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  );
}

/** Stores the first `count` of the eight numbers of two vectors; all of them from 8 up. */
// @ts-ignore: decorator
@inline
export function storeEight(to: usize, low: v128, high: v128, count: i32): void {
  if (count >= 8) {
    v128.store(to, low);
    v128.store(to, high, 16);
  } else {
    storeSome(to, low, high, count);
  }
}

function storeSome(to: usize, low: v128, high: v128, count: i32): void {
  if (count & 4) {
    v128.store(to, low);
    to += 16;
    low = high;
  }
  if (count & 2) {
    v128.store64_lane(to, low, 0);
    to += 8;
    low = v128.shuffle<i64>(low, low, 1, 1);
  }
  if (count & 1) v128.store32_lane(to, low, 0);
}

/** Eight numbers, of which the first `count` are read and the others are zero. */
export function loadSome(from: usize, to: usize, count: i32): void {
  for (let i = 0; i < 8; ++i) store<f32>(to + (i << 2), i < count ? load<f32>(from + (i << 2)) : 0);
}
