// The hyperbolic tangent, four numbers at a time.
// SPDX-License-Identifier: Apache-2.0

import {expOf} from './exp-log';

/** Below this the polynomial keeps the relative precision that the quotient would lose. */
const SMALL: f32 = 0.625;
/** From here on the result is 1 in float32. */
const LARGE: f32 = 9.25;

/** to[i] = tanh(from[i]) over [begin, end), float32. */
export function tanh(from: usize, to: usize, begin: i32, end: i32, _worker: i32): void {
  let i = begin;
  for (; i + 4 <= end; i += 4) v128.store(to + ((<usize>i) << 2), tanhOf(v128.load(from + ((<usize>i) << 2))));
  for (; i < end; ++i) {
    v128.store32_lane(to + ((<usize>i) << 2), tanhOf(v128.load32_zero(from + ((<usize>i) << 2))), 0);
  }
}

// @ts-ignore: decorator
@inline
function tanhOf(x: v128): v128 {
  const size = f32x4.abs(x);
  const sign = v128.xor(x, size);

  // The odd polynomial of Cephes' tanhf, https://www.netlib.org/cephes: x + x^3 P(x^2).
  const z = f32x4.mul(size, size);
  let p = f32x4.splat(-5.70498872745e-3);
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(2.06390887954e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-5.37397155531e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(1.33314422036e-1));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-3.33332819422e-1));
  const small = f32x4.add(size, f32x4.mul(f32x4.mul(p, z), size));

  // 1 - 2 / (exp(2 |x|) + 1); the limit keeps the exponent in range, and NaN.
  const bounded = f32x4.min(size, f32x4.splat(LARGE));
  const two = f32x4.splat(2);
  const one = f32x4.splat(1);
  const large = f32x4.sub(one, f32x4.div(two, f32x4.add(expOf(f32x4.mul(bounded, two)), one)));

  return v128.or(v128.bitselect(small, large, f32x4.lt(size, f32x4.splat(SMALL))), sign);
}
