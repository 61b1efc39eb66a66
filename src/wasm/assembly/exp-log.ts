// Exponentials and logarithms, four float32 at a time.
// SPDX-License-Identifier: Apache-2.0

/** exp of numbers from -87 to 88: 2^n exp(r) with |r| at most half of ln 2, and a Taylor polynomial for exp(r), which is off by 1e-7 of it. */
// @ts-ignore: decorator
@inline
export function expOf(x: v128): v128 {
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(1.4426950408889634)));
  // ln 2 in two parts, of which the first times n is exact.
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440054690583e-4)));
  let p = f32x4.splat(1.0 / 720.0);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.0 / 120.0));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.0 / 24.0));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.0 / 6.0));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(0.5));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return f32x4.mul(p, power);
}

/** exp of numbers that are not above 0: 0 where it would leave the normal float32. */
// @ts-ignore: decorator
@inline
export function expOfNegative(x: v128): v128 {
  const smallest = f32x4.splat(-87);
  return v128.and(expOf(f32x4.max(x, smallest)), f32x4.ge(x, smallest));
}

/** The exponents e, as integers, of normal positive numbers x = m 2^e with m from 0.7 to 1.41. */
// @ts-ignore: decorator
@inline
export function exponentOf(x: v128): v128 {
  // The bits of sqrt(1/2): what lies below it goes with the next lower power of two.
  return i32x4.shr_s(i32x4.sub(x, i32x4.splat(0x3f3504f3)), 23);
}

/** m - 1, for the exponent e. */
// @ts-ignore: decorator
@inline
export function remainderOf(x: v128, e: v128): v128 {
  return f32x4.sub(i32x4.sub(x, i32x4.shl(e, 23)), f32x4.splat(1));
}

/** e log 2 + log(1 + r) = e log 2 + 2 artanh(r / (2 + r)), by the series of artanh; what is left out is below 2e-9 of it. */
// @ts-ignore: decorator
@inline
export function logOfParts(e: v128, r: v128): v128 {
  const s = f32x4.div(r, f32x4.add(r, f32x4.splat(2)));
  const z = f32x4.mul(s, s);
  let series = f32x4.splat(2.0 / 9.0);
  series = f32x4.add(f32x4.mul(series, z), f32x4.splat(2.0 / 7.0));
  series = f32x4.add(f32x4.mul(series, z), f32x4.splat(2.0 / 5.0));
  series = f32x4.add(f32x4.mul(series, z), f32x4.splat(2.0 / 3.0));
  series = f32x4.add(f32x4.mul(series, z), f32x4.splat(2));
  const power = f32x4.mul(f32x4.convert_i32x4_s(e), f32x4.splat(0.6931471805599453));
  return f32x4.add(power, f32x4.mul(series, s));
}

/** The natural logarithm of normal positive numbers. */
// @ts-ignore: decorator
@inline
export function logOf(x: v128): v128 {
  const e = exponentOf(x);
  return logOfParts(e, remainderOf(x, e));
}
