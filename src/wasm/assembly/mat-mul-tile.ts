// The innermost part of a matrix product: 5 rows by 8 columns of sums in registers.
// SPDX-License-Identifier: Apache-2.0

/**
 * Rows and columns of a tile. Its ten sums, two vectors of b, one of a and a product are 14 of the 15 vector registers that V8 hands out.
 * With one more row, with two steps of k in a turn of the loop, or with the work of `finishTile` after the loop some of them go through the
 * stack, which was measured to cost 30 to 50 percent.
 */
export const TILE_ROWS: i32 = 5;
export const TILE_COLUMNS: i32 = 8;

/**
 * c = from + a b, with a [5, K] and b [K, 8] packed: the numbers of one k lie together.
 *
 * @param from What the sums begin with, rows `fromStride` bytes apart: c itself, or one row of zeros with the stride 0.
 * @param cStride Bytes from a row of c to the next.
 */
export function tile(a: usize, b: usize, K: i32, from: usize, fromStride: usize, c: usize, cStride: usize): void {
  let c00 = v128.load(from);
  let c01 = v128.load(from, 16);
  from += fromStride;
  let c10 = v128.load(from);
  let c11 = v128.load(from, 16);
  from += fromStride;
  let c20 = v128.load(from);
  let c21 = v128.load(from, 16);
  from += fromStride;
  let c30 = v128.load(from);
  let c31 = v128.load(from, 16);
  from += fromStride;
  let c40 = v128.load(from);
  let c41 = v128.load(from, 16);
  for (let k = K; k > 0; --k) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load32_splat(a);
    c00 = f32x4.add(c00, f32x4.mul(a0, b0));
    c01 = f32x4.add(c01, f32x4.mul(a0, b1));
    const a1 = v128.load32_splat(a, 4);
    c10 = f32x4.add(c10, f32x4.mul(a1, b0));
    c11 = f32x4.add(c11, f32x4.mul(a1, b1));
    const a2 = v128.load32_splat(a, 8);
    c20 = f32x4.add(c20, f32x4.mul(a2, b0));
    c21 = f32x4.add(c21, f32x4.mul(a2, b1));
    const a3 = v128.load32_splat(a, 12);
    c30 = f32x4.add(c30, f32x4.mul(a3, b0));
    c31 = f32x4.add(c31, f32x4.mul(a3, b1));
    const a4 = v128.load32_splat(a, 16);
    c40 = f32x4.add(c40, f32x4.mul(a4, b0));
    c41 = f32x4.add(c41, f32x4.mul(a4, b1));
    a += 20;
    b += 32;
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  c += cStride;
  v128.store(c, c10);
  v128.store(c, c11, 16);
  c += cStride;
  v128.store(c, c20);
  v128.store(c, c21, 16);
  c += cStride;
  v128.store(c, c30);
  v128.store(c, c31, 16);
  c += cStride;
  v128.store(c, c40);
  v128.store(c, c41, 16);
}

/** c = min(max(c + bias, low), high) on a tile, `bias` being 8 numbers. In pmax and pmin, one instruction each, NaN passes from the left. */
export function finishTile(c: usize, cStride: usize, bias: usize, low: f32, high: f32): void {
  const bias0 = v128.load(bias);
  const bias1 = v128.load(bias, 16);
  const lows = f32x4.splat(low);
  const highs = f32x4.splat(high);
  for (let row = 0; row < TILE_ROWS; ++row) {
    v128.store(c, f32x4.pmin(f32x4.pmax(f32x4.add(v128.load(c), bias0), lows), highs));
    v128.store(c, f32x4.pmin(f32x4.pmax(f32x4.add(v128.load(c, 16), bias1), lows), highs), 16);
    c += cStride;
  }
}
