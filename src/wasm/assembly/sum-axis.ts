// Sums along one axis, accumulated in float64 as the cpu backend's are.
// SPDX-License-Identifier: Apache-2.0

/**
 * to[o, i] = scale * the sum over r of from[o, r, i], over the outer positions [begin, end). float32; `from` is [numOuter, length, numInner].
 */
export function sumAxis(
  from: usize,
  to: usize,
  length: i32,
  numInner: i32,
  scale: f64,
  begin: i32,
  end: i32,
  _worker: i32,
): void {
  const bytes = (<usize>length * <usize>numInner) << 2;
  for (let o = begin; o < end; ++o) {
    const origin = from + <usize>o * bytes;
    if (numInner == 1) {
      store<f32>(to + ((<usize>o) << 2), <f32>(sumRow(origin, length) * scale));
    } else {
      sumColumns(origin, to + ((<usize>o * <usize>numInner) << 2), length, numInner, scale);
    }
  }
}

/** The sum of `length` numbers that lie one after the other. */
function sumRow(from: usize, length: i32): f64 {
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  let c = f64x2.splat(0);
  let d = f64x2.splat(0);
  let i = 0;
  for (; i + 8 <= length; i += 8) {
    a = f64x2.add(a, f64x2.promote_low_f32x4(v128.load64_zero(from)));
    b = f64x2.add(b, f64x2.promote_low_f32x4(v128.load64_zero(from, 8)));
    c = f64x2.add(c, f64x2.promote_low_f32x4(v128.load64_zero(from, 16)));
    d = f64x2.add(d, f64x2.promote_low_f32x4(v128.load64_zero(from, 24)));
    from += 32;
  }
  a = f64x2.add(f64x2.add(a, b), f64x2.add(c, d));
  let sum = f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1);
  for (; i < length; ++i) {
    sum += <f64>load<f32>(from);
    from += 4;
  }
  return sum;
}

/** The sums of the columns of a matrix [length, numColumns]; sixteen columns at a time are one line of the cache. */
function sumColumns(from: usize, to: usize, length: i32, numColumns: i32, scale: f64): void {
  const stride = (<usize>numColumns) << 2;
  const factor = f64x2.splat(scale);
  let column = 0;
  for (; column + 16 <= numColumns; column += 16) {
    let a = f64x2.splat(0);
    let b = f64x2.splat(0);
    let c = f64x2.splat(0);
    let d = f64x2.splat(0);
    let e = f64x2.splat(0);
    let f = f64x2.splat(0);
    let g = f64x2.splat(0);
    let h = f64x2.splat(0);
    let at = from;
    for (let r = 0; r < length; ++r) {
      a = f64x2.add(a, f64x2.promote_low_f32x4(v128.load64_zero(at)));
      b = f64x2.add(b, f64x2.promote_low_f32x4(v128.load64_zero(at, 8)));
      c = f64x2.add(c, f64x2.promote_low_f32x4(v128.load64_zero(at, 16)));
      d = f64x2.add(d, f64x2.promote_low_f32x4(v128.load64_zero(at, 24)));
      e = f64x2.add(e, f64x2.promote_low_f32x4(v128.load64_zero(at, 32)));
      f = f64x2.add(f, f64x2.promote_low_f32x4(v128.load64_zero(at, 40)));
      g = f64x2.add(g, f64x2.promote_low_f32x4(v128.load64_zero(at, 48)));
      h = f64x2.add(h, f64x2.promote_low_f32x4(v128.load64_zero(at, 56)));
      at += stride;
    }
    storeTwo(to, a, factor);
    storeTwo(to + 8, b, factor);
    storeTwo(to + 16, c, factor);
    storeTwo(to + 24, d, factor);
    storeTwo(to + 32, e, factor);
    storeTwo(to + 40, f, factor);
    storeTwo(to + 48, g, factor);
    storeTwo(to + 56, h, factor);
    from += 64;
    to += 64;
  }
  for (; column + 2 <= numColumns; column += 2) {
    let sum = f64x2.splat(0);
    let at = from;
    for (let r = 0; r < length; ++r) {
      sum = f64x2.add(sum, f64x2.promote_low_f32x4(v128.load64_zero(at)));
      at += stride;
    }
    storeTwo(to, sum, factor);
    from += 8;
    to += 8;
  }
  if (column < numColumns) {
    let sum: f64 = 0;
    let at = from;
    for (let r = 0; r < length; ++r) {
      sum += <f64>load<f32>(at);
      at += stride;
    }
    store<f32>(to, <f32>(sum * scale));
  }
}

// @ts-ignore: decorator
@inline
function storeTwo(to: usize, sum: v128, factor: v128): void {
  v128.store64_lane(to, f32x4.demote_f64x2_zero(f64x2.mul(sum, factor)), 0);
}
