// The gradient of what grouped products add and cut off before they store: of relu and of the biases, in one pass.
// SPDX-License-Identifier: Apache-2.0
import {GROUP_BIAS, GROUP_BYTES} from './mat-mul-grouped';
import {panels} from './mat-mul-product';

/** Columns that are summed together: a line of the cache. */
const PANEL: i32 = 16;

/** Rows after which the sums of so many columns, kept in float64, are added to the result: a block of a few hundred columns stays in the cache. */
const BLOCK_ROWS: i32 = 64;

/**
 * masked = dy where y > 0 and 0 elsewhere, and bias e = the sums of masked's columns over the rows of group e; zeros for a group without
 * rows. All are float32, and dy, y and masked of N columns.
 *
 * A part is a panel of 16 columns of one group: there are ceil(N / 16) to a group.
 *
 * @param y Address of the result of relu; 0 where there was none: then dy itself is summed, and `masked` is not written.
 * @param groups Address of a table of groups, whose biases are written; all or none of them are 0.
 */
export function groupedFinishGradient(
  dy: usize, y: usize, masked: usize, groups: usize, N: i32, begin: i32, end: i32, _worker: i32,
): void {
  const parts = panels(N, PANEL);
  const stride = <usize>N << 2;
  for (let before = 0; before < end; before += parts) {
    const size = load<i32>(groups);
    const from = max(begin - before, 0) * PANEL;
    const to = min(N, (end - before) * PANEL);
    if (from < to) {
      const sums = load<usize>(groups, GROUP_BIAS);
      if (sums) memory.fill(sums + (<usize>from << 2), 0, <usize>(to - from) << 2);
      for (let row = 0; row < size; row += BLOCK_ROWS) {
        const at = <usize>row * stride;
        finishRows(dy + at, y ? y + at : 0, masked + at, sums, min(BLOCK_ROWS, size - row), stride, from, to);
      }
    }
    groups += GROUP_BYTES;
    const bytes = <usize>size * stride;
    dy += bytes;
    if (y) y += bytes;
    masked += bytes;
  }
}

/** Masks some columns of a few rows, and adds their sums to `sums` where that is an address. */
function finishRows(
  dy: usize, y: usize, masked: usize, sums: usize, rows: i32, stride: usize, from: i32, to: i32,
): void {
  let column = from;
  for (; column + 8 <= to; column += 8) {
    let at = <usize>column << 2;
    const sumsAt = sums + at;
    let a = f64x2.splat(0);
    let b = a;
    let c = a;
    let d = a;
    for (let row = 0; row < rows; ++row) {
      let low = v128.load(dy + at);
      let high = v128.load(dy + at, 16);
      if (y) {
        low = v128.and(low, f32x4.gt(v128.load(y + at), f32x4.splat(0)));
        high = v128.and(high, f32x4.gt(v128.load(y + at, 16), f32x4.splat(0)));
        v128.store(masked + at, low);
        v128.store(masked + at, high, 16);
      }
      a = f64x2.add(a, f64x2.promote_low_f32x4(low));
      b = f64x2.add(b, f64x2.promote_low_f32x4(v128.shuffle<i64>(low, low, 1, 1)));
      c = f64x2.add(c, f64x2.promote_low_f32x4(high));
      d = f64x2.add(d, f64x2.promote_low_f32x4(v128.shuffle<i64>(high, high, 1, 1)));
      at += stride;
    }
    if (sums) {
      addFour(sumsAt, a, b);
      addFour(sumsAt + 16, c, d);
    }
  }
  for (; column < to; ++column) {
    let at = <usize>column << 2;
    const sumsAt = sums + at;
    let sum: f64 = 0;
    for (let row = 0; row < rows; ++row) {
      let value = load<f32>(dy + at);
      if (y) {
        if (!(load<f32>(y + at) > 0)) value = 0;
        store<f32>(masked + at, value);
      }
      sum += <f64>value;
      at += stride;
    }
    if (sums) store<f32>(sumsAt, load<f32>(sumsAt) + <f32>sum);
  }
}

/** Adds four numbers of float64, two in each vector, to four of float32. */
// @ts-ignore: decorator
@inline
function addFour(to: usize, low: v128, high: v128): void {
  const sums = v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
  v128.store(to, f32x4.add(v128.load(to), sums));
}
